"""The version, in one place: packaging reads it from here and so does ``trainctl --version``."""

__version__ = "0.1.0"
