"""What a trial has reached: its best epoch, how long it has not improved, and how often progress is shown."""

import time
from dataclasses import dataclass, field
from typing import Any

from automl.records import Direction, Progress
from automl.training.messages import ShowProgress

SECONDS_BETWEEN = 0.25


@dataclass
class Best:
    """The best value so far in one direction; of equal values the one with the lower validation loss, else the first, stays.

    With few validation pictures many epochs have the same accuracy, and the loss still tells them apart.

    Attributes:
        value: None before the first.
        loss: The validation loss that came with it.
        epoch: Completed epochs at which it was reached.
        weights: What was trained, as it was then, if it was kept.
        probabilities: Of the validation pictures, likewise.
    """

    direction: Direction
    value: float | None = None
    loss: float = float("inf")
    epoch: int = 0
    weights: list[Any] = field(default_factory=list)
    probabilities: Any = None

    def is_beaten_by(self, value: float, loss: float) -> bool:
        """Whether a value is better, or as good at a lower loss."""
        if self.value is None:
            return True
        if value == self.value:
            return loss < self.loss
        return value > self.value if self.direction == "maximize" else value < self.value


class ProgressClock:
    """Passes progress on a few times a second at most, and at the end of each epoch.

    Args:
        show: Called with each message, or None.
        number: The trial's number.
    """

    def __init__(self, show: ShowProgress | None, number: int) -> None:
        self._show = show
        self._number = number
        self._shown = float("-inf")

    def tick(self, *, epoch: int, step: int, steps: int, pictures_per_second: float) -> None:
        """Say that a step is done."""
        now = time.monotonic()
        if self._show is None or (step < steps and now - self._shown < SECONDS_BETWEEN):
            return
        self._shown = now
        self._show(Progress(number=self._number, epoch=epoch, step=step, steps=steps, pictures_per_second=round(pictures_per_second, 1)))
