"""From a trial on disk to files that somebody can use: check it against its stored predictions, read the test pictures, export."""

import datetime
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl.data import Dataset, open_dataset
from automl.errors import ExportError
from automl.export.artifacts import EXPORTERS, write_artifacts
from automl.export.base import Probabilities
from automl.records import TrialConfig, TrialResult, write_atomically
from automl.results.evaluation import evaluate, predict_pictures
from automl.results.leaderboard import weights_file
from automl.searches.folder import StudyFolder
from automl.training import Kept, load_trial, metrics, train

SAMPLES = 32
PREDICTIONS = "validation.npz"
TOLERANCE = 1e-3


def export_trial(
    folder: StudyFolder, number: int, formats: Sequence[str], out: Path, *, read_test: bool, kept: Kept | None = None
) -> dict[str, Any]:
    """Export a finished trial after its model was loaded from disk and agreed with its stored predictions.

    Args:
        folder: The study.
        number: A complete trial.
        formats: Names of formats.
        out: Where the artifacts, labels.txt and metrics.json go.
        read_test: Whether the test pictures may be read if they were not for this trial; it is written into the manifest.
        kept: What the training of trials left in this process.

    Returns:
        The content of metrics.json.

    Raises:
        ExportError: The trial is not complete, or what was loaded or written does not agree.
    """
    config, result = folder.config(number), folder.result(number)
    if config is None or result is None or result.outcome != "complete":
        state = result.outcome if result else "unfinished or missing"
        raise ExportError(f"{folder.trial(number)}: expected a complete trial, but it is {state}")
    dataset = open_dataset(folder.path, image_size=config.data.image_size, resize=config.data.resize)
    replayed = not (weights_file(folder, number).is_file() and (folder.trial(number) / PREDICTIONS).is_file())
    if replayed:
        _replay(config, dataset, folder.trial(number))
    model = load_trial(folder.trial(number), len(dataset.classes), kept)
    difference = _check_reload(model, dataset, config, result, folder.trial(number))
    content: dict[str, Any] = {
        "study": folder.name,
        "trial": number,
        "metric": config.metric,
        "value": result.value,
        "interval": result.interval,
        "validation": result.metrics,
        "reload_difference": difference,
        "replayed": replayed,
        "image_size": config.data.image_size,
        "resize": config.data.resize,
        "classes": list(dataset.classes),
        "params": result.params,
    }
    reading = _earlier_reading(folder, number)
    if reading is None and read_test and len(dataset.test):
        reading = _read_test(model, dataset, config, folder)
    if reading is not None:
        content["test"] = {name: reading[name] for name in ("metrics", "interval", "pictures")}
    samples, _ = dataset.validation.batch(np.arange(min(SAMPLES, len(dataset.validation))))
    content["differences"] = write_artifacts(model, dataset.classes, samples, formats, out)
    if exported_trial(out) not in (None, number):
        _remove_artifacts(out, except_for=formats)
    write_atomically(out / "metrics.json", json.dumps(content, indent=2) + "\n")
    return content


def exported_trial(out: Path) -> int | None:
    """Number of the trial that a folder holds the export of; None when it holds none, or does not say."""
    try:
        content = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    number = content.get("trial") if isinstance(content, dict) else None
    return number if isinstance(number, int) else None


def _remove_artifacts(out: Path, except_for: Sequence[str]) -> None:
    """Remove another trial's artifacts, which would lie beside this one's as if they were the same model."""
    for name, exporter in EXPORTERS.items():
        old = out / exporter.filename
        if name not in except_for and old.is_dir():
            shutil.rmtree(old)
        elif name not in except_for:
            old.unlink(missing_ok=True)


def _replay(config: TrialConfig, dataset: Dataset, trial: Path) -> None:
    """Train a trial again whose weights were deleted, beside its files; only what is missing is taken over."""
    before = TrialResult.load(trial / "result.json")
    with tempfile.TemporaryDirectory(dir=trial, prefix=".replay-") as temporary:
        again = train(config, dataset, Path(temporary))
        if again.value != before.value:
            raise ExportError(
                f"{trial}: its weights had been deleted and it was trained again, but it reached {again.value} instead of {before.value}; "
                f"the versions, threads or device differ from those of the search"
            )
        os.replace(Path(temporary) / "weights.h5", trial / "weights.h5")
        if not (trial / PREDICTIONS).is_file():
            os.replace(Path(temporary) / PREDICTIONS, trial / PREDICTIONS)


def _check_reload(model: Any, dataset: Dataset, config: TrialConfig, result: TrialResult, trial: Path) -> float:
    """Largest difference between the loaded model's validation predictions and the stored ones."""
    expected = _stored_predictions(trial)
    found = predict_pictures(model, dataset.validation)
    if found.shape != expected.shape:
        raise ExportError(f"{trial}: expected predictions of shape {expected.shape} as stored, but the loaded model gives {found.shape}")
    difference = float(np.max(np.abs(found - expected)))
    value = metrics.compute(dataset.validation.labels, found)[config.metric.removeprefix("val_")]
    one_picture = 1.0 / len(dataset.validation) if config.metric == "val_accuracy" else TOLERANCE
    if difference > TOLERANCE or result.value is None or abs(value - result.value) > one_picture + 1e-9:
        raise ExportError(
            f"{trial}: the model that was loaded from disk does not predict as the trained one did: probabilities differ by up to "
            f"{difference:.3g} (allowed {TOLERANCE:g}), {config.metric} is {value:.4f} instead of {result.value}"
        )
    return difference


def _stored_predictions(trial: Path) -> Probabilities:
    """The probabilities of the validation pictures that training left behind."""
    path = trial / PREDICTIONS
    try:
        with np.load(path, allow_pickle=False) as stored:
            return np.asarray(stored["probabilities"], dtype=np.float32)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ExportError(
            f"{path}: expected the predictions that the trial was measured by, but they cannot be read ({error}); "
            f"`automl train {trial / 'config.json'} --out DIR` makes them again"
        ) from None


def _read_test(model: Any, dataset: Dataset, config: TrialConfig, folder: StudyFolder) -> dict[str, Any]:
    """Metrics on the test pictures; the reading is written down, since test pictures may never influence a choice."""
    evaluation = evaluate(model, dataset.test, config.metric)
    reading = {
        "trial": config.number,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "pictures": evaluation.pictures,
        # What these labels do not define is NaN, which JSON has no word for.
        "metrics": {name: value for name, value in evaluation.metrics.items() if math.isfinite(value)},
        "interval": evaluation.interval,
    }
    folder.update_manifest(test_readings=[*folder.read_manifest().get("test_readings", []), reading])
    return reading


def _earlier_reading(folder: StudyFolder, number: int) -> dict[str, Any] | None:
    """What the test pictures said of this trial, if they were read for it before; they are not read twice."""
    readings: list[dict[str, Any]] = folder.read_manifest().get("test_readings", [])
    return next((reading for reading in readings if reading["trial"] == number), None)
