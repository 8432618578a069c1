"""The small convolutional network that is trained from scratch: the backbone named `cnn`."""

from typing import Any

import keras

from automl.errors import BuildError


def cnn(*, input_tensor: Any, blocks: int = 3, filters: int = 32) -> Any:
    """Blocks of two 3x3 convolutions, each with BatchNormalization and ReLU, and a 2x2 max pooling.

    Args:
        input_tensor: A Keras tensor of shape (n, size, size, 3).
        blocks: Each halves the resolution.
        filters: Channels of the first block; every further block has twice as many as the one before.

    Raises:
        BuildError: The pictures are too small to be halved so often.
    """
    size = int(input_tensor.shape[1])
    if size >> blocks < 1:
        most = size.bit_length() - 1
        raise BuildError(
            f"model.backbone: cnn halves the picture once a block, so at {size} px blocks must be at most {most}, but got {blocks}; "
            "raise data.image_size or lower blocks"
        )
    x = input_tensor
    for block in range(1, blocks + 1):
        for convolution in (1, 2):
            name = f"block{block}_conv{convolution}"
            channels = filters * 2 ** (block - 1)
            x = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
            x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
            x = keras.layers.ReLU(name=f"{name}_relu")(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return keras.Model(input_tensor, x, name="backbone")
