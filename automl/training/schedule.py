"""The learning rate of each step of a phase."""

import math
from typing import Literal


def learning_rate_at(step: int, *, steps: int, warmup_steps: float, peak: float, schedule: Literal["constant", "cosine"]) -> float:
    """The learning rate of one step: a linear rise to the peak, then the schedule over what is left of the phase.

    Cosine is the annealing of Loshchilov and Hutter, SGDR (2017), without restarts, from the peak towards 0. The linear rise is
    that of Goyal et al., Accurate, Large Minibatch SGD (2017).

    Args:
        step: Counted from 0 over the phase.
        steps: Steps of the whole phase, if nothing ends it early.
        warmup_steps: Steps until the peak is reached; 0 for none.
        peak: The highest rate.
        schedule: The shape after the rise.
    """
    if step + 1 < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if schedule == "constant":
        return peak
    risen = max(warmup_steps - 1, 0)
    return peak * 0.5 * (1 + math.cos(math.pi * min((step - risen) / (steps - risen), 1.0)))
