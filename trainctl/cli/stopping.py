"""SIGTERM and SIGINT in a command that has no state to save: what is half written goes, and the exit code says so."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self


class Stopping:
    """While it is entered, the first SIGTERM or SIGINT is a ``KeyboardInterrupt`` wherever the command is.

    So files that are not whole are removed on the way out. A second signal quits at once. Training, which saves first,
    takes the signals over while it runs. In another thread than the main one nothing is done.

    Attributes:
        signum: the signal that came; SIGINT until one does.

    Example:
        >>> import os
        >>> with Stopping() as stopping:
        ...     try:
        ...         os.kill(os.getpid(), signal.SIGTERM)
        ...     except KeyboardInterrupt:
        ...         stopping.signum == signal.SIGTERM
        True
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signum = int(signal.SIGINT)
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in self.SIGNALS:
                self._previous[signum] = signal.signal(signum, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    @property
    def message(self) -> str:
        """What there is to say of it."""
        return f"stopped by {signal.Signals(self.signum).name} before it was done"

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt
