"""The Python interface: the one place that joins search, results and export. The command line is a thin coat over it."""

import filecmp
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl import data as pictures
from automl.data import Audit
from automl.data.features import given_limit
from automl.data.inventory import CacheEntry, clear_cache, list_cache
from automl.errors import DataError, SpaceError
from automl.machine import machine, versions
from automl.planning import Plan, make_plan
from automl.records import Epoch, TrialConfig, TrialResult
from automl.searches import events
from automl.searches.devices import place_workers
from automl.searches.folder import StudyFolder
from automl.searches.outcome import Outcome
from automl.space import SearchSpace, from_mapping, load
from automl.study import Study, Trial

__all__ = [
    "CacheEntry", "Prediction", "Study", "Trial", "clear_cache", "inspect", "list_cache", "load_space", "open_study", "plan", "predict",
    "search", "train",
]  # fmt: skip

Arrays = tuple[Any, ...]


def load_space(
    space: str | Path | Mapping[str, Any],
    data: str | Path | None = None,
    *,
    study: str | None = None,
    trials: int | None = None,
    time: str | float | None = None,
    workers: int | None = None,
    overrides: Sequence[str] = (),
) -> SearchSpace:
    """Read and check a space.

    Args:
        space: A YAML file, or the same as a dict; relative paths in a dict are relative to the current folder.
        data: Replaces data.path.
        study: Replaces the study's name.
        trials: Replaces search.trials.
        time: Replaces search.time, for example "2h".
        workers: Replaces search.workers.
        overrides: Further replacements, for example "train.epochs=3".

    Raises:
        SpaceError: All its mistakes at once.
    """
    budget = {"search.trials": trials, "search.time": time, "search.workers": workers}
    every = [*overrides, *(f"{name}={value}" for name, value in budget.items() if value is not None)]
    given = None if data is None else str(data)
    if isinstance(space, Mapping):
        return from_mapping(space, base=Path.cwd(), overrides=every, data=given, study=study)
    return load(Path(space), overrides=every, data=given, study=study)


def search(
    space: str | Path | Mapping[str, Any],
    data: str | Path | Arrays | None = None,
    *,
    study: str | None = None,
    studies_dir: str | Path = "studies",
    trials: int | None = None,
    time: str | float | None = None,
    workers: int | None = None,
    overrides: Sequence[str] = (),
    listener: events.Listener | None = None,
) -> Study:
    """Search a space to its total of trials, continuing what the study's folder already holds.

    Args:
        space: A YAML file, or the same as a dict.
        data: Pictures instead of data.path: a path, a built-in's name, or arrays (x, y) with x uint8 of shape (n, height, width)
            or (n, height, width, 3); or two such pairs ((x, y), (x_test, y_test)), as Keras' data sets give them; or three,
            ((x, y), (x_validation, y_validation), (x_test, y_test)).
        study: Name of the study; by default the file's name.
        studies_dir: Folder of the studies.
        trials: Total number of trials.
        time: Total search time, for example "2h" or seconds.
        workers: Number of workers.
        overrides: Further replacements, for example ["train.epochs=3"].
        listener: Called with every event of `automl.searches.events`; by default nothing is shown.

    Returns:
        The study; `study.best` is the winner.

    Raises:
        SpaceError: The space has mistakes.
        DataError: The pictures cannot be used, or are not those that the study began with; or `AUTOML_FEATURES_GB` is no number.
        StudyError: The study is being searched, or was started with another space.
        SearchFailedError: Its trials fail alike.

    Example:
        >>> study = automl.search("search_spaces/quickstart.yaml", trials=3)
        >>> study.leaderboard()[["rank", "trial", "value"]]
    """
    budget: dict[str, Any] = {"study": study, "trials": trials, "time": time, "workers": workers, "overrides": overrides}
    if isinstance(data, tuple):
        loaded = load_space(space, "arrays.npz", **budget)
        folder = StudyFolder(Path(studies_dir) / loaded.study)
        _store_arrays(folder, data)
        loaded = load_space(space, folder.path / "arrays.npz", **budget)
    else:
        loaded = load_space(space, data, **budget)
    folder = StudyFolder(Path(studies_dir) / loaded.study)
    run(loaded, folder, listener or _ignore)
    return Study(folder)


def run(space: SearchSpace, folder: StudyFolder, listen: events.Listener) -> Outcome:
    """Search a loaded space in a folder; `search` and the command line both end here.

    Raises:
        As `search`.
    """
    from automl.results.leaderboard import LeaderboardWriter
    from automl.searches.executors.local import LocalExecutor
    from automl.searches.session import run_search

    # Said here, not by trial after trial, and whether or not the features are there already.
    given_limit()
    placement = place_workers(space.search.devices, space.search.workers, space.search.threads_per_worker, space.search.trials)

    def prepare_data() -> None:
        prepared = pictures.prepare(
            space.data_path,
            folder=folder.path,
            image_sizes=space.image_sizes(),
            resizes=space.resizes(),
            validation=space.validation,
            test=space.test,
            seed=space.search.seed,
            progress=lambda what, done, total: listen(events.Preparing(what, done, total)),
        )
        for warning in prepared.warnings:
            listen(events.Notice(warning))
        folder.update_manifest(
            study=folder.name, seed=space.search.seed, fingerprint=prepared.fingerprint, versions=versions(), machine=machine(),
            workers=placement.workers, threads_per_worker=placement.threads, devices=[gpu.name for gpu in placement.gpus] or ["cpu"],
        )  # fmt: skip

    return run_search(
        space,
        folder,
        LocalExecutor(placement.environments(), folder.logs),
        prepare_data=prepare_data,
        attach=lambda ledger, direction: LeaderboardWriter(folder, direction, space.search.keep, ledger.results),
        listen=listen,
        formats=space.export.formats,
    )


def _ignore(event: events.SearchEvent) -> None:
    """The listener of a search that nobody watches."""


def _store_arrays(folder: StudyFolder, arrays: Arrays) -> None:
    """Keep arrays that came from Python in the study, so that it can be continued and replayed without them."""
    are_pairs = all(isinstance(part, tuple) and len(part) == 2 for part in arrays)
    if are_pairs and 2 <= len(arrays) <= 3:
        (x, y), *validation, test = arrays
    elif len(arrays) == 2:
        (x, y), validation, test = arrays, [], None
    else:
        expected = "(x, y), ((x, y), (x_test, y_test)) or ((x, y), (x_validation, y_validation), (x_test, y_test))"
        raise SpaceError(f"data: expected {expected}, but got a tuple of {len(arrays)}")
    folder.path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.path, prefix=".arrays-") as temporary:
        written = pictures.write_arrays(Path(temporary), x, y, validation=next(iter(validation), None), test=test)
        stored = folder.path / written.name
        if folder.numbers() and stored.is_file() and not filecmp.cmp(written, stored, shallow=False):
            raise DataError(
                f"{stored}: this study was started with other arrays, and its trials cannot be compared with new ones; "
                f"expected the same, or another study name"
            )
        os.replace(written, stored)


def open_study(study: str | Path, studies_dir: str | Path = "studies") -> Study:
    """An existing study, by folder or by name.

    Raises:
        StudyError: There is none.
    """
    return Study(StudyFolder.find(study, studies_dir))


def plan(
    space: str | Path | Mapping[str, Any], data: str | Path | None = None, *, studies_dir: str | Path = "studies", **options: Any
) -> Plan:
    """What a search would do, without doing it: parameters, budget, devices, disk, and what is missing.

    Args:
        space: As for `search`.
        data: As for `search`.
        studies_dir: Folder of the studies.
        options: `study`, `trials`, `time`, `workers`, `overrides` as for `search`.

    Raises:
        SpaceError: The space has mistakes.
        DataError: The pictures cannot be found.
    """
    loaded = load_space(space, data, **options)
    return make_plan(loaded, StudyFolder(Path(studies_dir) / loaded.study))


def inspect(path: str | Path) -> Audit:
    """What is in the data: counts, sizes, unreadable files, duplicates, leaks between splits.

    Raises:
        DataError: It cannot be read as pictures with labels.
    """
    return pictures.inspect(str(path))


def train(config: str | Path | TrialConfig, out: str | Path | None = None, report: Callable[[Epoch], None] | None = None) -> TrialResult:
    """Replay one trial alone, on the split of the study in which its config lies.

    Args:
        config: A trial's config.json.
        out: Folder for its files; by default none are kept.
        report: Called after each epoch.

    Raises:
        SpaceError: The file is not a trial's config.
        DataError: The pictures are not those of the study.
    """
    from automl.replay import replay

    return replay(config, None if out is None else Path(out), report)


@dataclass(frozen=True)
class Prediction:
    """What a model says of one picture.

    Attributes:
        image: The picture's path, or its position.
        label: The most probable class.
        probability: Of that class.
        probabilities: Of every class, by name.
    """

    image: str
    label: str
    probability: float
    probabilities: dict[str, float]


def predict(model: str | Path, images: Sequence[Any], studies_dir: str | Path = "studies") -> list[Prediction]:
    """Classify pictures with an exported model or with a study's winner.

    Args:
        model: A .keras, .onnx or .tflite file, an exported folder, or a study.
        images: Paths, or uint8 arrays of shape (height, width, 3).
        studies_dir: Folder of the studies, for a study's name.

    Raises:
        ExportError: There is no such model.
        DataError: A picture cannot be read.
    """
    from automl.export.predictor import open_model

    predictor = open_model(_exported(model, studies_dir))
    probabilities = predictor.predict(images)
    names = [str(image) if isinstance(image, str | Path) else str(position) for position, image in enumerate(images)]
    found = []
    for name, row in zip(names, probabilities.tolist(), strict=True):
        by_class = dict(zip(predictor.classes, row, strict=True))
        label = max(by_class, key=lambda c: by_class[c])
        found.append(Prediction(name, label, by_class[label], by_class))
    return found


def _exported(model: str | Path, studies_dir: str | Path) -> Path:
    """The artifact that a user means: the path itself, or the exported winner of a study."""
    path = Path(model)
    if path.exists() and not (path / "space.yaml").is_file():
        return path
    if path.suffix in (".keras", ".onnx", ".tflite"):
        return path
    from automl.export.winner import exported_trial

    study = open_study(model, studies_dir)
    best = study.folder / "best"
    winner = next((row["trial"] for row in study.rows() if row["rank"] == 1), None)
    # After an interrupted search best/ may still hold an earlier winner.
    if winner is None or exported_trial(best) != winner:
        study.best.export(best)
    return best
