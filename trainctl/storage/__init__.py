"""Tensors and trees of them on disk: safetensors and JSON, never pickle."""
