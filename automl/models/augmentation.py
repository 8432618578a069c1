"""Random changes to training pictures, as Keras layers on float pixels from 0 to 255."""

from typing import Any

import keras

from automl.models.seeds import derive_seed
from automl.records import AugmentConfig

ROTATION = 0.08
"""Of a full turn to either side at full strength: 29 degrees."""
ZOOM = 0.2
SHIFT = 0.1
BRIGHTNESS = 0.2
CONTRAST = 0.3

_FLIPS = {"horizontal": "horizontal", "vertical": "vertical", "both": "horizontal_and_vertical"}
_RANGE = (0, 255)


def build_augmentation(config: AugmentConfig, *, seed: int) -> tuple[Any, ...]:
    """The augmentation layers, in order; none where nothing is to be changed.

    Each takes and gives float pixels (n, size, size, 3) from 0 to 255 and does nothing outside training. What a rotation,
    a shift or a zoom uncovers is filled by mirroring.

    Args:
        config: `strength` scales all but the mirroring, which `flip` alone decides.
        seed: The trial's seed.
    """

    def named(name: str) -> dict[str, Any]:
        return {"name": f"augment_{name}", "seed": derive_seed(seed, "augment", name)}

    layers: list[Any] = []
    if config.flip != "none":
        layers.append(keras.layers.RandomFlip(_FLIPS[config.flip], **named("flip")))
    if config.strength > 0:
        strength = config.strength
        layers += [
            keras.layers.RandomRotation(strength * ROTATION, fill_mode="reflect", **named("rotation")),
            keras.layers.RandomZoom(strength * ZOOM, fill_mode="reflect", **named("zoom")),
            keras.layers.RandomTranslation(strength * SHIFT, strength * SHIFT, fill_mode="reflect", **named("shift")),
            keras.layers.RandomContrast(strength * CONTRAST, value_range=_RANGE, **named("contrast")),
            keras.layers.RandomBrightness(strength * BRIGHTNESS, value_range=_RANGE, **named("brightness")),
        ]
    return tuple(layers)
