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


ExecutorEvent = Received | Lost


class Executor(Protocol):
    """Runs jobs on one or more workers. Not safe to call from several threads.

    A worker says `Ready` when it can take a job, once after its start and once after each job. A lost worker is replaced
    by itself; its successor says `Ready` under the same index.
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

    def replace(self, worker: int) -> None:
        """End a worker that is not running a job and start a fresh one in its place."""

    def pids(self) -> list[int]:
        """Process numbers of the workers, for the next driver; empty when there are no processes."""

    def close(self) -> None:
        """End all workers at once. Running jobs are lost; calling it again does nothing."""
