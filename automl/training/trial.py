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
from automl.models.network import Base, build
from automl.records import TrialConfig, TrialResult
from automl.training import metrics
from automl.training.kept import Kept
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
    kept: Kept | None = None,
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
        kept: What earlier trials of this process left, to be used and added to; it makes no difference to the figures.

    Raises:
        TrialInterrupted: `report` answered "interrupt"; nothing but history.csv is written.
        WeightsError: Pretrained weights are not to be had, or do not fit.
    """
    started = time.perf_counter()
    trial = _Trial(config, dataset, folder, ProgressClock(progress, config.number), attempt, kept or Kept())
    try:
        with _translated_memory_errors(config):
            result = trial.run(report)
    except TrialError as error:
        result = trial.result(outcome="failed", reason=str(error), cause="config")
    result = result.model_copy(update={"seconds": round(time.perf_counter() - started, 3)})
    trial.save(result)
    return result


def load_trial(folder: Path, classes: int, kept: Kept | None = None) -> Any:
    """The network of a complete trial, as it is used: uint8 (n, size, size, 3) -> float32 probabilities (n, classes).

    Args:
        folder: Holds config.json and weights.h5.
        classes: Number of classes of the study's pictures.
        kept: As for `train`; it loses the trial's backbone to the network.

    Raises:
        TrialError: Its weights were deleted or do not fit.
        WeightsError: The pretrained weights that it was built on are not to be had.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise TrialError(f"expected a trial's folder, but there is no {path}")
    config = TrialConfig.load(path)
    base: Base | None = kept.take_base(config) if kept is not None else None
    network = build(config.model, image_size=config.data.image_size, classes=classes, seed=config.seed, base=base)
    load_weights(folder, network.trained_variables())
    return network.inference


@dataclass
class _Trial:
    """One call of `train`: what is known of the trial at each moment of it."""

    config: TrialConfig
    dataset: Dataset
    folder: Path | None
    clock: ProgressClock
    attempt: int
    kept: Kept
    training: TrialRun | None = None

    def run(self, report: Report) -> TrialResult:
        if self.config.deterministic:
            tf.config.experimental.enable_op_determinism()
        self.training = TrialRun(self.config, self.dataset, self.kept, self.folder, report, self.clock)
        if self.training.train() == "pruned":
            return self.result(
                outcome="pruned",
                reason=f"pruned after epoch {self.training.step}",
                value=self.training.best.value,
                metrics=_defined(self.training.best_metrics()),
            )
        probabilities = self.training.best.probabilities
        measured = self.training.measure(probabilities)
        return self.result(
            outcome="complete",
            value=measured[self.config.metric],
            interval=metrics.interval(self.config.metric, self.dataset.validation.labels, probabilities),
            metrics=_defined(measured),
        )

    def result(self, **fields: Any) -> TrialResult:
        """A result with all that is known so far."""
        known: dict[str, Any] = {}
        if self.training is not None:
            weights = self.training.weights
            known = {
                "best_epoch": self.training.best.epoch or None,
                "epochs": len(self.training.history),
                "parameters": sum(math.prod(weight.shape) for weight in weights),
                "trained_parameters": sum(math.prod(variable.shape) for variable in self.training.trained_variables),
                "model_bytes": sum(math.prod(weight.shape) * np.dtype(weight.dtype).itemsize for weight in weights),
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
            best = self.training.best
            weights = list(zip((variable.path for variable in self.training.trained_variables), best.weights, strict=True))
            save_complete(self.folder, result, self.dataset.validation, best.probabilities, weights)
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
