"""How a backbone wants its pixels, learned from Keras' own function and made of plain layers."""

import sys
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from automl.errors import BuildError

NAME = "preprocessing"


def build_preprocessing(name: str) -> Any:
    """The layer named `preprocessing` that turns pixels from 0 to 255 into what the backbone was trained on.

    Keras has a `preprocess_input` beside each backbone, but as a function, which a saved model should not depend on. What
    that function does to a few colors says which channel it takes from where, with which scale and offset; it is the
    identity for backbones that hold their preprocessing themselves.

    Args:
        name: The backbone's name; `cnn` takes pixels from 0 to 1.

    Raises:
        BuildError: The function is not one scale and one offset for each channel, in whatever order.
    """
    if name == "cnn":
        return keras.layers.Rescaling(1 / 255, name=NAME)
    module = sys.modules[getattr(keras.applications, name).__module__]
    found = _learn(module.preprocess_input)
    if found is None:
        raise BuildError(f"model.backbone: {name} needs other preprocessing than a scale and an offset; choose another backbone")
    if found.sources == (0, 1, 2) and len(set(found.scales)) == len(set(found.offsets)) == 1:
        return keras.layers.Rescaling(found.scales[0], offset=found.offsets[0], name=NAME)
    rescaling = keras.layers.Rescaling(list(found.scales), offset=list(found.offsets), name=NAME)
    if found.sources == (0, 1, 2):
        return rescaling
    pixels = keras.Input((None, None, 3), name="pixels_in_any_order")
    reordered = keras.ops.take(pixels, list(found.sources), axis=-1)
    return keras.Model(pixels, rescaling(reordered), name=NAME)


@dataclass(frozen=True)
class _ByChannel:
    """One scale and one offset for each output channel, and the input channel that it is made of."""

    sources: tuple[int, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]


_BLACK = (0, 0, 0)
_WHITE = (255, 255, 255)
_PRIMARIES = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
_SAMPLE = (10, 100, 200)


def _learn(preprocess: Any) -> _ByChannel | None:
    """What a function does to each channel, or None if it does something else than scale, shift and reorder."""

    def apply(color: tuple[int, int, int]) -> NDArray[np.float64]:
        # The functions change the array that they are given.
        return np.asarray(preprocess(np.array(color, dtype="float64").reshape(1, 1, 1, 3)), dtype="float64").ravel()

    black, white = apply(_BLACK), apply(_WHITE)
    sources = np.abs([apply(primary) - black for primary in _PRIMARIES]).argmax(axis=0)
    scales = (white - black) / 255
    if not np.allclose(apply(_SAMPLE), np.array(_SAMPLE)[sources] * scales + black):
        return None
    return _ByChannel(tuple(sources.tolist()), tuple(scales.tolist()), tuple(black.tolist()))
