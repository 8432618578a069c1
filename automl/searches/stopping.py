"""Ending a search cleanly from outside."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopSwitch:
    """Set from outside, by Ctrl-C or `automl stop`, to end a search cleanly.

    Attributes:
        reason: Why the search is to end; None while it is not.
        is_watched: Whether somebody looks at it. Before that there are no trials to end cleanly, and a signal ends all at once.
    """

    reason: str | None = None
    is_watched: bool = False

    def set(self, reason: str) -> None:
        """Ask for the end; the first reason is kept."""
        self.reason = self.reason or reason


@contextmanager
def stop_on_signals(stop: StopSwitch) -> Iterator[None]:
    """Ctrl-C or SIGTERM once asks for a clean stop; a second one, or one before the trials, raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.reason is not None or not stop.is_watched:
            raise KeyboardInterrupt
        stop.set("interrupted by Ctrl-C" if number == signal.SIGINT else "asked to by SIGTERM")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
