"""The trials of one study in Optuna's database, kept in step with the trials' folders; the only place that asks and tells."""

import csv
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl.records import Domain, Epoch, Scalar, TrialConfig, TrialResult
from automl.searches.folder import StudyFolder
from automl.searches.pruning import build_pruner
from automl.searches.rules import FIRST_DECIDED_STEP
from automl.searches.sampling import NumberedSampler, distribution, seed_for, suggest_value
from automl.searches.storage import open_optuna_study, retried
from automl.space import SearchSpace, start_values, suggest


@dataclass
class OpenTrial:
    """A trial that is running in the database.

    Attributes:
        reported: The steps whose values are stored, by an earlier attempt or this one.
        attempt: Counts from 1; a trial whose worker or driver died is attempted again under the same number.
        worker_deaths: Workers that ended while they had this trial.
        is_constrained: Whether the database says already that the config failed.
    """

    config: TrialConfig
    handle: optuna.trial.Trial
    reported: set[int] = field(default_factory=set)
    attempt: int = 1
    worker_deaths: int = 0
    is_constrained: bool = False


class Ledger:
    """Asks for trials, stores what they report, tells how they ended.

    `result.json` in a trial's folder is what makes a trial finished; the database follows. `reconcile` brings the two together
    after any crash.

    Args:
        space: What may vary.
        folder: The study's folder.
        notice: Called with a sentence for the person, for example while the database is busy.

    Attributes:
        results: Every finished trial by its number, in the order in which they ended.
        counted: Trials that count towards `search.trials`: complete, pruned and finally failed ones.
    """

    def __init__(self, space: SearchSpace, folder: StudyFolder, notice: Callable[[str], None] = lambda text: None) -> None:
        self.space, self.folder, self._notice = space, folder, notice
        settings = space.search
        sampler = NumberedSampler(settings.sampler.name, settings.sampler.options, settings.seed)
        pruner = build_pruner(settings.pruner.name, settings.pruner.options, space.epochs)
        self._study = open_optuna_study(folder, settings.storage, settings.resolved_direction, settings.metric)
        self._study.sampler, self._study.pruner = sampler, pruner
        self.results: dict[int, TrialResult] = {}
        self.counted = 0
        self._open: dict[int, OpenTrial] = {}
        self._waiting: list[int] = []
        self._ask_was_cut = False
        self._exhausted = False
        self._tried: set[tuple[tuple[str, Scalar], ...]] | None = None

    # --- reading -----------------------------------------------------------------------------------------------------

    def _trials(self) -> list[FrozenTrial]:
        """All trials; costs more the more there are, so it is nothing for each trial or report."""
        return self._study.get_trials(deepcopy=False)

    # --- opening -----------------------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Bring database and folders together; unfinished trials are queued to be continued before new ones are asked for."""
        with _without_garbage_collection():
            numbers = self.folder.numbers()
            for result in filter(None, map(self.folder.result, numbers)):
                self._record(result)
            known = len(self._trials())
        for number in range(known, max(numbers, default=-1) + 1):
            self._restore(number)
        for trial in self._trials():
            ended = self.results.get(trial.number)
            if trial.state.is_finished() and ended is None:
                self._recover(trial)
            elif trial.state == TrialState.RUNNING and ended is None:
                self._waiting.append(trial.number)
            elif trial.state == TrialState.RUNNING and ended is not None:
                self._open[trial.number] = self._reopen(trial)
                self.conclude(ended)
        self._enqueue_start()

    def _record(self, result: TrialResult) -> None:
        before = self.results.get(result.number)
        self.counted += result.counted - (before is not None and before.counted)
        self.results[result.number] = result

    def _restore(self, number: int) -> None:
        """Put a trial back that has a folder but that a power cut took from the database."""
        config = self.folder.config(number)
        params: dict[str, Scalar] = {}
        distributions: dict[str, optuna.distributions.BaseDistribution] = {}
        if config is not None:
            stored = config.params

            def answer(name: str, domain: Domain) -> Scalar:
                params[name], distributions[name] = stored[name], distribution(domain)
                return stored[name]

            suggest(self.space, number=number, seed=config.seed, ask=answer)
        history = self.folder.trial(number) / "history.csv"
        values = dict(_stored_values(history, self.space.search.metric)) if number in self.results else {}
        attributes = {"retry_of": config.retry_of} if config is not None and config.retry_of is not None else {}
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING, params=params, distributions=distributions, intermediate_values=values, user_attrs=attributes
        )
        self._study.add_trial(trial)

    def _recover(self, trial: FrozenTrial) -> None:
        """Write config and result of a trial whose folder lost them, from what the database knows; export can then replay it."""
        config = self._configure(optuna.trial.Trial(self._study, trial._trial_id), attempt=1).config
        outcome = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}[trial.state]
        reason = "its result.json was lost; this line is from the database"
        steps = trial.intermediate_values
        result = TrialResult.model_validate(
            {
                "number": trial.number,
                "outcome": trial.user_attrs.get("outcome", outcome),
                "reason": reason,
                "value": trial.value,
                "cause": "machine" if outcome == "failed" else None,
                "epochs": max(steps, default=0),
                "params": trial.params,
                "seed": config.seed,
                "retry_of": config.retry_of,
                "counted": trial.user_attrs.get("counted", True),
            }
        )
        result.save(self.folder.trial(trial.number) / "result.json")
        self._record(result)

    def _enqueue_start(self) -> None:
        """Queue `search.start`, each entry once in a study's life."""
        trials = self._trials()
        known = {trial.user_attrs.get("start") for trial in trials}
        if any(trial.state.is_finished() and "start" not in trial.user_attrs for trial in trials):
            return
        for index, values in enumerate(start_values(self.space)):
            if index not in known:
                self._study.enqueue_trial(dict(values), user_attrs={"start": index})

    # --- asking ------------------------------------------------------------------------------------------------------

    def next(self) -> OpenTrial | None:
        """The next trial to run: an unfinished one, else a new one; None when the sampler has nothing left.

        The trial's config is on disk when this returns.
        """
        if self._waiting:
            number = self._waiting.pop(0)
            opened = self._reopen(self._trials()[number])
            opened.attempt += 1
            retried(lambda: opened.handle.set_user_attr("attempt", opened.attempt), notice=self._notice)
        elif self._is_exhausted():
            return None
        else:
            opened = self._configure(retried(self._ask, notice=self._notice), attempt=1)
        self._open[opened.config.number] = opened
        if self._tried is not None:
            self._tried.add(_combination(opened.config.params))
        return opened

    def _ask(self) -> optuna.trial.Trial:
        if self._ask_was_cut:
            # An ask that failed half-way may have left a running trial behind: it is taken up rather than asked for again.
            known = {*self._open, *self._waiting}
            for trial in self._trials():
                if trial.state == TrialState.RUNNING and trial.number not in known:
                    return optuna.trial.Trial(self._study, trial._trial_id)
        self._ask_was_cut = True
        asked = self._study.ask()
        self._ask_was_cut = False
        return asked

    def _is_exhausted(self) -> bool:
        """Whether a grid has been used up; BruteForceSampler would start to repeat itself."""
        if self._exhausted or self.space.search.sampler.name != "grid":
            return self._exhausted
        total = self.space.combinations()
        if self._tried is None:
            self._tried = {_combination(trial.params) for trial in self._trials() if trial.state != TrialState.WAITING}
        if total is not None and len(self._tried) >= total:
            self._exhausted = not any(trial.state == TrialState.WAITING for trial in self._trials())
        return self._exhausted

    def _reopen(self, trial: FrozenTrial) -> OpenTrial:
        handle = optuna.trial.Trial(self._study, trial._trial_id)
        opened = self._configure(handle, attempt=int(trial.user_attrs.get("attempt", 1)))
        opened.reported = set(trial.intermediate_values)
        opened.worker_deaths = int(trial.user_attrs.get("worker_deaths", 0))
        opened.is_constrained = bool(trial.constraints)
        return opened

    def _configure(self, handle: optuna.trial.Trial, attempt: int) -> OpenTrial:
        """The config of a trial: the stored one, or suggested now and stored."""
        number = handle.number
        config = self.folder.config(number)
        if config is None:
            config = retried(lambda: self._suggest(handle), notice=self._notice)
            folder = self.folder.trial(number)
            folder.mkdir(parents=True, exist_ok=True)
            config.save(folder / "config.json")
        return OpenTrial(config, handle, attempt=attempt)

    def _suggest(self, handle: optuna.trial.Trial) -> TrialConfig:
        def ask(name: str, domain: Domain) -> Scalar:
            return suggest_value(handle, name, domain)

        seed = seed_for(self.space.search.seed, handle.number, "trial")
        config = suggest(self.space, number=handle.number, seed=seed, ask=ask)
        retry_of = handle.user_attrs.get("retry_of")
        if retry_of is None:
            return config
        batch_size = max(1, config.train.batch_size // 2)
        return config.model_copy(update={"retry_of": retry_of, "train": config.train.model_copy(update={"batch_size": batch_size})})

    # --- reporting ---------------------------------------------------------------------------------------------------

    def report(self, epoch: Epoch) -> float | None:
        """Store an epoch's value of the monitored metric, unless an earlier attempt did."""
        opened = self._open[epoch.number]
        value = epoch.metrics.get(opened.config.metric)
        if value is not None and epoch.step not in opened.reported:
            retried(lambda: opened.handle.report(value, epoch.step), notice=self._notice)
            opened.reported.add(epoch.step)
        return value

    def should_prune(self, epoch: Epoch) -> bool:
        """The pruner's decision after an epoch that was reported.

        Nothing is decided in the first two epochs of a phase, after the last epoch, or on a step that an earlier attempt went past.
        """
        opened = self._open[epoch.number]
        if epoch.phase_step < FIRST_DECIDED_STEP or epoch.step >= opened.config.train.epochs:
            return False
        if not opened.reported or epoch.step < max(opened.reported):
            return False
        return retried(opened.handle.should_prune, notice=self._notice)

    # --- ending ------------------------------------------------------------------------------------------------------

    def lose_worker(self, number: int) -> int:
        """Count that a worker died with this trial and queue the trial again; returns how many did."""
        opened = self._open.pop(number)
        deaths = opened.worker_deaths + 1
        retried(lambda: opened.handle.set_user_attr("worker_deaths", deaths), notice=self._notice)
        self._waiting.insert(0, number)
        return deaths

    def suspend(self, number: int) -> None:
        """Leave a trial running in the database, to be continued when the study is opened again."""
        self._open.pop(number, None)

    def give_up(self, number: int, reason: str) -> TrialResult:
        """Finish a trial that the machine will not let finish: its result is written here, because no worker is left to do it."""
        if number in self._waiting:
            self._waiting.remove(number)
        opened = self._open.get(number) or self._reopen(self._trials()[number])
        self._open[number] = opened
        result = TrialResult(
            number=number, attempt=opened.attempt, outcome="failed", cause="machine", reason=reason,
            epochs=max(opened.reported, default=0), params=opened.config.params, seed=opened.config.seed, retry_of=opened.config.retry_of,
        )  # fmt: skip
        result.save(self.folder.trial(number) / "result.json")
        return result

    def conclude(self, result: TrialResult) -> TrialResult:
        """Tell Optuna of a trial whose result is on disk. Repeating it after a crash changes nothing.

        A trial that ran out of memory is put in the queue again with half its batch, once, and the first one does not count.
        """
        opened = self._open.pop(result.number)
        if _wants_smaller_batch(result, opened.config):
            result = self._requeue(result)
        retried(lambda: self._tell(opened, result), notice=self._notice)
        self._record(result)
        return result

    def _requeue(self, result: TrialResult) -> TrialResult:
        number = result.number
        trials = self._trials()
        if not any(trial.user_attrs.get("retry_of") == number for trial in trials):
            self._study.enqueue_trial(trials[number].params, user_attrs={"retry_of": number})
        changed = result.model_copy(update={"counted": False})
        changed.save(self.folder.trial(number) / "result.json")
        return changed

    def _tell(self, opened: OpenTrial, result: TrialResult) -> None:
        handle = opened.handle
        if result.outcome == "failed":
            handle.set_user_attr("outcome", "failed")
            handle.set_user_attr("reason", result.reason)
            if not result.counted:
                handle.set_user_attr("counted", False)
        state = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[result.outcome]
        if result.outcome == "failed" and result.cause == "config":
            # TPE learns nothing from FAIL and would walk into the same region again and again.
            if not opened.is_constrained:
                handle.set_constraint("failed", 1.0)
                opened.is_constrained = True
            state = TrialState.PRUNED
        try:
            self._study.tell(handle.number, result.value if state == TrialState.COMPLETE else None, state=state, skip_if_finished=True)
        except RuntimeError as error:
            # BruteForceSampler calls study.stop(), which Optuna allows only inside optimize(); the trial itself was stored before.
            if "stop" not in str(error):
                raise
            self._exhausted = True


def _wants_smaller_batch(result: TrialResult, config: TrialConfig) -> bool:
    ran_out = result.outcome == "failed" and (result.reason or "").startswith("out of memory")
    return ran_out and config.retry_of is None and config.train.batch_size > 1


def _combination(params: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    return tuple(sorted(params.items()))


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Reading a large study makes millions of objects that stay; looking for garbage among them takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _stored_values(history: Path, metric: str) -> Iterator[tuple[int, float]]:
    if not history.is_file():
        return
    with history.open(newline="") as file:
        for row in csv.DictReader(file):
            if row.get(metric):
                yield int(row["epoch"]), float(row[metric])
