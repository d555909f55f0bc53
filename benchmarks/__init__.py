"""Measurements against PyTorch and JAX: `make bench`."""
