"""LiteRT (formerly TensorFlow Lite), for telephones and small machines."""

from pathlib import Path
from typing import Any

import numpy as np

from automl.export.base import Images, Probabilities


class LitertExporter:
    """Writes model.tflite with float weights and a uint8 input."""

    name = "litert"
    filename = "model.tflite"
    needs: tuple[str, ...] = ("ai_edge_litert",)

    def write(self, model: Any, path: Path) -> None:
        """Export the model."""
        model.export(path, format="litert", verbose=False)

    def predict(self, path: Path, images: Images) -> Probabilities:
        """Run the file in LiteRT's interpreter, picture by picture."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(path))
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, (1, *images.shape[1:]))
        interpreter.allocate_tensors()
        output = interpreter.get_output_details()[0]["index"]
        rows = []
        for image in images:
            interpreter.set_tensor(index, image[None])
            interpreter.invoke()
            rows.append(np.array(interpreter.get_tensor(output)[0], dtype=np.float32))
        return np.stack(rows)
