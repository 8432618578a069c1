"""One trial's settings -> a Keras network; nothing is imported before it is asked for, since Keras costs seconds."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Base": "automl.models.network",
    "Network": "automl.models.network",
    "build": "automl.models.network",
    "fetch_weights": "automl.models.weights",
    "find_stages": "automl.models.stages",
}

__all__ = ["Base", "Network", "build", "fetch_weights", "find_stages"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
