"""Runs jobs in this process, one at a time, for tests and debuggers; a job runs in a thread so that it can wait for answers."""

import os
import queue
import threading
from collections.abc import Mapping

from automl.records import Answer, Decision, Epoch, Job, Progress, Ready, Record
from automl.searches.executors.base import ExecutorEvent, Received, SuccessorReady
from automl.searches.worker import Handler, run_job


class InlineExecutor:
    """One worker inside this process.

    Args:
        handlers: What to call for each type of job, as a worker process would.
    """

    workers = 1

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._events: queue.Queue[ExecutorEvent] = queue.Queue()
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._closed = False

    def start(self) -> None:
        """Say that the one worker is ready."""
        self._say(Ready(pid=os.getpid()))

    def submit(self, worker: int, job: Job) -> None:
        """Run a job in a thread of its own."""
        threading.Thread(target=self._run, args=(job,), name="inline", daemon=True).start()

    def _run(self, job: Job) -> None:
        self._say(run_job(job, self._handlers, self))
        self._say(Ready(pid=os.getpid()))

    def _say(self, message: Record) -> None:
        self._events.put(Received(0, message))

    def report(self, epoch: Epoch) -> Decision:
        """The job's side: report an epoch and wait for the decision."""
        self._say(epoch)
        return self._answers.get().decision

    def progress(self, progress: Progress) -> None:
        """The job's side: say how far an epoch is."""
        self._say(progress)

    def answer(self, worker: int, answer: Answer) -> None:
        """Answer the running job."""
        self._answers.put(answer)

    def wait(self, timeout_seconds: float) -> list[ExecutorEvent]:
        """What the job said, waiting up to `timeout_seconds` for the first message."""
        try:
            events = [self._events.get(timeout=timeout_seconds)]
        except queue.Empty:
            return []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def prepare_successor(self, worker: int) -> None:
        """There is no process to wait for."""
        self._events.put(SuccessorReady(worker))

    def replace(self, worker: int) -> None:
        """There is no process to replace; the worker is ready at once."""
        self._say(Ready(pid=os.getpid()))

    def pids(self) -> list[int]:
        """No process of its own."""
        return []

    def close(self) -> None:
        """Stop a running job at its next report."""
        if not self._closed:
            self._closed = True
            self._answers.put(Answer(decision="interrupt"))
