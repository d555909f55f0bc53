"""Measurements against PyTorch: `make bench`."""
