"""What stands between the backbone's feature map and the probabilities."""

from typing import Any

import keras

from automl.models.seeds import derive_seed
from automl.records import HeadConfig, ModelConfig

_POOLING = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
}


def build_head(config: ModelConfig, *, classes: int, seed: int) -> tuple[Any, ...]:
    """The head's layers in order: pooling, then for each dense layer its dropout and itself; the last gives the probabilities.

    Args:
        config: `pooling` and `head` are read.
        classes: Width of the last layer, a float32 softmax named `probabilities`.
        seed: The trial's seed, from which initial weights and dropout follow.
    """
    return (_POOLING[config.pooling](name="pooling"), *_dense_layers(config.head, classes, seed))


def _dense_layers(head: HeadConfig, classes: int, seed: int) -> list[Any]:
    layers: list[Any] = []
    widths = (*head.units, classes)
    for index, width in enumerate(widths):
        last = index == len(widths) - 1
        name = "probabilities" if last else f"dense_{index + 1}"
        if head.dropout > 0:
            layers.append(keras.layers.Dropout(head.dropout, seed=derive_seed(seed, "dropout", index), name=f"dropout_{index + 1}"))
        initializer = keras.initializers.GlorotUniform if last else keras.initializers.HeNormal
        layers.append(
            keras.layers.Dense(
                width,
                activation="softmax" if last else "relu",
                kernel_initializer=initializer(seed=derive_seed(seed, "dense", index)),
                dtype="float32" if last else None,
                name=name,
            )
        )
    return layers
