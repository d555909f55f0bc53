"""The text of a config file."""

from __future__ import annotations

import difflib
import os
import pathlib

from trainctl.config.reader import LINE_BREAK
from trainctl.errors import ConfigError, Problem
from trainctl.storage.files import read_typed

MAX_BYTES = 1 << 20


def read_text(file: str) -> str:
    """Read a config file.

    Raises:
        ConfigError: it is missing, a directory, a device, unreadable, too large or not UTF-8.
    """
    try:
        data = read_typed(file, MAX_BYTES)
    except FileNotFoundError:
        raise ConfigError([Problem("no such file", file, hint=_near(file))]) from None
    except IsADirectoryError:
        raise ConfigError([Problem("a directory; expected a YAML file", file, hint=_inside(file))]) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(f"cannot be read: {reason}", repr(file)[1:-1])]) from None
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem(f"over {MAX_BYTES} bytes; this is no config", file)])
    return _decoded(data, file)


def _decoded(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = LINE_BREAK.split(data[: error.start].decode("utf-8-sig"))
        kind = " (it begins as UTF-16 does)" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        message = f"not UTF-8: byte 0x{data[error.start]:02x}{kind}"
        place = Problem(message, file, len(before), len(before[-1]) + 1, hint="save the file as UTF-8")
        raise ConfigError([place]) from None


def _near(file: str) -> str | None:
    """The files of the same directory with the most similar names."""
    path = pathlib.Path(file)
    try:
        names = sorted(name for name in os.listdir(path.parent) if os.path.isfile(path.parent / name))
    except OSError:
        return f"there is no directory {path.parent} either"
    stems = {name: pathlib.PurePath(name).stem.lower() for name in names}
    close = difflib.get_close_matches(path.stem.lower(), stems.values(), n=2)  # all names end alike: it says nothing
    near = [name for name in names if stems[name] in close][:3]
    return f"did you mean {' or '.join(str(path.with_name(name)) for name in near)}?" if near else None


def _inside(directory: str) -> str | None:
    found = sorted(path.name for path in pathlib.Path(directory).glob("*.y*ml"))[:5]
    return f"it holds {', '.join(found)}" if found else None
