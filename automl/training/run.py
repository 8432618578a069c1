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
from automl.models.facts import is_pretrained
from automl.models.network import Depth, build
from automl.models.seeds import derive_seed
from automl.records import Epoch, TrialConfig
from automl.training import metrics
from automl.training.feeding import Feeder
from automl.training.inputs import Inputs, count_steps, is_half, prediction_chunks, shuffled, training_chunks
from automl.training.kept import Kept
from automl.training.messages import Report, TrialInterrupted
from automl.training.phases import Phase, plan_phases
from automl.training.programs import HotValues, PhaseProgram
from automl.training.progress import Best, ProgressClock
from automl.training.schedule import learning_rate_at
from automl.training.storage import save_history


@dataclass
class TrialRun:
    """One trial while it trains.

    Attributes:
        step: Epochs completed, over all phases.
        best: The best epoch so far, with the weights that were trained and its predictions of the validation pictures.
        history: One row an epoch.
    """

    config: TrialConfig
    dataset: Dataset
    kept: Kept
    folder: Path | None
    report: Report
    clock: ProgressClock
    step: int = 0
    best: Best = field(init=False)
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = self.config
        self.best = Best(settings.direction)
        self.is_whole = not is_pretrained(settings.model)
        size, classes = settings.data.image_size, len(self.dataset.classes)
        self._network = build(settings.model, image_size=size, classes=classes, seed=settings.seed, base=self.kept.base(settings))
        self.trained_variables = self._network.trained_variables()
        self._initial = self._network.initial_values(settings.model, seed=settings.seed, image_size=size)
        self._inside = len(self._initial) - sum(len(layer.weights) for layer in self._network.dense)
        self._feeder = Feeder(settings, self.dataset, self.kept, self.clock)

    @property
    def weights(self) -> list[Any]:
        """All weights of the network, backbone and head; their values are those of the moment, see `best`."""
        return [*self._network.base.backbone.weights, *(weight for layer in self._network.dense for weight in layer.weights)]

    def train(self) -> Literal["complete", "pruned"]:
        """Run all phases.

        Raises:
            DivergedError: The loss is no longer a number.
            MetricMissingError: The monitored metric does not exist.
            TrialInterrupted: `report` asked for it.
        """
        is_frozen = self._network.depth == 0
        try:
            for phase in plan_phases(self.config.train, is_whole=self.is_whole, is_frozen=is_frozen):
                if self._run_phase(phase) == "prune":
                    return "pruned"
            return "complete"
        finally:
            if not self.is_whole:
                self._network.base.restore(self.trained_variables)

    def measure(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        """The validation metrics of some predictions, under their `val_` names."""
        computed = metrics.compute(self.dataset.validation.labels, probabilities)
        return {f"val_{name}": value for name, value in computed.items()}

    def best_metrics(self) -> dict[str, float]:
        """The validation metrics of the best epoch as they were measured then; empty before the first epoch."""
        row = self.history[self.best.epoch - 1] if self.best.epoch else {}
        return {name: value for name, value in row.items() if name.startswith("val_")}

    def _run_phase(self, phase: Phase) -> Literal["over", "prune"]:
        depth: Depth = 0 if phase.name == "head" else self._network.depth
        training, validation = self._feeder.training(depth), self._feeder.validation(depth)
        program = self._program(phase, depth, training)
        # Its own best: fine-tuning may begin below the head's best and still be on its way up.
        best_of_phase = Best(self.config.direction)
        for phase_step in range(1, phase.epochs + 1):
            started = time.perf_counter()
            trained = self._train_epoch(program, training, phase, phase_step)
            probabilities = self._predict(program, validation)
            validated = self.measure(probabilities)
            value = self._monitored(validated)
            loss = validated["val_loss"]
            if self.best.is_beaten_by(value, loss):
                exact = self._predict(program, self._feeder.validation(depth, exactly=True)) if is_half(validation) else probabilities
                frozen = self._initial[: self._inside] if depth == 0 else []
                self.best = Best(self.config.direction, value, loss, self.step, [*frozen, *program.values()], exact)
            if best_of_phase.is_beaten_by(value, loss):
                best_of_phase.value, best_of_phase.loss, best_of_phase.epoch = value, loss, phase_step
            seconds = time.perf_counter() - started
            if self._tell(phase, phase_step, {**trained, **validated}, seconds) == "prune":
                return "prune"
            patience = self.config.train.early_stopping
            if patience is not None and phase_step - best_of_phase.epoch >= patience:
                break
        return "over"

    def _program(self, phase: Phase, depth: Depth, training: Inputs) -> PhaseProgram:
        """The program of a phase, with the best weights so far."""
        is_augmented = depth == "all" and self.config.augment.strength > 0
        kind = "uint8" if depth == "all" and not is_augmented else "float32"
        program = self.kept.program(self.config, classes=len(self.dataset.classes), depth=depth, shape=training.shape, kind=kind)
        values = self.best.weights or self._initial
        seed = derive_seed(self.config.seed, phase.name)
        program.reset(values[self._inside :] if phase.name == "head" else values, HotValues.of(self.config), seed=seed)
        return program

    def _train_epoch(self, program: PhaseProgram, training: Inputs, phase: Phase, phase_step: int) -> dict[str, float]:
        self.step += 1
        count, size = len(training.labels), self.config.train.batch_size
        steps = count_steps(count, size)
        rates = np.array([self._learning_rate(phase, (phase_step - 1) * steps + step) for step in range(steps)], np.float32)
        order = shuffled(count, seed=self.config.seed, epoch=self.step)
        total, hits, seen, done = 0.0, 0, 0, 0
        started = time.perf_counter()
        for x, labels in training_chunks(training, order, epoch=self.step, batch_size=size):
            ahead = count_steps(len(labels), size)
            losses, right = program.train(x, labels, rates[done : done + ahead], size)
            for step, loss in enumerate(losses.tolist(), start=done + 1):
                if not math.isfinite(loss):
                    became = "NaN" if math.isnan(loss) else "infinite"
                    raise DivergedError(f"the loss became {became} in epoch {self.step}, step {step}; lower the learning rate")
                total += loss * min(size, count - (step - 1) * size)
            hits, seen, done = hits + right, seen + len(labels), done + ahead
            speed = seen / (time.perf_counter() - started)
            self.clock.tick(epoch=self.step, step=done, steps=steps, pictures_per_second=speed)
        self._pictures_per_second = seen / (time.perf_counter() - started)
        return {"loss": total / seen, "accuracy": hits / seen}

    def _predict(self, program: PhaseProgram, validation: Inputs) -> NDArray[np.float32]:
        probabilities = program.predict(prediction_chunks(validation))
        if not np.isfinite(probabilities).all():
            raise DivergedError(f"the predictions after epoch {self.step} are not numbers; lower the learning rate")
        return probabilities

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
