"""An executor without processes for tests of the driver: every job ends at once, and what the workers say is scripted."""

import fake_trainer

from automl.records import Finished, Ready, TrainJob
from automl.searches.executors.base import Lost, Received


class ScriptedExecutor:
    """Workers whose trials complete as soon as they are handed out.

    Args:
        workers: How many.
        lost: For each of these trials' numbers, its first attempt ends with the worker.

    Attributes:
        calls: What the driver asked for, in order: ("train", worker, number) and ("replace", worker).
    """

    def __init__(self, workers, lost=()):
        self.workers, self.calls = workers, []
        self._lost, self._events = set(lost), []

    def start(self):
        for worker in range(self.workers):
            self.say_ready(worker)

    def say_ready(self, worker):
        self._events.append(Received(worker, Ready(pid=1)))

    def submit(self, worker, job):
        if not isinstance(job, TrainJob):
            self._events.append(Received(worker, Finished()))
        elif job.config.number in self._lost:
            self.calls.append(("lose", worker, job.config.number))
            self._lost.remove(job.config.number)
            self._events.append(Lost(worker, "killed", was_ready=True))
        else:
            self.calls.append(("train", worker, job.config.number))
            self._events.append(Received(worker, Finished(result=fake_trainer.ended(job, outcome="complete", value=0.5))))
        self.say_ready(worker)

    def answer(self, worker, answer):
        raise AssertionError("no trial of this executor reports")

    def wait(self, timeout_seconds):
        events, self._events = self._events, []
        return events

    def replace(self, worker):
        self.calls.append(("replace", worker))
        self.say_ready(worker)

    def pids(self):
        return []

    def close(self):
        pass
