"""The .keras file: loads in safe mode with plain Keras, where automl is not installed."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from automl.errors import ExportError
from automl.export.base import Images, Probabilities


class KerasExporter:
    """Writes model.keras."""

    name = "keras"
    filename = "model.keras"
    needs: tuple[str, ...] = ()

    def write(self, model: Any, path: Path) -> None:
        """Save the model."""
        model.save(path)

    def predict(self, path: Path, images: Images) -> Probabilities:
        """Load the file in safe mode and predict.

        Raises:
            ExportError: It names a class that does not come with Keras, so plain Keras could not load it.
        """
        import keras

        foreign = sorted(_foreign_modules(path))
        if foreign:
            raise ExportError(f"{path}: expected a file that plain Keras loads, but it names classes of {', '.join(foreign)}")
        model = keras.models.load_model(path, safe_mode=True, compile=False)
        # Called once as it is, operation by operation: a trace would cost more than it saves.
        return np.asarray(model(images, training=False), dtype=np.float32)


def _foreign_modules(path: Path) -> set[str]:
    """Modules outside Keras that the file's description of its layers names."""
    with zipfile.ZipFile(path) as file:
        described = json.loads(file.read("config.json"))
    return {name for name in _modules(described) if name.split(".")[0] not in ("keras", "builtins")}


def _modules(described: Any) -> Iterator[str]:
    if isinstance(described, dict):
        if isinstance(described.get("module"), str) and "class_name" in described:
            yield described["module"]
        for value in described.values():
            yield from _modules(value)
    elif isinstance(described, list):
        for value in described:
            yield from _modules(value)
