"""ONNX, for onnxruntime and whatever else reads it."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from automl.export.base import Images, Probabilities


class OnnxExporter:
    """Writes model.onnx: uint8 in, any number of pictures."""

    name = "onnx"
    filename = "model.onnx"
    needs: tuple[str, ...] = ("onnx", "tf2onnx", "onnxruntime")

    def write(self, model: Any, path: Path) -> None:
        """Export the model."""
        with warnings.catch_warnings():
            # Keras asks for np.object, which NumPy warns of; the reader can do nothing about it.
            warnings.simplefilter("ignore", FutureWarning)
            model.export(path, format="onnx", verbose=False)

    def predict(self, path: Path, images: Images) -> Probabilities:
        """Run the file in onnxruntime on the processor."""
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0], dtype=np.float32)
