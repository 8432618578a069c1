"""Random changes to training pictures: one dial for the strength, one pass over the places and one over the colours.

Each picture draws its own values in every epoch. They become one affine map of places and one linear map of colours, so
ten kinds of change cost as much as two. Every constant is the largest change at strength 1; at strength s it is s times that.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.models.seeds import derive_seed

Pixels = NDArray[Any]

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


def draw(count: int, *, seed: int, epoch: int) -> NDArray[np.float32]:
    """What changes each of `count` pictures in one epoch, counted from 1: (count, draws), uniform from -1 to 1.

    The values follow from the seed, the epoch and the picture's place alone, not from the batches that it comes in.
    """
    random = np.random.default_rng([derive_seed(seed, "augment"), epoch])
    return random.uniform(-1.0, 1.0, (count, len(DRAWS))).astype(np.float32)


def mirror(pixels: Pixels, draws: NDArray[np.float32], flip: str) -> Pixels:
    """Pictures (n, height, width, 3), each mirrored as its draws and `flip` say; a copy of the same type."""
    changed = pixels.copy()
    for axis, is_mirrored in zip((1, 0), is_mirrored_along(draws, flip), strict=True):
        for index in np.flatnonzero(is_mirrored):
            changed[index] = np.flip(changed[index], axis)
    return changed


def is_mirrored_along(draws: NDArray[np.float32], flip: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pictures are mirrored left to right, and which upside down: two of (n,)."""
    names = dict(zip(DRAWS, draws.T, strict=True))
    never = np.zeros(len(draws), np.bool_)
    left_right = names["mirror_x"] < 0 if flip in ("horizontal", "both") else never
    upside_down = names["mirror_y"] < 0 if flip in ("vertical", "both") else never
    return left_right, upside_down


def augment(pixels: Any, draws: Any, strength: Any, flip: str) -> Any:
    """Pictures, each changed as its draws say. What a rotation, a shift or a zoom uncovers is filled by mirroring.

    Args:
        pixels: (n, height, width, 3) from 0 to 255, of any type.
        draws: float32 (n, draws), as `draw` gives them.
        strength: Scales all but the mirroring; may be a tensor, so that another strength needs no other trace.
        flip: What is mirrored.

    Returns:
        float32 from 0 to 255, the same shape.
    """
    strength = tf.cast(strength, tf.float32)
    named = dict(zip(DRAWS, tf.unstack(tf.cast(draws, tf.float32), len(DRAWS), axis=-1), strict=True))
    resampled = _compiled(resample)(pixels, place_maps(named, strength, flip))
    return _compiled(recolour)(resampled, *colour_maps(named, strength))


# --- the maps that follow from what is drawn -------------------------------------------------------------------------


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
    """The function as one XLA program, compiled once per process and shape of a block of pictures.

    On a CPU that takes a sixth of the time of TensorFlow's operations one by one, each of which writes and reads all
    pixels. Resampling and recolouring are programs of their own, because XLA would read each place once for every channel
    that it is mixed into. On a GPU the operations are fast by themselves, and XLA would need CUDA's compiler there, which
    is often missing.
    """
    has_gpu = bool(tf.config.get_visible_devices("GPU"))
    return tf.function(function, jit_compile=None if has_gpu else True)  # type: ignore[no-any-return]
