"""What the driver needs of whatever runs its jobs: send a job to a worker, hear what workers say, know when one died."""

from dataclasses import dataclass
from typing import Protocol

from automl.records import Answer, Job, Record


@dataclass(frozen=True)
class Received:
    """A worker said something.

    Attributes:
        worker: The worker's index, from 0; its successor after a death has the same.
        message: One of the worker's messages in `records`.
    """

    worker: int
    message: Record


@dataclass(frozen=True)
class Lost:
    """A worker's process ended without being asked to.

    Attributes:
        reason: A sentence: the signal or exit code, and the end of what it printed.
        was_ready: Whether it had ever been ready for a job.
    """

    worker: int
    reason: str
    was_ready: bool


@dataclass(frozen=True)
class SuccessorReady:
    """The successor that was prepared for a worker has imported all it needs; `replace` puts it in the worker's place at once."""

    worker: int


@dataclass(frozen=True)
class SuccessorLost:
    """The successor that was prepared for a worker has ended; the worker itself goes on.

    Attributes:
        reason: As of `Lost`.
    """

    worker: int
    reason: str


ExecutorEvent = Received | Lost | SuccessorReady | SuccessorLost


class Executor(Protocol):
    """Runs jobs on one or more workers. Not safe to call from several threads.

    A worker says `Ready` when it can take a job, once after its start and once after each job. A lost worker is replaced
    by itself, by its successor where one was prepared; the new one says `Ready` under the same index.
    """

    @property
    def workers(self) -> int:
        """How many jobs can run at a time."""

    def start(self) -> None:
        """Start the workers without waiting for them."""

    def submit(self, worker: int, job: Job) -> None:
        """Give a job to a worker that is ready."""

    def answer(self, worker: int, answer: Answer) -> None:
        """Answer a worker that reported an epoch."""

    def wait(self, timeout_seconds: float) -> list[ExecutorEvent]:
        """What has happened since the last call, waiting up to `timeout_seconds` for the first event."""

    def prepare_successor(self, worker: int) -> None:
        """Start a fresh process for a worker's place, while the worker goes on taking jobs; nothing when there is one already."""

    def replace(self, worker: int) -> None:
        """End a worker that is not running a job; its successor takes its place, or a process that is started now."""

    def pids(self) -> list[int]:
        """Process numbers of the workers and their successors, for the next driver; empty when there are no processes."""

    def close(self) -> None:
        """End all workers at once. Running jobs are lost; calling it again does nothing."""
