"""Layers whose weights are rounded while they train."""
