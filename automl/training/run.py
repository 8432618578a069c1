"""The epochs of one trial, phase after phase, up to its best weights."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from automl.data import Dataset
from automl.errors import DivergedError, MetricMissingError
from automl.models.network import BuiltModel
from automl.records import Epoch, TrialConfig
from automl.training import metrics
from automl.training.batches import count_steps, iterate, shuffled
from automl.training.messages import Report, TrialInterrupted
from automl.training.optimizers import build_optimizer
from automl.training.phases import Phase, plan_phases
from automl.training.programs import PredictProgram, TrainProgram
from automl.training.progress import Best, ProgressClock
from automl.training.schedule import learning_rate_at
from automl.training.storage import save_history


@dataclass
class TrialRun:
    """One trial while it trains.

    Attributes:
        step: Epochs completed, over all phases.
        best: The best epoch so far, with the weights that were trained.
        history: One row an epoch.
    """

    config: TrialConfig
    dataset: Dataset
    built: BuiltModel
    folder: Path | None
    report: Report
    clock: ProgressClock
    step: int = 0
    best: Best = field(init=False)
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.best = Best(self.config.direction)
        self._predictor = PredictProgram(self.built.inference)

    def train(self) -> Literal["complete", "pruned"]:
        """Run all phases; afterwards the network holds the weights of the best epoch.

        Raises:
            DivergedError: The loss is no longer a number.
            MetricMissingError: The monitored metric does not exist.
            TrialInterrupted: `report` asked for it.
        """
        for phase in plan_phases(self.config.train, is_whole=self.built.is_whole, is_frozen=self.built.depth == 0):
            if phase.name == "head":
                self.built.freeze()
            else:
                self.built.unfreeze()
            self._restore_best()
            if self._run_phase(phase) == "prune":
                return "pruned"
        self._restore_best()
        return "complete"

    def predict_validation(self) -> NDArray[np.float32]:
        """The probabilities of the validation pictures by the network as it is now."""
        probabilities = self._predictor.predict(self.dataset.validation)
        if not np.isfinite(probabilities).all():
            raise DivergedError(f"the predictions after epoch {self.step} are not numbers; lower the learning rate")
        return probabilities

    def measure(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        """The validation metrics of some predictions, under their `val_` names."""
        computed = metrics.compute(self.dataset.validation.labels, probabilities)
        return {f"val_{name}": value for name, value in computed.items()}

    def best_metrics(self) -> dict[str, float]:
        """The validation metrics of the best epoch as they were measured then; empty before the first epoch."""
        row = self.history[self.best.epoch - 1] if self.best.epoch else {}
        return {name: value for name, value in row.items() if name.startswith("val_")}

    def _run_phase(self, phase: Phase) -> Literal["over", "prune"]:
        program = TrainProgram(self.built.training, build_optimizer(self.config.train), label_smoothing=self.config.train.label_smoothing)
        # Its own best: fine-tuning may begin below the head's best and still be on its way up.
        best_of_phase = Best(self.config.direction)
        for phase_step in range(1, phase.epochs + 1):
            started = time.perf_counter()
            trained = self._train_epoch(program, phase, phase_step)
            validated = self.measure(self.predict_validation())
            value = self._monitored(validated)
            loss = validated["val_loss"]
            self._keep_best(value, loss)
            if best_of_phase.is_beaten_by(value, loss):
                best_of_phase.value, best_of_phase.loss, best_of_phase.epoch = value, loss, phase_step
            seconds = time.perf_counter() - started
            if self._tell(phase, phase_step, {**trained, **validated}, seconds) == "prune":
                return "prune"
            patience = self.config.train.early_stopping
            if patience is not None and phase_step - best_of_phase.epoch >= patience:
                break
        return "over"

    def _train_epoch(self, program: TrainProgram, phase: Phase, phase_step: int) -> dict[str, float]:
        self.step += 1
        pictures, size = self.dataset.train, self.config.train.batch_size
        steps = count_steps(len(pictures), size)
        order = shuffled(len(pictures), seed=self.config.seed, epoch=self.step)
        total, hits, seen = 0.0, 0, 0
        started = time.perf_counter()
        for step, batch in enumerate(iterate(pictures, order, size), start=1):
            loss, right = program.step(batch, self._learning_rate(phase, (phase_step - 1) * steps + step - 1))
            if not math.isfinite(loss):
                became = "NaN" if math.isnan(loss) else "infinite"
                raise DivergedError(f"the loss became {became} in epoch {self.step}, step {step}; lower the learning rate")
            count = len(batch[1])
            total, hits, seen = total + loss * count, hits + right, seen + count
            speed = seen / (time.perf_counter() - started)
            self.clock.tick(epoch=self.step, step=step, steps=steps, pictures_per_second=speed)
        self._pictures_per_second = seen / (time.perf_counter() - started)
        return {"loss": total / seen, "accuracy": hits / seen}

    def _learning_rate(self, phase: Phase, step: int) -> float:
        settings = self.config.train
        steps_an_epoch = count_steps(len(self.dataset.train), settings.batch_size)
        return learning_rate_at(
            step,
            steps=phase.epochs * steps_an_epoch,
            warmup_steps=min(settings.warmup_epochs, phase.epochs) * steps_an_epoch,
            peak=phase.learning_rate,
            schedule=settings.schedule,
        )

    def _monitored(self, validated: dict[str, float]) -> float:
        name = self.config.metric
        value = validated.get(name)
        if value is not None and not math.isnan(value):
            return value
        why = metrics.explain_undefined(name, self.dataset.validation.labels, len(self.dataset.classes))
        known = ", ".join(other for other, number in validated.items() if not math.isnan(number))
        raise MetricMissingError(f"search.metric: expected one of {known}, but got {name}" + (f": {why}" if why else ""))

    def _keep_best(self, value: float, loss: float) -> None:
        if self.best.is_beaten_by(value, loss):
            weights = [np.array(variable.numpy()) for variable in self.built.trained_variables()]
            self.best = Best(self.config.direction, value, loss, self.step, weights)

    def _restore_best(self) -> None:
        for variable, value in zip(self.built.trained_variables(), self.best.weights, strict=False):
            variable.assign(value)

    def _tell(self, phase: Phase, phase_step: int, figures: dict[str, float], seconds: float) -> Literal["continue", "prune"]:
        steps = count_steps(len(self.dataset.train), self.config.train.batch_size)
        rate = self._learning_rate(phase, phase_step * steps - 1)
        self.history.append({"epoch": self.step, "phase": phase.name, "learning_rate": rate, **figures, "seconds": round(seconds, 3)})
        if self.folder is not None:
            save_history(self.folder, self.history)
        message = Epoch(
            number=self.config.number,
            step=self.step,
            phase=phase.name,
            phase_step=phase_step,
            metrics={name: None if math.isnan(value) else value for name, value in figures.items()},
            seconds=seconds,
            pictures_per_second=self._pictures_per_second,
        )
        decision = self.report(message)
        if decision == "interrupt":
            raise TrialInterrupted(f"trial {self.config.number} was interrupted after epoch {self.step}")
        return decision
