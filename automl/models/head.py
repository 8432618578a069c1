"""What stands between the backbone's feature map and the probabilities."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from automl.models.facts import is_pretrained
from automl.models.seeds import derive_seed
from automl.records import ModelConfig

_POOLING = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
}


def build_head(config: ModelConfig, *, classes: int, seed: int) -> tuple[Any, ...]:
    """The head's layers in order: pooling, then for each dense layer its dropout and itself; the last gives the probabilities.

    Args:
        config: `pooling` and `head` are read.
        classes: Width of the last layer, a float32 softmax named `probabilities`. Behind a pretrained backbone it starts from
            zeros, as in Kolesnikov et al., Big Transfer (2020): what random weights add to the answer is noise that few steps
            on few pictures do not remove.
        seed: The trial's seed, from which initial weights and dropout follow.
    """
    return (build_pooling(config), *_dense_layers(config, classes, seed))


def build_pooling(config: ModelConfig) -> Any:
    """The layer that makes a vector of the backbone's last feature map."""
    return _POOLING[config.pooling](name="pooling")


def _dense_layers(config: ModelConfig, classes: int, seed: int) -> list[Any]:
    layers: list[Any] = []
    head = config.head
    widths = (*head.units, classes)
    for index, width in enumerate(widths):
        last = index == len(widths) - 1
        name = "probabilities" if last else f"dense_{index + 1}"
        if head.dropout > 0:
            layers.append(keras.layers.Dropout(head.dropout, seed=derive_seed(seed, "dropout", index), name=f"dropout_{index + 1}"))
        layers.append(
            keras.layers.Dense(
                width,
                activation="softmax" if last else "relu",
                kernel_initializer=_initializer(derive_seed(seed, "dense", index), last=last, pretrained=is_pretrained(config)),
                dtype="float32" if last else None,
                name=name,
            )
        )
    return layers


def initial_head(config: ModelConfig, layers: Sequence[Any], *, seed: int) -> list[NDArray[np.float32]]:
    """The values of a head's weights at the start of a trial with this seed: kernel and bias of each dense layer.

    Args:
        config: As for `build_head`.
        layers: The dense layers.
        seed: The trial's seed.
    """
    values: list[NDArray[np.float32]] = []
    for index, layer in enumerate(layers):
        initializer = _initializer(derive_seed(seed, "dense", index), last=index == len(layers) - 1, pretrained=is_pretrained(config))
        values.append(np.asarray(initializer(layer.kernel.shape, dtype="float32")))
        values.append(np.zeros(layer.bias.shape, np.float32))
    return values


def _initializer(seed: int, *, last: bool, pretrained: bool) -> Any:
    if not last:
        return keras.initializers.HeNormal(seed=seed)
    return keras.initializers.Zeros() if pretrained else keras.initializers.GlorotUniform(seed=seed)
