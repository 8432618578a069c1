"""Milliseconds a trial that the driver costs beyond plain Optuna with the same sampler, pruner and database.

    python benchmarks/driver.py [--sizes 1000 10000] [--trials 100] [--samplers random tpe] [--pruner none]

Prints one line of JSON. A trial has 8 parameters and 9 reports. A study is filled to each size, and a copy of its database is what
plain Optuna continues; then a trial of the search and a trial of plain Optuna take turns in one process. The fake trainer writes
history.csv and result.json as a worker does. In a real search that happens in another process, so the time that it spends is taken off
the driver's and stands beside it. With `--executor local` the trainer is a process of its own, and the messages are in the figure.
The driver also saves something: it does not ask the database for enqueued trials at every trial and, with `--pruner median`, not for
the complete ones at every report.

`milliseconds`: medians of `optuna`, `driver` and `trainer`, and `own`, the difference of the driver and plain Optuna: its median, its
mean, in which rare work like writing leaderboard.csv has its share, and the mean of what the driver's thread computes. Plain Optuna
never waits, while the driver waits for each report; where other programs run it gets its core back late each time, which is in `own` and
not in `own_cpu`. `seconds`: to open the largest study, to read its leaderboard.
"""

import argparse
import hashlib
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

import optuna
from machine import describe_machine

from automl.records import Epoch, Finished, TrainJob, TrialConfig, TrialResult
from automl.results.leaderboard import LeaderboardWriter, study_rows
from automl.searches import events
from automl.searches.executors.base import Executor
from automl.searches.executors.inline import InlineExecutor
from automl.searches.executors.local import LocalExecutor
from automl.searches.folder import StudyFolder
from automl.searches.ledger import Ledger
from automl.searches.pruning import build_pruner
from automl.searches.rules import FIRST_DECIDED_STEP
from automl.searches.sampling import distribution, suggest_value
from automl.searches.session import run_search
from automl.searches.storage import open_optuna_study, open_storage
from automl.searches.worker import Channel, connect, serve
from automl.space import SearchSpace, from_mapping, suggest

EPOCHS = 9
METRIC = "val_accuracy"
SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0, multivariate=True, group=True),
}


def make_space(sampler: str, trials: int, pruner: str = "none") -> SearchSpace:
    """Eight parameters."""
    return from_mapping(
        {
            "study": "driver",
            "data": {"path": "digits", "image_size": 8},
            "model": {"backbone": "cnn", "head": {"dropout": {"float": [0.0, 0.6]}}},
            "augment": {"strength": {"float": [0.0, 1.0], "step": 0.25}},
            "train": {
                "epochs": EPOCHS,
                "optimizer": {"choice": ["adam", "sgd"]},
                "learning_rate": {"float": [1e-5, 1e-1], "log": True},
                "batch_size": {"choice": [16, 32, 64]},
                "weight_decay": {"float": [0.0, 0.1]},
                "label_smoothing": {"float": [0.0, 0.2]},
                "warmup_epochs": {"float": [0.0, 2.0]},
            },
            "search": {"trials": trials, "sampler": sampler, "pruner": pruner},
        },
        base=Path.cwd(),
    )


def value_of(number: int, step: int) -> float:
    """What a trial reaches: any number between 0.1 and 1, rising over the epochs."""
    draw = int.from_bytes(hashlib.blake2b(str(number).encode(), digest_size=4).digest(), "big") / 2**32
    return (0.1 + 0.9 * draw) * step / EPOCHS


# --- the trainer -----------------------------------------------------------------------------------------------------


def train(job: TrainJob, channel: Channel) -> Finished:
    """Report nine epochs, whatever is decided, and write what a worker writes; `seconds` are those that it did not wait."""
    started, waited = time.perf_counter(), 0.0
    folder, config = Path(job.folder), job.config
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "history.csv").open("w") as history:
        history.write(f"epoch,{METRIC}\n")
        for step in range(1, EPOCHS + 1):
            value = value_of(config.number, step)
            history.write(f"{step},{value!r}\n")
            history.flush()
            asked = time.perf_counter()
            channel.report(Epoch(number=config.number, step=step, phase="whole", phase_step=step, metrics={METRIC: value}))
            waited += time.perf_counter() - asked
    (folder / "weights.h5").touch()
    result = made_result(config, seconds=0.0)
    result.save(folder / "result.json")
    return Finished(result=result.model_copy(update={"seconds": time.perf_counter() - started - waited}))


