"""One image file as an array, by Pillow (the extra ``images``)."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np

from trainctl.errors import DataError, UsageError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # Pillow has others, and runs a program for one
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}

# What Pillow's decoders raise at damaged files is of every kind.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    ArithmeticError,
    LookupError,
    AttributeError,
)


def need_pillow() -> None:
    """Check that images can be read.

    Raises:
        UsageError: Pillow is not installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise UsageError(
            "image files are read by Pillow, which is not installed", hint="pip install 'trainctl[images]'"
        )


def read_image(path: Path, channels: int, size: tuple[int, int], *, scales: bool = True) -> np.ndarray:
    """Return an image, upright and scaled to a size, uint8 [channels, *size].

    Args:
        path: the file.
        channels: 1 for grey, 3 for colours, 4 for colours and opacity; other images are converted.
        size: height and width.
        scales: False: an image of another size is refused.

    Raises:
        DataError: the file is missing, damaged, not an image, far too large, or of another size.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                _check_depth(path, image.mode)
                upright = ImageOps.exif_transpose(image).convert(_MODES[channels])
        if upright.size != (size[1], size[0]):
            _check_scaled(path, upright.size, size, scales)
            upright = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: an image of far too many pixels", hint="scale it down, or leave it out") from error
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    pixels = np.asarray(upright)
    return pixels.reshape(*size, channels).transpose(2, 0, 1)


def _check_depth(path: Path, mode: str) -> None:
    if mode.startswith(("I", "F")):  # which a conversion would cut off at 255
        raise DataError(f"{path}: expected 8 bits a channel, got mode {mode}", hint="save it with 8 bits")


def _check_scaled(path: Path, found: tuple[int, int], size: tuple[int, int], scales: bool) -> None:
    if not scales:
        raise DataError(
            f"{path}: expected an image of {size[1]} x {size[0]} pixels, got {found[0]} x {found[1]}",
            hint="scale it as the training images were; only images of an ImageFolder are scaled here",
        )


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"{path}: {error.strerror}")
    message = f"{path}: expected an intact image, got {error.__class__.__name__}: {error}"
    return DataError(message, hint="replace the file with a fresh copy, or leave it out")
