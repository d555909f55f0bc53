"""Layers in a row, their weights rounded while they train."""
