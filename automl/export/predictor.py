"""An exported model with what it takes to use it: labels, picture size, and how pictures are resized."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from automl.data import read_picture
from automl.errors import ExportError
from automl.export.artifacts import EXPORTERS
from automl.export.base import Images, Probabilities, require

BATCH = 64


@dataclass(frozen=True)
class Predictor:
    """A model that classifies pictures as they come.

    Attributes:
        classes: Names in the order of the probabilities.
        image_size: Side of the square that the model takes, in pixels.
        resize: stretch, crop or pad, as in training.
    """

    classes: tuple[str, ...]
    image_size: int
    resize: str
    run: Callable[[Images], Probabilities]

    def predict(self, images: Sequence[Any]) -> Probabilities:
        """Probabilities, float32, shape (pictures, classes).

        Args:
            images: Paths or uint8 arrays.

        Raises:
            DataError: One of them cannot be read.
        """
        rows = [np.empty((0, len(self.classes)), dtype=np.float32)]
        for start in range(0, len(images), BATCH):
            batch = np.stack([read_picture(image, size=self.image_size, resize=self.resize) for image in images[start : start + BATCH]])
            rows.append(self.run(batch))
        return np.concatenate(rows)


def open_model(path: Path) -> Predictor:
    """Open a .keras, .onnx or .tflite file, or a folder that `automl export` wrote.

    Raises:
        ExportError: There is none.
    """
    artifact = _find(path)
    details = _details(artifact.parent)
    labels = artifact.parent / "labels.txt"
    if not labels.is_file():
        raise ExportError(f"{artifact}: expected its labels.txt beside it, but there is none; copy it from the exported folder")
    classes = tuple(labels.read_text().splitlines())
    run, size = _runner(artifact)
    return Predictor(classes, size or details.get("image_size", 224), details.get("resize", "stretch"), run)


def _find(path: Path) -> Path:
    names = [exporter.filename for exporter in EXPORTERS.values()]
    if path.is_file() or (path.is_dir() and (path / "saved_model.pb").is_file()):
        return path
    for name in names:
        if (path / name).exists():
            return path / name
    raise ExportError(
        f"{path}: expected an exported model ({', '.join(names)}) or a folder with one, but found none; `automl export STUDY` writes one"
    )


def _details(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "metrics.json").read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _runner(artifact: Path) -> tuple[Callable[[Images], Probabilities], int | None]:
    """How to run an artifact, and the picture size that it fixes, if it does."""
    if artifact.suffix == ".keras":
        import keras

        try:
            model = keras.models.load_model(artifact, compile=False, safe_mode=True)
        except (ValueError, OSError, TypeError) as error:
            first = str(error).splitlines()[0]
            raise ExportError(f"{artifact}: expected a model that Keras loads in safe mode, but got: {first}") from None
        return (lambda images: np.asarray(model.predict_on_batch(images), dtype=np.float32)), model.input_shape[1]
    for exporter in EXPORTERS.values():
        if Path(exporter.filename).suffix == artifact.suffix:
            require(exporter)
            return partial(exporter.predict, artifact), None
    known = ", ".join(exporter.filename for exporter in EXPORTERS.values())
    raise ExportError(f"{artifact}: expected one of {known}, but this is none of them")
