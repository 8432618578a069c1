"""What a watcher of a search knows at any moment, kept up to date by its events; drawn by `live`, printed by `plainly`."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from automl.records import Direction, TrialResult
from automl.searches import events
from automl.searches.ranking import ranked

STEPS = {
    "read": "reading the pictures",
    "look": "looking at the pictures",
    "decode": "decoding the pictures",
    "waiting": "waiting for another process that decodes these pictures",
}
"""What the data calls its steps, in the words of the person who waits."""


@dataclass(frozen=True)
class WorkerLine:
    """What one worker does.

    Attributes:
        epoch: Epochs completed; `fraction` of the next one is done.
        value: The metric after the last completed epoch.
    """

    trial: int
    attempt: int = 1
    epoch: int = 0
    epochs: int = 0
    fraction: float = 0.0
    value: float | None = None
    pictures_per_second: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """The scoreboard at one moment.

    Attributes:
        done: Trials that count, over all runs; `total` are wanted.
        ended: Trials of this run by outcome.
        seconds: Search time of this run; `seconds_before` of earlier ones.
        expected_seconds: Until the last trial ends, from the trials of this run; None before the first has ended.
        step: What is done before or after the trials, with its progress; None while trials run.
    """

    metric: str
    done: int = 0
    total: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    best: TrialResult | None = None
    workers: dict[int, WorkerLine] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_before: float = 0.0
    expected_seconds: float | None = None
    step: events.Preparing | None = None
    stopping: str | None = None


class Scoreboard:
    """Listens to a search. The live view reads it from another thread.

    Args:
        metric: The study's metric; `direction` says in which it is better.
        best: The best trial of earlier runs.
        clock: Seconds, as time.monotonic.
    """

    def __init__(
        self, metric: str, direction: Direction, best: TrialResult | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._direction, self._clock = direction, clock
        self._started: float | None = None
        self._done_before = 0
        self._ended: Counter[str] = Counter()
        self._workers: dict[int, WorkerLine] = {}
        self._now = Snapshot(metric, best=best)

    def __call__(self, event: events.SearchEvent) -> None:
        """Take note of an event."""
        with self._lock:
            self._note(event)

    def snapshot(self) -> Snapshot:
        """All that is known now."""
        with self._lock:
            seconds = 0.0 if self._started is None else self._clock() - self._started
            found = replace(self._now, ended=dict(self._ended), workers=dict(sorted(self._workers.items())), seconds=seconds)
        ended, left = found.done - self._done_before, found.total - found.done
        expected = seconds / ended * left if ended > 0 and left > 0 else None
        return replace(found, expected_seconds=expected)

    def _note(self, event: events.SearchEvent) -> None:
        if isinstance(event, events.SearchStarted):
            self._started, self._done_before = self._clock(), event.done
            self._now = replace(self._now, done=event.done, total=event.total, seconds_before=event.seconds_before, step=None)
        elif isinstance(event, events.Preparing):
            self._now = replace(self._now, step=event)
        elif isinstance(event, events.Stopping):
            self._now = replace(self._now, stopping=event.reason)
        elif isinstance(event, events.Told):
            self._told(event)
        elif isinstance(event, events.SearchEnded):
            self._workers.clear()
        else:
            self._note_worker(event)

    def _note_worker(self, event: events.SearchEvent) -> None:
        if isinstance(event, events.TrialStarted):
            self._now = replace(self._now, step=None)
            self._workers[event.worker] = WorkerLine(event.config.number, event.attempt, epochs=event.config.train.epochs)
        elif isinstance(event, events.WorkerLost):
            self._workers.pop(event.worker, None)
        elif isinstance(event, events.Progressed) and event.worker in self._workers:
            progress = event.progress
            speed = progress.pictures_per_second or self._workers[event.worker].pictures_per_second
            line = replace(self._workers[event.worker], fraction=progress.step / max(1, progress.steps), pictures_per_second=speed)
            self._workers[event.worker] = line
        elif isinstance(event, events.Reported) and event.worker in self._workers:
            line = self._workers[event.worker]
            speed = event.epoch.pictures_per_second or line.pictures_per_second
            self._workers[event.worker] = replace(line, epoch=event.epoch.step, fraction=0.0, value=event.value, pictures_per_second=speed)

    def _told(self, event: events.Told) -> None:
        result = event.result
        self._ended[result.outcome] += 1
        for worker, line in list(self._workers.items()):
            if line.trial == result.number:
                del self._workers[worker]
        best = next(iter(ranked(filter(None, [self._now.best, result]), self._direction)), None)
        self._now = replace(self._now, done=event.done, best=best)


def describe_step(event: events.Preparing) -> str:
    """A step before or after the trials in words."""
    return STEPS.get(event.what, event.what)


def describe_end(result: TrialResult, metric: str) -> str:
    """One finished trial in one line."""
    text = f"trial {result.number} {result.outcome}"
    if result.value is not None:
        text += f", {metric} {result.value:.4f}"
    if result.best_epoch is not None:
        text += f" at epoch {result.best_epoch} of {result.epochs}"
    text += f", {result.seconds:.1f} s"
    return f"{text}: {result.reason.splitlines()[0]}" if result.reason and result.outcome == "failed" else text
