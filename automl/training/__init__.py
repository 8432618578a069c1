"""One trial from its config to its result; it knows nothing of being searched, and imports Keras only when a trial runs."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Kept": "automl.training.kept",
    "TrialInterrupted": "automl.training.messages",
    "never_stop": "automl.training.messages",
    "fetch_weights": "automl.models.weights",
    "load_trial": "automl.training.trial",
    "train": "automl.training.trial",
}

__all__ = ["Kept", "TrialInterrupted", "fetch_weights", "load_trial", "never_stop", "train"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
