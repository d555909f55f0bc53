"""Models in integers, under the names of PyTorch's ``torch.ao.quantization``."""
