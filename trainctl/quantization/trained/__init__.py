"""A trained model quantized after its training: which layers, on which grids, with how much noise; written down and rebuilt.

``trainctl quantize`` is made of it; :mod:`trainctl.quantization.post_training` is how to call it.
"""
