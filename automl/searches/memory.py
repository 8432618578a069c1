"""Watches how large the workers grow, so that one is replaced before the system ends it in the middle of a trial."""

from automl.searches.rules import memory_limit


class MemoryWatch:
    """What each worker held after its first trial, and whether it has grown too large since.

    Args:
        total_bytes: Memory of the machine.
        workers: How many share it.
    """

    def __init__(self, total_bytes: int, workers: int) -> None:
        self._share = total_bytes // workers
        self._has_trained: set[int] = set()
        self._at_first: dict[int, int] = {}

    def note_trial(self, worker: int) -> None:
        """A worker has been given a trial."""
        self._has_trained.add(worker)

    def is_too_large(self, worker: int, memory_bytes: int) -> bool:
        """Whether a worker that is ready with this much memory should be replaced; 0 is not known."""
        if worker not in self._has_trained or memory_bytes == 0:
            return False
        at_first = self._at_first.setdefault(worker, memory_bytes)
        return memory_bytes > memory_limit(at_first, self._share)

    def forget(self, worker: int) -> None:
        """A fresh process has taken this worker's place."""
        self._has_trained.discard(worker)
        self._at_first.pop(worker, None)
