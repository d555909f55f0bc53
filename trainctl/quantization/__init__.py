"""Models in integers, under the names of PyTorch's ``torch.ao.quantization``."""

from __future__ import annotations

from trainctl.quantization.fake_quantize import *  # noqa: F403 - every name that it lists is PyTorch's here too
from trainctl.quantization.learnable import *  # noqa: F403 - as above
from trainctl.quantization.observers import *  # noqa: F403 - as above
from trainctl.quantization.qconfig import *  # noqa: F403 - as above
