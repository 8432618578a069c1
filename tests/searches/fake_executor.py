"""An executor without processes for tests of the driver: every job ends at once, and what the workers say is scripted."""

import fake_trainer
from drive import space_mapping

from automl.records import Finished, Ready, TrainJob
from automl.searches.executors.base import Lost, Received, SuccessorLost, SuccessorReady
from automl.searches.folder import StudyFolder
from automl.searches.session import run_search
from automl.space import from_mapping


class ScriptedExecutor:
    """Workers whose trials complete as soon as they are handed out.

    Args:
        workers: How many.
        lost: For each of these trials' numbers, its first attempt ends with the worker.
        growth: Bytes that a worker keeps of each of its trials.
        successors: What becomes of each successor that is asked for, "ready", "lost" or "late", which is never ready.

    Attributes:
        calls: What the driver asked for, in order: ("train" or "lose", worker, number), ("prepare", worker) and ("replace", worker).
    """

    def __init__(self, workers, lost=(), growth=0, successors=()):
        self.workers, self.calls = workers, []
        self._lost, self._growth, self._successors = set(lost), growth, list(successors)
        self._prepared = set()
        self._memory, self._events = dict.fromkeys(range(workers), 1), []

    def start(self):
        for worker in range(self.workers):
            self.say_ready(worker)

    def say_ready(self, worker):
        self._events.append(Received(worker, Ready(pid=1, memory_bytes=self._memory[worker])))

    def submit(self, worker, job):
        if not isinstance(job, TrainJob):
            self._events.append(Received(worker, Finished()))
        elif job.config.number in self._lost:
            self.calls.append(("lose", worker, job.config.number))
            self._lost.remove(job.config.number)
            self._memory[worker] = 1
            self._events.append(Lost(worker, "killed", was_ready=True))
        else:
            self.calls.append(("train", worker, job.config.number))
            self._memory[worker] += self._growth
            self._events.append(Received(worker, Finished(result=fake_trainer.ended(job, outcome="complete", value=0.5))))
        self.say_ready(worker)

    def answer(self, worker, answer):
        raise AssertionError("no trial of this executor reports")

    def wait(self, timeout_seconds):
        events, self._events = self._events, []
        return events

    def prepare_successor(self, worker):
        self.calls.append(("prepare", worker))
        becomes = self._successors.pop(0)
        if becomes != "lost":
            self._prepared.add(worker)
        if becomes != "late":
            self._events.append(SuccessorReady(worker) if becomes == "ready" else SuccessorLost(worker, "killed"))

    def replace(self, worker):
        self.calls.append(("replace", worker))
        self._prepared.discard(worker)
        self._memory[worker] = 1
        self.say_ready(worker)

    def pids(self):
        return [100 + worker for worker in range(self.workers)] + [200 + worker for worker in self._prepared]

    def close(self):
        pass


def search_with(executor, search, folder):
    """Search in a folder with this `search` section on a scripted executor, with nobody listening."""
    run_search(
        from_mapping(space_mapping(search), base=folder),
        StudyFolder(folder / "kills"),
        executor,
        prepare_data=lambda: None,
        attach=lambda ledger, direction: lambda event: None,
        listen=lambda event: None,
        formats=("keras",),
    )
