"""How a backbone wants its pixels, learned from Keras' own function and made of plain layers."""

import sys
from typing import Any

import keras
import numpy as np

from automl.errors import BuildError


def build_preprocessing(name: str) -> Any:
    """The layer that turns pixels from 0 to 255 into what the backbone was trained on.

    Keras has a `preprocess_input` beside each backbone, but as a function, which a saved model should not depend on. Its
    answers for black and white say which scale and offset it applies.

    Args:
        name: The backbone's name; `cnn` takes pixels from 0 to 1.

    Raises:
        BuildError: The function is not one scale and one offset for all channels.
    """
    if name == "cnn":
        return keras.layers.Rescaling(1 / 255, name="preprocessing")
    module = sys.modules[getattr(keras.applications, name).__module__]
    black, white, sample = (module.preprocess_input(np.array(pixels, dtype="float64").reshape(1, 1, 1, 3)) for pixels in _PROBES)
    offset = float(black.flat[0])
    scale = float((white.flat[0] - black.flat[0]) / 255)
    if not np.allclose(sample.ravel(), np.array(_PROBES[2]) * scale + offset):
        raise BuildError(f"model.backbone: {name} needs other preprocessing than one scale and one offset; choose another backbone")
    return keras.layers.Rescaling(scale, offset=offset, name="preprocessing")


_PROBES = ((0, 0, 0), (255, 255, 255), (10, 100, 200))
