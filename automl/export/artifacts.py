"""Writes a model in some formats, and counts a format only when what it wrote predicts as the model does."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl.errors import ExportError
from automl.export.base import Exporter, Images, Probabilities, require
from automl.export.keras_format import KerasExporter
from automl.export.litert import LitertExporter
from automl.export.onnx_format import OnnxExporter
from automl.export.saved_model import SavedModelExporter
from automl.results.evaluation import predict

EXPORTERS: dict[str, Exporter] = {e.name: e for e in (KerasExporter(), SavedModelExporter(), OnnxExporter(), LitertExporter())}
TOLERANCE = 1e-3


def choose(formats: Sequence[str]) -> list[Exporter]:
    """The exporters of these names.

    Raises:
        ExportError: A name is unknown, or what it needs is not installed.
    """
    unknown = [name for name in formats if name not in EXPORTERS]
    if unknown or not formats:
        raise ExportError(f"formats: expected some of {', '.join(EXPORTERS)}, but got {', '.join(unknown) or 'none'}")
    chosen = [EXPORTERS[name] for name in dict.fromkeys(formats)]
    for exporter in chosen:
        require(exporter)
    return chosen


def write_artifacts(model: Any, classes: Sequence[str], samples: Images, formats: Sequence[str], out: Path) -> dict[str, float]:
    """Write a model and its labels into a folder.

    Each artifact is written under a temporary name, loaded back, compared on `samples`, and only then given its own name.

    Args:
        model: Keras model, uint8 (n, size, size, 3) to probabilities.
        classes: Names in the order of the probabilities.
        samples: Pictures to compare on, uint8 (n, size, size, 3).
        formats: Names of `EXPORTERS`.
        out: Folder; made when missing.

    Returns:
        For each format the largest difference of a probability.

    Raises:
        ExportError: An artifact cannot be written, or differs by more than 1e-3.
    """
    exporters = choose(formats)
    out.mkdir(parents=True, exist_ok=True)
    expected = predict(model, samples)
    differences = {}
    with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as temporary:
        for exporter in exporters:
            written = Path(temporary) / exporter.filename
            differences[exporter.name] = _write_and_compare(exporter, model, samples, expected, written)
            _publish(written, out / exporter.filename)
        labels = Path(temporary) / "labels.txt"
        labels.write_text("".join(f"{name}\n" for name in classes))
        _publish(labels, out / "labels.txt")
    return differences


def _write_and_compare(exporter: Exporter, model: Any, samples: Images, expected: Probabilities, path: Path) -> float:
    """Write one artifact and return by how much its probabilities differ at most."""
    try:
        exporter.write(model, path)
        found = exporter.predict(path, samples)
    except ExportError:
        raise
    except Exception as error:  # the seam to four converters, each with errors of its own
        told = f"{type(error).__name__}: {error}"
        raise ExportError(f"{exporter.name}: expected this model to be written and read back, but got {told}") from error
    difference = float(np.max(np.abs(found - expected)))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{exporter.name}: expected outputs within {TOLERANCE:g} of the trained model's, but they differ by up to {difference:.3g}"
        )
    return difference


def _publish(written: Path, final: Path) -> None:
    if final.is_dir() and not final.is_symlink():
        shutil.rmtree(final)
    os.replace(written, final)
