"""Models in integers, under the names of PyTorch's ``torch.ao.quantization``."""

from __future__ import annotations

# Every name that a module lists is PyTorch's here too.
from trainctl.quantization.convert import *  # noqa: F403 - as said above
from trainctl.quantization.fake_quantize import *  # noqa: F403 - as said above
from trainctl.quantization.fuse import *  # noqa: F403 - as said above
from trainctl.quantization.fuser_methods import *  # noqa: F403 - as said above
from trainctl.quantization.learnable import *  # noqa: F403 - as said above
from trainctl.quantization.legacy import *  # noqa: F403 - as said above
from trainctl.quantization.mappings import *  # noqa: F403 - as said above
from trainctl.quantization.neighbours import *  # noqa: F403 - as said above
from trainctl.quantization.observers import *  # noqa: F403 - as said above
from trainctl.quantization.prepare import *  # noqa: F403 - as said above
from trainctl.quantization.qconfig import *  # noqa: F403 - as said above
from trainctl.quantization.quantize import *  # noqa: F403 - as said above
from trainctl.quantization.stubs import *  # noqa: F403 - as said above
