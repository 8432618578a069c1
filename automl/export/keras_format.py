"""The .keras file: loads in safe mode with plain Keras, which is tried in a process that cannot import automl."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from automl.errors import ExportError
from automl.export.base import Images, Probabilities

_LOAD_PLAINLY = """
import sys
sys.modules["automl"] = None
import numpy, keras
model = keras.models.load_model(sys.argv[1], safe_mode=True)
numpy.save(sys.argv[3], model.predict_on_batch(numpy.load(sys.argv[2])))
"""


class KerasExporter:
    """Writes model.keras."""

    name = "keras"
    filename = "model.keras"
    needs: tuple[str, ...] = ()

    def write(self, model: Any, path: Path) -> None:
        """Save the model."""
        model.save(path)

    def predict(self, path: Path, images: Images) -> Probabilities:
        """Load and predict in a process of its own, with plain Keras, in safe mode.

        Raises:
            ExportError: It does not load there.
        """
        with tempfile.TemporaryDirectory() as folder:
            inputs, outputs = Path(folder) / "images.npy", Path(folder) / "probabilities.npy"
            np.save(inputs, images)
            command = [sys.executable, "-P", "-c", _LOAD_PLAINLY, str(path), str(inputs), str(outputs)]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise ExportError(f"{path}: expected a file that plain Keras loads in safe mode, but got: {last}")
            return np.asarray(np.load(outputs), dtype=np.float32)
