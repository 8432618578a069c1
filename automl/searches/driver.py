"""The search itself: hands trials to free workers, decides about pruning, tells how they ended, until the budget is used up."""

import re
from collections.abc import Callable
from itertools import islice

import psutil

from automl.errors import SearchFailedError, WeightsError
from automl.records import (
    Answer,
    Decision,
    Epoch,
    Failed,
    Finished,
    FinishJob,
    Interrupted,
    PrepareJob,
    Progress,
    Ready,
    TrainJob,
    TrialConfig,
    TrialResult,
    program_key,
)
from automl.searches import events
from automl.searches.affinity import WarmPrograms
from automl.searches.executors.base import Executor, ExecutorEvent, Lost, Received, SuccessorLost, SuccessorReady
from automl.searches.ledger import Ledger, OpenTrial
from automl.searches.memory import MemoryWatch
from automl.searches.outcome import Ending
from automl.searches.owner import Owner
from automl.searches.stopping import StopSwitch

MAX_WORKER_DEATHS = 3
ALIKE_AT_FIRST = 3
ALIKE_WINDOW = 20
POLL_SECONDS = 0.5


class Driver:
    """Runs one study until its budget is used up or somebody stops it.

    Args:
        ledger: The trials, reconciled.
        executor: Started; its workers may still be importing.
        owner: Holds the study and knows the time that it has taken.
        listen: Called with every event, in order, before the next step is taken.
        stop: Looked at between events.
    """

    def __init__(self, ledger: Ledger, executor: Executor, owner: Owner, listen: events.Listener, stop: StopSwitch) -> None:
        self.ledger, self.executor, self.owner, self.listen, self.stop = ledger, executor, owner, listen, stop
        self.settings = ledger.space.search
        self._running: dict[int, OpenTrial] = {}
        self._idle: list[int] = []
        self._worn: set[int] = set()
        self._with_ready_successor: set[int] = set()
        self._warm = WarmPrograms()
        self._memory = MemoryWatch(psutil.virtual_memory().total, executor.workers)
        self._ending: Ending | None = None

    def run(self) -> Ending:
        """Run trials to the total.

        Raises:
            SearchFailedError: The trials fail alike, or the workers do.
            WeightsError: Pretrained weights cannot be had.
        """
        self.stop.is_watched = True
        self.listen(events.SearchStarted(self.ledger.counted, self.settings.trials, self.executor.workers, self.owner.seconds_before))
        self._check_budget()
        if self._ending is None and self._budget_left():
            self._prepare()
        while True:
            self._check_budget()
            if self._ending is None:
                self._hand_out()
            if not self._running and (self._ending is not None or not self._budget_left()):
                return self._ending or "trials"
            for event in self.executor.wait(POLL_SECONDS):
                self._handle(event)
            self.owner.beat()

    def finish(self, job: FinishJob, fallback: Callable[[Failed], None]) -> Finished | None:
        """Run the job that checks and exports the winner on the first free worker.

        Returns:
            None when it failed, which `fallback` hears, or when the search was stopped meanwhile.
        """
        worker = self._await_idle()
        if worker is None:
            return None
        self.executor.submit(worker, job)
        while not self._is_stopped():
            for event in self.executor.wait(POLL_SECONDS):
                if isinstance(event, Received) and event.worker == worker and isinstance(event.message, Finished):
                    return event.message
                if isinstance(event, Received) and event.worker == worker and isinstance(event.message, Failed):
                    fallback(event.message)
                    return None
                if isinstance(event, Lost) and event.worker == worker:
                    fallback(Failed(error="ExportError", message=event.reason))
                    return None
            self.owner.beat()
        return None

    # --- before the first trial --------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        space = self.ledger.space
        backbones = tuple(backbone for backbone in space.backbones() if backbone["name"] != "cnn")
        if not backbones or space.weights == "none":
            return
        self.listen(events.Preparing("pretrained weights"))
        worker = self._await_idle()
        if worker is None:
            return
        self.executor.submit(worker, PrepareJob(backbones=backbones, weights=space.weights, image_sizes=space.image_sizes()))
        finished = False
        while not finished and not self._is_stopped():
            for event in self.executor.wait(POLL_SECONDS):
                mine = event.worker == worker
                if mine and isinstance(event, Lost):
                    raise SearchFailedError(f"the worker that was to fetch the pretrained weights ended: {event.reason}")
                if mine and isinstance(event, Received) and isinstance(event.message, Failed):
                    failed = event.message
                    raise (WeightsError if failed.error == "WeightsError" else SearchFailedError)(failed.message)
                finished = finished or (mine and isinstance(event, Received) and isinstance(event.message, Finished))
                self._note_ready(event)

    def _await_idle(self) -> int | None:
        """The first worker that is ready, taken out of the idle ones; None when the search is to stop."""
        while not self._idle and not self._is_stopped():
            for event in self.executor.wait(POLL_SECONDS):
                self._note_ready(event)
        return self._idle.pop(0) if self._idle else None

    def _note_ready(self, event: ExecutorEvent) -> None:
        if isinstance(event, Lost):
            self._on_lost(event)
        elif isinstance(event, Received) and isinstance(event.message, Ready):
            self._on_ready(event.worker, event.message)

    # --- the budget --------------------------------------------------------------------------------------------------

    def _budget_left(self) -> bool:
        return self.ledger.counted + len(self._running) < self.settings.trials

    def _is_stopped(self) -> bool:
        if self.owner.folder.stop_request.exists():
            self.stop.set("asked to by `automl stop`")
        return self.stop.reason is not None

    def _check_budget(self) -> None:
        if self._ending is not None:
            return
        if self._is_stopped():
            self._ending = "interrupted"
            self.listen(events.Stopping(self.stop.reason or ""))
        elif self.settings.time is not None and self.owner.seconds >= self.settings.time:
            self._ending = "time"
            self.listen(events.Stopping(f"search.time of {self.settings.time:.0f} s is used up"))

    def _hand_out(self) -> None:
        while self._idle and self._budget_left():
            opened = self.ledger.next()
            if opened is None:
                if not self._running:
                    self._ending = "exhausted"
                    self.listen(events.Stopping("the sampler has nothing left to propose"))
                return
            self.listen(events.Asked(opened.config))
            worker = self._choose_worker(opened.config)
            self._running[worker] = opened
            folder = self.ledger.folder.trial(opened.config.number)
            self.listen(events.TrialStarted(opened.config, worker, opened.attempt))
            self.executor.submit(worker, TrainJob(config=opened.config, folder=str(folder), attempt=opened.attempt))

    def _choose_worker(self, config: TrialConfig) -> int:
        """Take the worker out of the idle ones that can start on this trial the soonest."""
        key = program_key(config)
        worker = self._warm.choose(self._idle, key)
        self._idle.remove(worker)
        self._warm.note(worker, key)
        self._memory.note_trial(worker)
        return worker

    # --- events ------------------------------------------------------------------------------------------------------

    def _handle(self, event: ExecutorEvent) -> None:
        if isinstance(event, Lost):
            self._on_lost(event)
            return
        if isinstance(event, SuccessorReady):
            self._with_ready_successor.add(event.worker)
            return
        if isinstance(event, SuccessorLost):
            self._on_successor_lost(event)
            return
        message = event.message
        if isinstance(message, Ready):
            self._on_ready(event.worker, message)
        elif isinstance(message, Progress):
            self.listen(events.Progressed(event.worker, message))
        elif isinstance(message, Epoch):
            self._on_epoch(event.worker, message)
        elif isinstance(message, Finished) and message.result is not None:
            self._on_result(event.worker, message.result)
        elif isinstance(message, Interrupted):
            self.ledger.suspend(self._running.pop(event.worker).config.number)
        elif isinstance(message, Failed):
            opened = self._running.pop(event.worker)
            self._conclude(self.ledger.give_up(opened.config.number, f"{message.error}: {message.message}"))

    def _on_ready(self, worker: int, ready: Ready) -> None:
        # What is left of a failed allocation must not starve the next trial.
        if worker in self._worn or worker in self._with_ready_successor:
            self._forget(worker)
            self.executor.replace(worker)
        else:
            self._idle.append(worker)
            if self._memory.is_too_large(worker, ready.memory_bytes) and self._ending is None and self._budget_left():
                self.executor.prepare_successor(worker)
        self.owner.name_workers(self.executor.pids())

    def _forget(self, worker: int) -> None:
        """Another process takes this worker's place."""
        self._worn.discard(worker)
        self._with_ready_successor.discard(worker)
        self._warm.forget(worker)
        self._memory.forget(worker)

    def _on_successor_lost(self, event: SuccessorLost) -> None:
        # The worker goes on; where it is still too large after its next trial, another successor is started.
        self._with_ready_successor.discard(event.worker)
        self.owner.name_workers(self.executor.pids())

    def _on_epoch(self, worker: int, epoch: Epoch) -> None:
        value = self.ledger.report(epoch)
        self.listen(events.Reported(worker, epoch, value))
        decision: Decision = "continue"
        if self._ending is not None:
            decision = "interrupt"
        elif self.ledger.should_prune(epoch):
            decision = "prune"
        self.executor.answer(worker, Answer(decision=decision))

    def _on_result(self, worker: int, result: TrialResult) -> None:
        self._running.pop(worker)
        self._conclude(result)
        if result.outcome == "failed" and (result.reason or "").startswith("out of memory"):
            self._worn.add(worker)

    def _on_lost(self, event: Lost) -> None:
        if event.worker in self._idle:
            self._idle.remove(event.worker)
        self._forget(event.worker)
        self.owner.name_workers(self.executor.pids())
        opened = self._running.pop(event.worker, None)
        number = None if opened is None else opened.config.number
        self.listen(events.WorkerLost(event.worker, number, event.reason))
        if number is None:
            return
        result = self.ledger.folder.result(number)
        if result is not None:
            self._conclude(result)
            return
        deaths = self.ledger.lose_worker(number)
        if deaths >= MAX_WORKER_DEATHS:
            self._conclude(self.ledger.give_up(number, f"{event.reason}; {deaths} workers ended with this trial"))

    def _conclude(self, result: TrialResult) -> None:
        self.listen(events.ResultReceived(result))
        result = self.ledger.conclude(result)
        self.listen(events.Told(result, self.ledger.counted))
        if result.outcome == "failed":
            self._check_failures(result)

    def _check_failures(self, last: TrialResult) -> None:
        """Stop a search in which nearly every trial fails for the same reason."""
        ended = self.ledger.results
        window = list(islice(reversed(ended.values()), ALIKE_WINDOW))
        kind = _kind(last.reason)
        alike = [result for result in window if result.outcome == "failed" and _kind(result.reason) == kind]
        at_first = len(alike) >= ALIKE_AT_FIRST and not any(result.outcome == "complete" for result in ended.values())
        later = len(window) >= ALIKE_WINDOW and len(alike) > ALIKE_WINDOW // 2
        if at_first or later:
            where = self.ledger.folder.trial(last.number) / "log.txt"
            raise SearchFailedError(
                f"the search was stopped because {len(alike)} of its last {len(window)} trials failed alike: {last.reason}. "
                f"The log of the last one: {where}"
            )


def _kind(reason: str | None) -> str:
    """A failure's reason without its numbers."""
    return re.sub(r"\d[\d.]*(e[+-]?\d+)?", "#", reason.splitlines()[0] if reason else "")
