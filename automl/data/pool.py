"""Threads for work that waits for the disk or runs inside Pillow, which frees the interpreter's lock."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Progress = Callable[[str, int, int], None]
"""Called with the stage ("read", "decode", "waiting"), how many are done and how many there are."""

Item = TypeVar("Item")
Result = TypeVar("Result")
_CHUNK = 16
_PROGRESS_SECONDS = 0.1


def threads() -> int:
    """As many threads as this process may use processors, at most 16."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(16, available))


def run(function: Callable[[Item], Result], items: Sequence[Item], stage: str, progress: Progress | None) -> Iterator[Result]:
    """Apply `function` to all items on threads and give the results in the items' order.

    `progress` is called from the caller's thread. The first exception ends the rest; a few items may still be worked on
    when it arrives.
    """
    chunks = (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
    done, reported = 0, float("-inf")
    pool = ThreadPoolExecutor(threads())
    try:
        waiting: deque[Future[list[Result]]] = deque(pool.submit(_apply, function, chunk) for chunk in islice(chunks, 4 * threads()))
        while waiting:
            results = waiting.popleft().result()
            waiting.extend(pool.submit(_apply, function, chunk) for chunk in islice(chunks, 1))
            yield from results
            done += len(results)
            if progress and (not waiting or time.monotonic() - reported >= _PROGRESS_SECONDS):
                progress(stage, done, len(items))
                reported = time.monotonic()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _apply(function: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [function(item) for item in chunk]
