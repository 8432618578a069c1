"""Random changes to training pictures: one dial for the strength, one pass over the places and one over the colours.

Each picture draws its own values at every step. They become one affine map of places and one linear map of colours, so
ten kinds of change cost as much as two. Every constant is the largest change at strength 1; at strength s it is s times that.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from automl.models.seeds import derive_seed
from automl.records import AugmentConfig

ROTATION = math.radians(30)
"""Angle to either side, in radians."""
ZOOM = math.log(1.4)
"""Logarithm of the factor by which a picture is reduced or enlarged."""
ASPECT = math.log(1.15)
"""Logarithm of the factor by which the width grows and the height shrinks, or the other way round."""
SHEAR = 0.15
"""Sideways shift of a row, as a share of its distance from the middle."""
SHIFT = 0.2
"""Shift along each axis, as a share of the side."""
BRIGHTNESS = 0.4
"""How far the factor of all pixels is from 1."""
CONTRAST = 0.4
"""How far the factor of the distance from middle grey is from 1."""
SATURATION = 0.4
"""How far the factor of the distance from the pixel's own grey is from 1."""
HUE = math.radians(15)
"""Turn of the colours about the grey axis to either side, in radians."""

DRAWS = (
    "mirror_x", "mirror_y", "rotation", "zoom", "aspect", "shear", "shift_x", "shift_y", "brightness", "contrast", "saturation", "hue",
)  # fmt: skip
"""What is drawn for each picture, uniformly from -1 to 1; of a mirroring only the sign counts."""

_MIDDLE_GREY = 127.5
_LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a pixel's grey (ITU-R BT.601)."""


def build_augmentation(config: AugmentConfig, *, seed: int) -> tuple[Any, ...]:
    """The augmentation layers, in order; none where nothing is to be changed.

    Each takes pixels (n, height, width, 3) from 0 to 255, gives them as float32 in the same range, and changes nothing
    outside training. What a rotation, a shift or a zoom uncovers is filled by mirroring.

    Args:
        config: `strength` scales all but the mirroring, which `flip` alone decides.
        seed: The trial's seed.
    """
    if config.strength == 0 and config.flip == "none":
        return ()
    return (Augmentation(config, seed=derive_seed(seed, "augment")),)


