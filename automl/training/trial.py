"""Trains one trial from its config to `result.json`, and makes the network of a finished trial again."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from automl.data import Dataset
from automl.errors import MemoryExhaustedError, TrialError
from automl.models.network import BuiltModel, build
from automl.records import TrialConfig, TrialResult
from automl.training import metrics
from automl.training.messages import Report, ShowProgress, never_stop
from automl.training.progress import ProgressClock
from automl.training.run import TrialRun
from automl.training.storage import CONFIG, load_weights, save_complete, save_incomplete


def train(
    config: TrialConfig,
    dataset: Dataset,
    folder: Path | None = None,
    report: Report = never_stop,
    progress: ShowProgress | None = None,
    attempt: int = 1,
) -> TrialResult:
    """Train one trial and return how it ended.

    All that the run needs is in `config`, so the same config on the same split gives the same figures, to the last bit on
    a CPU with the same number of threads, whatever the process trained before. A failure that belongs to the config (it
    cannot be built, diverges, needs too much memory, monitors a metric that does not exist) is a result too.

    Args:
        config: Concrete values only.
        dataset: The split pictures at `config.data.image_size`. Validation pictures are never trained on.
        folder: Where history.csv, validation.npz, weights.h5 and, last, result.json are written; None for nowhere.
        report: Called after each epoch; its answer decides whether the trial goes on.
        progress: Called a few times a second.
        attempt: Counts the runs of this trial.

    Raises:
        TrialInterrupted: `report` answered "interrupt"; nothing but history.csv is written.
        WeightsError: Pretrained weights are not to be had, or do not fit.
    """
    started = time.perf_counter()
    trial = _Trial(config, dataset, folder, ProgressClock(progress, config.number), attempt)
    try:
        with _translated_memory_errors(config):
            result = trial.run(report)
    except TrialError as error:
        result = trial.result(outcome="failed", reason=str(error), cause="config")
    result = result.model_copy(update={"seconds": round(time.perf_counter() - started, 3)})
    trial.save(result)
    return result


def load_trial(folder: Path, classes: int) -> Any:
    """The network of a complete trial, as it is used: uint8 (n, size, size, 3) -> float32 probabilities (n, classes).

    Args:
        folder: Holds config.json and weights.h5.
        classes: Number of classes of the study's pictures.

    Raises:
        TrialError: Its weights were deleted or do not fit.
        WeightsError: The pretrained weights that it was built on are not to be had.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise TrialError(f"expected a trial's folder, but there is no {path}")
    config = TrialConfig.load(path)
    built = _build(config, classes)
    load_weights(folder, built.trained_variables())
    return built.inference


def _build(config: TrialConfig, classes: int) -> BuiltModel:
    return build(config.model, augment=config.augment, image_size=config.data.image_size, classes=classes, seed=config.seed)


@dataclass
class _Trial:
    """One call of `train`: what is known of the trial at each moment of it."""

    config: TrialConfig
    dataset: Dataset
    folder: Path | None
    clock: ProgressClock
    attempt: int
    training: TrialRun | None = None
    probabilities: Any = None

    def run(self, report: Report) -> TrialResult:
        if self.config.deterministic:
            tf.config.experimental.enable_op_determinism()
        built = _build(self.config, len(self.dataset.classes))
        self.training = TrialRun(self.config, self.dataset, built, self.folder, report, self.clock)
        if self.training.train() == "pruned":
            return self.result(
                outcome="pruned",
                reason=f"pruned after epoch {self.training.step}",
                value=self.training.best.value,
                metrics=_defined(self.training.best_metrics()),
            )
        self.probabilities = self.training.predict_validation()
        measured = self.training.measure(self.probabilities)
        return self.result(
            outcome="complete",
            value=measured[self.config.metric],
            interval=metrics.interval(self.config.metric, self.dataset.validation.labels, self.probabilities),
            metrics=_defined(measured),
        )

    def result(self, **fields: Any) -> TrialResult:
        """A result with all that is known so far."""
        known: dict[str, Any] = {}
        if self.training is not None:
            built = self.training.built
            known = {
                "best_epoch": self.training.best.epoch or None,
                "epochs": len(self.training.history),
                "parameters": built.inference.count_params(),
                "trained_parameters": sum(math.prod(variable.shape) for variable in built.trained_variables()),
                "model_bytes": sum(math.prod(weight.shape) * np.dtype(weight.dtype).itemsize for weight in built.inference.weights),
            }
        settings = self.config
        return TrialResult(
            number=settings.number,
            attempt=self.attempt,
            params=settings.params,
            seed=settings.seed,
            retry_of=settings.retry_of,
            **known,
            **fields,
        )

    def save(self, result: TrialResult) -> None:
        if self.folder is None:
            return
        if result.outcome == "complete" and self.training is not None:
            variables = self.training.built.trained_variables()
            save_complete(self.folder, result, self.dataset.validation, self.probabilities, variables)
        else:
            save_incomplete(self.folder, result)


def _defined(measured: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in measured.items() if not math.isnan(value)}


@contextmanager
def _translated_memory_errors(config: TrialConfig) -> Iterator[None]:
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MemoryExhaustedError(
            f"out of memory with train.batch_size {config.train.batch_size} at {config.data.image_size} px; lower train.batch_size, "
            f"data.image_size or the network's size ({detail})"
        ) from error
