"""ONNX, for onnxruntime and whatever else reads it."""

import functools
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
        _teach_erfc()
        with warnings.catch_warnings():
            # Keras asks for np.object, which NumPy warns of; the reader can do nothing about it.
            warnings.simplefilter("ignore", FutureWarning)
            model.export(path, format="onnx", verbose=False)

    def predict(self, path: Path, images: Images) -> Probabilities:
        """Run the file in onnxruntime on the processor."""
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0], dtype=np.float32)


@functools.cache
def _teach_erfc() -> None:
    """Tell tf2onnx how to write the complementary error function, which Keras' gelu uses and ONNX lacks: 1 - erf(x)."""
    import tf2onnx
    from tf2onnx import handler

    class Erfc:
        @classmethod
        def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
            kind, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
            one = ctx.make_const(tf2onnx.utils.make_name("one"), np.ones((), tf2onnx.utils.map_onnx_to_numpy_type(kind)))
            erf = ctx.make_node("Erf", node.input, dtypes=[kind], shapes=[shape])
            ctx.remove_node(node.name)
            ctx.make_node("Sub", [one.output[0], erf.output[0]], outputs=node.output, name=node.name, dtypes=[kind], shapes=[shape])

    handler.tf_op("Erfc")(Erfc)
