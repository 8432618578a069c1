"""What a search tells whoever watches it: the live view, the leaderboard's writer, a test that kills at a named moment."""

from collections.abc import Callable
from dataclasses import dataclass

from automl.records import Epoch, Progress, TrialConfig, TrialResult


@dataclass(frozen=True)
class SearchStarted:
    """The driver is about to ask for trials; `done` of `total` are counted already."""

    done: int
    total: int
    workers: int
    seconds_before: float


@dataclass(frozen=True)
class Asked:
    """A trial has its number and its config, which is on disk."""

    config: TrialConfig


@dataclass(frozen=True)
class TrialStarted:
    """A worker has a trial."""

    config: TrialConfig
    worker: int
    attempt: int


@dataclass(frozen=True)
class Progressed:
    """A worker is somewhere inside an epoch."""

    worker: int
    progress: Progress


@dataclass(frozen=True)
class Reported:
    """An epoch is over and in the database; the worker has not been answered yet."""

    worker: int
    epoch: Epoch
    value: float | None


@dataclass(frozen=True)
class ResultReceived:
    """A result is on disk, and the database does not know of it yet."""

    result: TrialResult


@dataclass(frozen=True)
class Told:
    """A trial has ended in the database too."""

    result: TrialResult
    done: int


@dataclass(frozen=True)
class WorkerLost:
    """A worker's process ended without being asked to."""

    worker: int
    number: int | None
    reason: str


@dataclass(frozen=True)
class Stopping:
    """The search ends; running trials are left to be continued."""

    reason: str


@dataclass(frozen=True)
class SearchEnded:
    """No more trials in this run, for whatever reason."""

    done: int


@dataclass(frozen=True)
class Preparing:
    """A step before or after the trials, with a count where there is one."""

    what: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Notice:
    """Something that the person should read once."""

    text: str


SearchEvent = (
    SearchStarted
    | Asked
    | TrialStarted
    | Progressed
    | Reported
    | ResultReceived
    | Told
    | WorkerLost
    | Stopping
    | SearchEnded
    | Preparing
    | Notice
)
Listener = Callable[[SearchEvent], None]


def tell_all(listeners: tuple[Listener, ...]) -> Listener:
    """One listener that hands each event to several, in their order."""

    def listen(event: SearchEvent) -> None:
        for listener in listeners:
            listener(event)

    return listen
