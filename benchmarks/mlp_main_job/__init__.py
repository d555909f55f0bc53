"""The whole of `trainctl train configs/mlp.yaml` against the same job written in PyTorch."""
