"""The learning rate of each step of a phase."""

import math
from typing import Literal


def learning_rate_at(step: int, *, steps: int, peak: float, schedule: Literal["constant", "cosine"]) -> float:
    """The learning rate of one step.

    Cosine is the annealing of Loshchilov and Hutter, SGDR (2017), without restarts, from the peak towards 0.

    Args:
        step: Counted from 0 over the phase.
        steps: Steps of the whole phase, if nothing ends it early.
        peak: The rate of the first step.
        schedule: Its shape.
    """
    if schedule == "constant":
        return peak
    return peak * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
