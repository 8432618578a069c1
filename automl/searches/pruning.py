"""Optuna's pruners under their names in the space file, with defaults that follow from the number of epochs."""

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner

from automl.errors import SpaceError
from automl.searches.rules import STARTUP_TRIALS, warm_up_steps


def build_pruner(name: str, options: Mapping[str, Any], epochs: int) -> BasePruner:
    """The pruner of this name.

    Args:
        name: median, percentile, halving, hyperband, patient or none.
        options: Optuna's arguments of that pruner. `patient` takes `wrapped_pruner`, another pruner's name.
        epochs: Length of a trial, from which warm-up and resources follow.

    Raises:
        SpaceError: The pruner refuses its options.
    """
    pruners = optuna.pruners
    warm_up = {"n_startup_trials": STARTUP_TRIALS, "n_warmup_steps": warm_up_steps(epochs)}
    builders: dict[str, Callable[[dict[str, Any]], BasePruner]] = {
        "none": lambda given: pruners.NopPruner(),
        "median": lambda given: pruners.MedianPruner(**(warm_up | given)),
        "percentile": lambda given: pruners.PercentilePruner(**({"percentile": 25.0} | warm_up | given)),
        "halving": lambda given: pruners.SuccessiveHalvingPruner(**given),
        "hyperband": lambda given: pruners.HyperbandPruner(**({"max_resource": epochs} | given)),
        "patient": lambda given: _patient(given, epochs),
    }
    try:
        return builders[name](dict(options))
    except (TypeError, ValueError) as error:
        raise SpaceError(f"search.pruner: {name} does not take these options: {error}") from None


def _patient(options: dict[str, Any], epochs: int) -> BasePruner:
    wrapped = options.pop("wrapped_pruner", "median")
    inner = None if wrapped is None else build_pruner(wrapped, {}, epochs)
    return optuna.pruners.PatientPruner(inner, **({"patience": max(1, epochs // 4)} | options))