def made_result(config: TrialConfig, seconds: float) -> TrialResult:
    """A complete trial's result."""
    value = value_of(config.number, EPOCHS)
    return TrialResult(
        number=config.number, outcome="complete", value=value, metrics={METRIC: value, "val_loss": 1 - value}, epochs=EPOCHS,
        best_epoch=EPOCHS, seconds=seconds, params=config.params, seed=config.seed,
    )  # fmt: skip


def finish(job: Any, channel: Channel) -> Finished:
    """Nothing to fetch, no winner to export."""
    return Finished()


HANDLERS = {"train": train, "prepare": finish, "finish": finish}


# --- a study of a size -----------------------------------------------------------------------------------------------


def fill(folder: StudyFolder, space: SearchSpace, size: int) -> None:
    """Add finished trials to database and folders until there are `size`, without waiting for the disk."""
    before = len(folder.numbers())
    study = open_optuna_study(folder, None, "maximize", METRIC)
    random = optuna.samplers.RandomSampler(seed=before)
    made = []
    for number in range(before, size):
        values = {p.name: random.sample_independent(study, None, p.name, distribution(p.domain)) for p in space.parameters}  # type: ignore[arg-type]
        config = suggest(space, number=number, seed=number, ask=lambda name, domain, values=values: values[name])  # type: ignore[misc]
        trial = folder.trial(number)
        trial.mkdir(parents=True)
        (trial / "config.json").write_text(config.model_dump_json(indent=2))
        (trial / "result.json").write_text(made_result(config, 1.0).model_dump_json(indent=2))
        (trial / "weights.h5").touch()
        made.append(values)
    insert(folder.database, space, before, made)


def insert(database: Path, space: SearchSpace, first: int, made: list[dict[str, Any]]) -> None:
    """Complete trials with their parameters and reports, as Optuna stores them."""
    forms = {p.name: distribution(p.domain) for p in space.parameters}
    texts = {name: optuna.distributions.distribution_to_json(form) for name, form in forms.items()}
    with sqlite3.connect(database) as connection:
        (row,) = connection.execute("SELECT coalesce(max(trial_id), 0) FROM trials").fetchone()
        for number, values in enumerate(made, start=first):
            row += 1
            now = "2025-01-01 00:00:00.000000"
            connection.execute("INSERT INTO trials VALUES (?, ?, 1, 'COMPLETE', ?, ?)", (row, number, now, now))
            connection.execute(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, 'FINITE')",
                (row, value_of(number, EPOCHS)),
            )
            connection.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
                [(row, name, forms[name].to_internal_repr(value), texts[name]) for name, value in values.items()],
            )
            connection.executemany(
                "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
                "VALUES (?, ?, ?, 'FINITE')",
                [(row, step, value_of(number, step)) for step in range(1, EPOCHS + 1)],
            )
    # A copy of the database is to hold them too.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


# --- what is measured ------------------------------------------------------------------------------------------------


class Plain:
    """The same trials in plain Optuna.

    Args:
        folder: Holds a copy of the database, with `size` trials.
    """

    def __init__(self, folder: StudyFolder, space: SearchSpace, size: int) -> None:
        self._space = space
        storage = open_storage(folder, None)
        self._study = optuna.create_study(storage=storage, study_name=folder.name, direction="maximize", load_if_exists=True)
        self._study.sampler = SAMPLERS[space.search.sampler.name]()
        self._study.pruner = build_pruner(space.search.pruner.name, {}, EPOCHS)
        assert len(self._study.get_trials(deepcopy=False)) == size

    def run_trial(self) -> None:
        """One trial, its decisions at the same steps as the search's."""
        trial = self._study.ask()
        for parameter in self._space.parameters:
            suggest_value(trial, parameter.name, parameter.domain)
        for step in range(1, EPOCHS + 1):
            trial.report(value_of(trial.number, step), step)
            if FIRST_DECIDED_STEP <= step < EPOCHS:
                trial.should_prune()
        self._study.tell(trial, value_of(trial.number, EPOCHS))


