"""What a format must be able to do: write a model, and predict from what was written, so that the two can be compared."""

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from automl.errors import ExportError

Images = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]


class Exporter(Protocol):
    """One format.

    Attributes:
        name: As in `export.formats`.
        filename: Name of the file or folder that it writes.
        needs: Packages beyond the base installation.
    """

    name: str
    filename: str
    needs: tuple[str, ...]

    def write(self, model: Any, path: Path) -> None:
        """Write a Keras model, which takes uint8 (n, size, size, 3), to `path`."""

    def predict(self, path: Path, images: Images) -> Probabilities:
        """Predict from the written artifact alone, as its user would."""


def require(exporter: Exporter) -> None:
    """Check that what a format needs is installed.

    Raises:
        ExportError: It is not.
    """
    missing = [package for package in exporter.needs if importlib.util.find_spec(package) is None]
    if missing:
        raise ExportError(
            f"export.formats: {exporter.name} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
            f"run `pip install 'automl[export]'`"
        )
