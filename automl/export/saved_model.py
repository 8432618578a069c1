"""TensorFlow's SavedModel, for TensorFlow Serving."""

from pathlib import Path
from typing import Any

import numpy as np

from automl.export.base import Images, Probabilities


class SavedModelExporter:
    """Writes the folder saved_model/ with the signature `serve`."""

    name = "saved_model"
    filename = "saved_model"
    needs: tuple[str, ...] = ()

    def write(self, model: Any, path: Path) -> None:
        """Export the model."""
        model.export(path, format="tf_saved_model", verbose=False)

    def predict(self, path: Path, images: Images) -> Probabilities:
        """Load the folder and call its signature."""
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
        return np.asarray(loaded.serve(images), dtype=np.float32)
