"""Quantized layers, under the names of PyTorch's ``torch.ao.nn.quantized``."""
