"""What is known of samplers, pruners and the driver's rules without importing Optuna, for `plan` and the driver alike."""

SAMPLER_PACKAGES: dict[str, tuple[str, ...]] = {"cmaes": ("cmaes",), "gp": ("torch", "scipy"), "qmc": ("scipy",)}
"""What some samplers need beyond the base installation."""

FIRST_DECIDED_STEP = 3
"""The first epoch of a phase after which a trial may be pruned."""

STARTUP_TRIALS = 5
"""Trials that the median and percentile pruners let finish first, unless the file says otherwise."""

REMEMBERED_PROGRAMS = 8
"""Compiled programs that a worker is taken to have ready: those of its last trials."""


def warm_up_steps(epochs: int) -> int:
    """Epochs of each trial that those pruners leave alone, unless the file says otherwise."""
    return epochs // 4