class TakingTurns:
    """Listens to a search; after each of its trials, plain Optuna runs one.

    Attributes:
        rows: For each trial the seconds of the driver, of plain Optuna and of the trainer, and what the first two computed.
    """

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._since: tuple[float, float] | None = None
        self.rows: list[tuple[float, float, float, float, float]] = []

    def __call__(self, event: events.SearchEvent) -> None:
        """Take the times from one trial's end to the next one's."""
        if not isinstance(event, events.Told):
            return
        wall, cpu = time.perf_counter(), time.thread_time()
        self._plain.run_trial()
        now, trainer = (time.perf_counter(), time.thread_time()), event.result.seconds
        if self._since is not None:
            self.rows.append((wall - self._since[0] - trainer, now[0] - wall, trainer, cpu - self._since[1], now[1] - cpu))
        self._since = now


def make_executor(kind: str, folder: StudyFolder) -> Executor:
    """The trainer in a thread of this process or in a process of its own."""
    if kind == "inline":
        return InlineExecutor(HANDLERS)
    return LocalExecutor([{}], folder.logs, (sys.executable, __file__, "worker"))


def measure_trials(folder: StudyFolder, sampler: str, options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds a trial in a study as large as it is."""
    size = len(folder.numbers())
    with tempfile.TemporaryDirectory(dir=folder.path.parent) as temporary:
        ours, plain = StudyFolder(Path(temporary) / "driver" / "driver"), StudyFolder(Path(temporary) / "plain" / "driver")
        shutil.copytree(folder.path, ours.path)
        plain.path.mkdir(parents=True)
        shutil.copy(folder.database, plain.database)
        space = make_space(sampler, size + options.trials + 1, options.pruner)
        turns = TakingTurns(Plain(plain, space, size))
        run_search(
            space,
            ours,
            make_executor(options.executor, ours),
            prepare_data=lambda: None,
            attach=lambda ledger, direction: LeaderboardWriter(ours, direction, 10, ledger.results),
            listen=turns,
            formats=("keras",),
        )
    driver, plainly, trainer, driver_cpu, plainly_cpu = ([1000 * row[part] for row in turns.rows] for part in range(5))
    own = [ours - theirs for ours, theirs in zip(driver, plainly, strict=True)]
    found = {"optuna": median(plainly), "driver": median(driver), "trainer": median(trainer), "own": median(own), "own_mean": mean(own)}
    found["own_cpu"] = mean(driver_cpu) - mean(plainly_cpu)
    return {name: round(value, 1) for name, value in found.items()}


def measure_opening(folder: StudyFolder) -> dict[str, float]:
    """Seconds to open a study again and to read its leaderboard."""
    space = make_space("random", 1)
    started = time.perf_counter()
    ledger = Ledger(space, folder)
    ledger.reconcile()
    opened = time.perf_counter()
    rows = study_rows(folder, "maximize")
    listed = time.perf_counter()
    assert len(rows) == len(ledger.results)
    return {"resume": round(opened - started, 2), "leaderboard": round(listed - opened, 2)}


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """All figures under their names."""
    with tempfile.TemporaryDirectory(prefix="automl-driver-", dir=options.work) as temporary:
        folder = StudyFolder(Path(temporary) / "driver")
        folder.path.mkdir()
        milliseconds: dict[str, dict[str, dict[str, float]]] = {}
        for size in sorted(options.sizes):
            fill(folder, make_space("random", 1), size)
            milliseconds[str(size)] = {name: measure_trials(folder, name, options) for name in options.samplers}
        yield "milliseconds", milliseconds
        yield "seconds", measure_opening(folder)


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000], help="finished trials of the study")
    parser.add_argument("--trials", type=int, default=100, help="trials that are timed at each size")
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--pruner", choices=("none", "median"), default="none")
    parser.add_argument("--executor", choices=("inline", "local"), default="inline")
    parser.add_argument("--work", type=Path, help="folder for the studies; by default the system's for temporary files")
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("trials", "pruner", "executor")}
    row = {"benchmark": "driver", **settings, **dict(measure(options)), "machine": describe_machine()}
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        sys.argv.pop(1)
        serve(connect(), HANDLERS)
    main()
