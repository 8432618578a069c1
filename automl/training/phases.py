"""Which parts of the network train for how many epochs: the head alone, then with the unfrozen stages, or all at once."""

from dataclasses import dataclass
from typing import Literal

from automl.records import TrainConfig

PhaseName = Literal["head", "fine_tune", "whole"]


@dataclass(frozen=True)
class Phase:
    """A run of epochs with one set of trained layers and one optimizer.

    Attributes:
        epochs: At most this many; early stopping may end the phase before.
        learning_rate: Its peak.
    """

    name: PhaseName
    epochs: int
    learning_rate: float


def plan_phases(config: TrainConfig, *, is_whole: bool, is_frozen: bool) -> tuple[Phase, ...]:
    """The phases of a trial; their epochs sum to `config.epochs`.

    `round(epochs_fraction * epochs)` epochs fine-tune. Where that gives none, as for a single epoch and a half, the
    backbone stays frozen; where it gives all, the head begins together with the unfrozen stages.

    Args:
        config: Epochs, learning rate and `fine_tune` are read.
        is_whole: Nothing is pretrained, so all layers train from the first epoch.
        is_frozen: The unfreeze depth is 0.
    """
    if is_whole:
        return (Phase("whole", config.epochs, config.learning_rate),)
    fine_tuned = 0 if is_frozen else round(config.fine_tune.epochs_fraction * config.epochs)
    phases = (
        Phase("head", config.epochs - fine_tuned, config.learning_rate),
        Phase("fine_tune", fine_tuned, config.learning_rate * config.fine_tune.learning_rate_factor),
    )
    return tuple(phase for phase in phases if phase.epochs > 0)
