"""One image file as an array, by Pillow (the extra ``images``)."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np

from trainctl.errors import DataError, UsageError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def need_pillow() -> None:
    """Check that images can be read.

    Raises:
        UsageError: Pillow is not installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise UsageError(
            "image files are read by Pillow, which is not installed", hint="pip install 'trainctl[images]'"
        )


def read_image(path: Path, channels: int, size: tuple[int, int]) -> np.ndarray:
    """Return an image, upright and scaled to a size, uint8 [channels, *size].

    Args:
        path: the file.
        channels: 1 for grey, 3 for colours, 4 for colours and opacity; other images are converted.
        size: height and width.

    Raises:
        DataError: the file is damaged, not an image, or far too large.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):  # which a conversion would cut off at 255
                    raise ValueError(f"mode {image.mode}, not 8 bits a channel")
                upright = ImageOps.exif_transpose(image).convert(_MODES[channels])
        if upright.size != (size[1], size[0]):
            upright = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: an image of far too many pixels", hint="scale it down, or leave it out") from error
    # What Pillow's decoders raise at damaged files is of every kind.
    except (
        OSError,
        ValueError,
        TypeError,
        SyntaxError,
        EOFError,
        ArithmeticError,
        LookupError,
        AttributeError,
    ) as error:
        message = f"{path}: expected an image, got {error.__class__.__name__}: {error}"
        raise DataError(message, hint="replace the file with a fresh copy, or leave it out") from error
    pixels = np.asarray(upright)
    return pixels.reshape(*size, channels).transpose(2, 0, 1)
