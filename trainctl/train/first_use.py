"""The first use of the compiled loops takes seconds: who waits is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from trainctl.backend.kernel_cache import folder, log
from trainctl.train.events import Event, Notice

_LONG = 1.0  # seconds: what is compiled later in a run, for evaluation say, is news from here


def announced(events: Iterable[Event], on_event: Callable[[Event], object]) -> Iterator[Event]:
    """Yield events, and call ``on_event`` with a notice before loops are compiled on the way to one, and after.

    The first notice comes at once, from within the step that has to wait; loops that are loaded are no news.
    """
    said = False

    def start() -> None:
        nonlocal said
        if not said:
            said = True
            on_event(Notice("compiling kernels (first use) ..."))

    compiled, seconds, is_first = log.compiled, log.seconds, True
    with log.announcing(start):
        for event in events:
            if log.compiled > compiled:
                if is_first or log.seconds - seconds > _LONG:
                    on_event(Notice(_outcome(log.compiled - compiled, log.seconds - seconds)))
                compiled, seconds, is_first = log.compiled, log.seconds, False
            yield event


def _outcome(count: int, seconds: float) -> str:
    kept = f"kept in {folder()}" if log.kept else f"{folder()} cannot be written: the next start compiles them again"
    return f"compiled {count} kernel{'s' * (count > 1)} in {seconds:.1f}s; {kept}"
