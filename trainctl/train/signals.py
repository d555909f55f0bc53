"""SIGTERM and SIGINT as a wish to stop that the loop reads between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

from trainctl.errors import Interrupted


class StopSignals:
    """While it is entered, the first SIGTERM or SIGINT is noted and a second one quits at once.

    In another thread than the main one, where Python allows no handlers, it notes nothing.

    Attributes:
        signum: the signal that came, None until one does. Set it to stop a run from code.

    Example:
        >>> import os
        >>> with StopSignals() as stop:
        ...     os.kill(os.getpid(), signal.SIGTERM)
        ...     stop.signum == signal.SIGTERM
        True
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in self.SIGNALS:
                self._previous[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()

    def check(self, where: str, hint: str | None = None) -> None:
        """Stop here if a signal came: for loops to call between two of their turns.

        Args:
            where: what the signal interrupted and what is kept of it, to go after "stopped by SIGTERM".
            hint: the command that goes on, where there is something to go on with.

        Raises:
            Interrupted: it came; the exit code is 128 and its number.

        Example:
            >>> stop = StopSignals()
            >>> stop.check("after 3 of 10 batches; nothing is kept")
            >>> stop.signum = signal.SIGTERM
            >>> stop.check("after 4 of 10 batches; nothing is kept")
            Traceback (most recent call last):
            trainctl.errors.Interrupted: stopped by SIGTERM after 4 of 10 batches; nothing is kept
        """
        if self.signum is not None:
            name = signal.Signals(self.signum).name
            raise Interrupted(f"stopped by {name} {where}", signum=self.signum, hint=hint)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
