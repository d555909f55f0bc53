"""Layers in a row that are quantized as one."""
