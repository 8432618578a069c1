"""What is known of samplers, pruners and the driver's rules without importing Optuna, for `plan` and the driver alike."""

SAMPLER_PACKAGES: dict[str, tuple[str, ...]] = {"cmaes": ("cmaes",), "gp": ("torch", "scipy"), "qmc": ("scipy",)}
"""What some samplers need beyond the base installation."""

FIRST_DECIDED_STEP = 3
"""The first epoch of a phase after which a trial may be pruned."""

STARTUP_TRIALS = 5
"""Trials that the median and percentile pruners let finish first, unless the file says otherwise."""

REMEMBERED_PROGRAMS = 12
"""Compiled programs that a worker is taken to have ready: those of its last trials."""

MEMORY_GROWTH_BYTES = 1_500_000_000
LEAST_MEMORY_GROWTH_BYTES = 400_000_000
USABLE_MEMORY = 0.8


def memory_limit(at_first: int, share: int) -> int:
    """Resident bytes beyond which a worker is replaced.

    It may grow by 1.5 GB after its first trial, but not beyond 0.8 of its share of the machine's memory. 0.4 GB of growth are always
    allowed: a trial that needs more than the share would otherwise have its worker replaced again and again, which frees nothing.

    Args:
        at_first: What it held after its first trial.
        share: The machine's memory divided by the workers.
    """
    return at_first + max(LEAST_MEMORY_GROWTH_BYTES, min(MEMORY_GROWTH_BYTES, int(USABLE_MEMORY * share) - at_first))


def warm_up_steps(epochs: int) -> int:
    """Epochs of each trial that those pruners leave alone, unless the file says otherwise."""
    return epochs // 4
