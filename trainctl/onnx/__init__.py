"""Models written as ONNX, under the names of PyTorch's ``torch.onnx``."""
