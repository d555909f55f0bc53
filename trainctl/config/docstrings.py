"""What a class's docstring says of it and of each of its arguments, for editors."""

from __future__ import annotations

import inspect
import re

_ENTRY = re.compile(r"(?m)^    (\*{0,2}\w+)(?: \([^)]*\))?:[ \n]")
_SECTION = re.compile(r"(?m)^(?:Args|Attributes):\n((?:(?:    .*)?(?:\n|\Z))+)")


def summary(cls: type) -> str:
    """The first sentence of a class's docstring, without reST's marks.

    Example:
        >>> from trainctl.config.schema import SplitConfig
        >>> summary(SplitConfig)
        'How the training samples are divided.'
    """
    text = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0]
    return _plain(text)


def argument_texts(cls: type) -> dict[str, str]:
    """What the sections ``Args`` and ``Attributes`` of a class's docstring say, by name.

    Example:
        >>> from trainctl.config.schema import SplitConfig
        >>> argument_texts(SplitConfig)
        {'val': 'the share held out for validation.'}
    """
    texts: dict[str, str] = {}
    for section in _SECTION.findall(inspect.cleandoc(cls.__doc__ or "")):
        parts = _ENTRY.split(section)[1:]
        texts.update({name: _plain(text) for name, text in zip(parts[::2], parts[1::2], strict=True)})
    return texts


def _plain(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())
