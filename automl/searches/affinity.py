"""Sends a trial where its program is warm: which compiled programs each worker has trained with lately."""

from collections import deque
from collections.abc import Sequence

from automl.searches.rules import REMEMBERED_PROGRAMS


class WarmPrograms:
    """What each worker need not build and trace again, as far as the driver knows; a wrong guess costs time, never a result."""

    def __init__(self) -> None:
        self._recent: dict[int, deque[str]] = {}

    def choose(self, idle: Sequence[int], key: str) -> int:
        """The first idle worker that is warm for this program, else the first idle one: a trial never waits for a busy worker."""
        return next((worker for worker in idle if key in self._recent.get(worker, ())), idle[0])

    def note(self, worker: int, key: str) -> None:
        """A worker has been given a trial of this program."""
        recent = self._recent.setdefault(worker, deque(maxlen=REMEMBERED_PROGRAMS))
        if key in recent:
            recent.remove(key)
        recent.append(key)

    def forget(self, worker: int) -> None:
        """A fresh process has taken this worker's place."""
        self._recent.pop(worker, None)
