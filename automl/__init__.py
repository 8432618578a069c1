"""Search for the best image classifier for your own pictures.

    import automl
    study = automl.search("transfer.yaml", data="photos/")
    study.leaderboard()
    study.best.export("out/")

Nothing heavy is imported before it is used: `import automl` costs milliseconds.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_API = (
    "search", "open_study", "plan", "inspect", "train", "predict", "load_space", "Study", "Trial", "Prediction",
)  # fmt: skip
__all__ = [*_API, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(importlib.import_module("automl.api"), name)
    raise AttributeError(f"module 'automl' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