class Augmentation(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Changes each picture at random.

    Its `variables` are the state of its random generator and, where the strength is above 0, the strength, which may be
    assigned anew without another trace. At strength 0 it only mirrors.
    """

    def __init__(self, config: AugmentConfig, *, seed: int) -> None:
        # Also under a policy of half precision, whose few digits a pixel's 256 levels nearly use up.
        super().__init__(name="augmentation", dtype="float32")
        self.flip = config.flip
        self.generator = keras.random.SeedGenerator(seed)
        self.strength: Any = None
        if config.strength > 0:
            initial = keras.initializers.Constant(config.strength)
            self.strength = self.add_weight(shape=(), initializer=initial, trainable=False, name="strength")

    def call(self, pixels: Any, training: bool = False) -> Any:
        if not training:
            return tf.cast(pixels, tf.float32)
        draws = draw(tf.shape(pixels)[0], self.generator)
        if self.strength is None:
            return _compiled(mirror)(pixels, *mirror_signs(draws, self.flip))
        strength = tf.convert_to_tensor(self.strength)
        resampled = _compiled(resample)(pixels, place_maps(draws, strength, self.flip))
        return _compiled(recolour)(resampled, *colour_maps(draws, strength))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


# --- what is drawn, and the maps that follow from it -----------------------------------------------------------------


def draw(count: Any, generator: Any) -> dict[str, Any]:
    """New random values for `count` pictures: float32 (count,) under each name of `DRAWS`."""
    values = keras.random.uniform((len(DRAWS), count), -1.0, 1.0, dtype="float32", seed=generator)
    return dict(zip(DRAWS, tf.unstack(values), strict=True))


def mirror_signs(draws: Mapping[str, Any], flip: str) -> tuple[Any, Any]:
    """-1 where a picture is mirrored left to right, and upside down, else 1: two of float32 (n,)."""
    ones = tf.ones_like(draws["mirror_x"])
    x = tf.where(draws["mirror_x"] < 0, -ones, ones) if flip in ("horizontal", "both") else ones
    y = tf.where(draws["mirror_y"] < 0, -ones, ones) if flip in ("vertical", "both") else ones
    return x, y


def place_maps(draws: Mapping[str, Any], strength: Any, flip: str) -> Any:
    """Where each picture's pixels are read: float32 (n, 2, 3), for x and for y the factors of x and y and the shift.

    Places are measured from the middle of the picture, x to the right, y downwards; shifts are shares of the side.
    """
    mirrored_x, mirrored_y = mirror_signs(draws, flip)
    angle = strength * ROTATION * draws["rotation"]
    cosine, sine = tf.cos(angle), tf.sin(angle)
    shear = strength * SHEAR * draws["shear"]
    zoom, aspect = strength * ZOOM * draws["zoom"], strength * ASPECT * draws["aspect"]
    wide, high = mirrored_x * tf.exp(zoom - aspect), mirrored_y * tf.exp(zoom + aspect)
    shift_x, shift_y = strength * SHIFT * draws["shift_x"], strength * SHIFT * draws["shift_y"]
    rows = ((cosine * wide, (cosine * shear - sine) * high, shift_x), (sine * wide, (sine * shear + cosine) * high, shift_y))
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)


def colour_maps(draws: Mapping[str, Any], strength: Any) -> tuple[Any, Any]:
    """How each picture's colours change: float32 matrices (n, 3, 3), with a pixel on their left, and offsets (n, 1, 1).

    Saturation and hue leave grey as it is.
    """
    saturation, hue, contrast, brightness = (
        strength * largest * draws[name][:, None, None]
        for name, largest in (("saturation", SATURATION), ("hue", HUE), ("contrast", CONTRAST), ("brightness", BRIGHTNESS))
    )
    identity = tf.eye(3)
    saturated = identity + saturation * (identity - tf.constant(_LUMA)[:, None])
    # A turn about the axis of greys, by Rodrigues' formula.
    across = tf.constant([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]]) / math.sqrt(3)
    turned = identity + (1 - tf.cos(hue)) * (1 / 3 - identity) + tf.sin(hue) * across
    # Contrast before brightness: the other way round they drive more pixels to black and white.
    matrices = (1 + brightness) * (1 + contrast) * (saturated @ turned)
    return matrices, -(1 + brightness) * contrast * _MIDDLE_GREY


# --- the passes over the pixels --------------------------------------------------------------------------------------


def mirror(pixels: Any, sign_x: Any, sign_y: Any) -> Any:
    """Pixels (n, height, width, 3) mirrored where a sign is negative: float32, the same shape."""
    pixels = tf.cast(pixels, tf.float32)
    pixels = tf.where(sign_x[:, None, None, None] < 0, pixels[:, :, ::-1], pixels)
    return tf.where(sign_y[:, None, None, None] < 0, pixels[:, ::-1], pixels)


def resample(pixels: Any, places: Any) -> Any:
    """Pixels (n, height, width, 3) read between pixels where `place_maps` says: float32, the same shape.

    Bilinear; beyond the border lies the mirror image.
    """
    height, width = pixels.shape[1:3]
    flat = tf.reshape(pixels, (-1, height * width, 3))
    x = tf.range(width, dtype=tf.float32)[None, None, :] - (width - 1) / 2
    y = tf.range(height, dtype=tf.float32)[None, :, None] - (height - 1) / 2
    left, right, share_x = _neighbours(_along(places[:, 0], x, y, width), width)
    upper, lower, share_y = _neighbours(_along(places[:, 1], x, y, height), height)

    def read(row: Any, column: Any) -> Any:
        return tf.cast(tf.gather(flat, row * width + column, batch_dims=1), tf.float32)

    above = _between(read(upper, left), read(upper, right), share_x)
    below = _between(read(lower, left), read(lower, right), share_x)
    return _between(above, below, share_y)


def recolour(pixels: Any, matrices: Any, offsets: Any) -> Any:
    """Pixels (n, height, width, 3), float32, in the colours of `colour_maps`: from 0 to 255, the same shape."""
    factors = matrices[:, None, None]
    # Three products in place of a matrix product: XLA computes them in one go with the rest.
    mixed = sum(pixels[..., channel, None] * factors[..., channel, :] for channel in range(3))
    return tf.clip_by_value(mixed + offsets[..., None], 0.0, 255.0)


def _along(factors: Any, x: Any, y: Any, side: int) -> Any:
    """One coordinate of the places that are read, counted from the first pixel: (n, height, width)."""
    factors = factors[:, :, None, None]
    return factors[:, 0] * x + factors[:, 1] * y + (factors[:, 2] * side + (side - 1) / 2)


def _neighbours(place: Any, side: int) -> tuple[Any, Any, Any]:
    """The two pixels round a place, which is folded back once at either border, and the share of the second."""
    place = tf.abs(place + 0.5) - 0.5
    place = (side - 0.5) - tf.abs((side - 0.5) - place)
    place = tf.clip_by_value(place, 0.0, side - 1.0)
    first = tf.floor(place)
    second = tf.minimum(first + 1, side - 1.0)
    return tf.cast(first, tf.int32), tf.cast(second, tf.int32), (place - first)[..., None]


def _between(first: Any, second: Any, share: Any) -> Any:
    # In this form a share of 0 gives the first pixel to the last bit, so a picture that is only mirrored is exact.
    return first + share * (second - first)


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one XLA program, compiled once per process and shape of a batch.

    On a CPU that takes a sixth of the time of TensorFlow's operations one by one, each of which writes and reads all
    pixels. Resampling and recolouring are programs of their own, because XLA would read each place once for every channel
    that it is mixed into. On a GPU the operations are fast by themselves, and XLA would need CUDA's compiler there, which
    is often missing.
    """
    has_gpu = bool(tf.config.get_visible_devices("GPU"))
    return tf.function(function, jit_compile=None if has_gpu else True)  # type: ignore[no-any-return]
