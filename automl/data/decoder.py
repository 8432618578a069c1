"""The one way from a file's bytes to the uint8 pixels that a network sees; training, prediction and exports all use it.

Decoders are chosen by content, never by the file's name, and only from `FORMATS`: some of Pillow's other plug-ins start
foreign programs. Colour profiles are not applied.
"""

import contextlib
import ctypes
import importlib
import io
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from automl.errors import DataError

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
RESIZES = ("stretch", "crop", "pad")
MAX_PIXELS = 178_956_970
"""Pictures with more pixels than this are refused: decoding one takes over half a gigabyte for each thread."""

Pixels = npt.NDArray[np.uint8]
PictureSource = str | Path | bytes | np.ndarray[Any, Any] | Image.Image

# What Pillow's plug-ins are known to raise on damaged files; a MemoryError is about the machine and passes.
_DAMAGED = (
    OSError, SyntaxError, ValueError, ArithmeticError, LookupError, EOFError, RuntimeError, TypeError, AttributeError,
    AssertionError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Without a handler of its own, Pillow's log lines about odd files reach stderr through logging's last resort.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# libtiff writes to file descriptor 2 by itself; what it has to say comes as an exception as well.
with contextlib.suppress(OSError, AttributeError):
    _libtiff = ctypes.CDLL(importlib.import_module("PIL._imaging").__file__)
    _libtiff.TIFFSetErrorHandler(None)
    _libtiff.TIFFSetWarningHandler(None)


class UnreadableError(ValueError):
    """These bytes are no picture that can be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Decoded:
    """A picture as three 8-bit channels, upright, with what its file said about it.

    Attributes:
        width: Of the upright picture, in pixels; `height` likewise.
        format: Pillow's name of the file format; "array" for pixels that came from memory.
        mode: Pillow's name of the stored pixel type: L, RGB, P, CMYK, I;16, ...
    """

    image: Image.Image
    width: int
    height: int
    format: str
    mode: str


def read_picture(picture: PictureSource, *, size: int, resize: str = "stretch") -> Pixels:
    """Decode one picture and bring it to the shape that the networks take.

    Alpha goes onto white, 16 bit is scaled to 8, EXIF rotation is applied, of several frames the first is taken.

    Args:
        picture: A path, a file's bytes, a uint8 array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), or a Pillow image.
        size: Side of the result in pixels.
        resize: "stretch" ignores the proportions, "crop" takes the central square, "pad" puts black bars beside it.

    Returns:
        uint8 (size, size, 3).

    Raises:
        DataError: The picture cannot be read.
    """
    check_shape(size, resize)
    name = f"{picture}" if isinstance(picture, str | Path) else "the picture"
    try:
        with quiet_decoders():
            return fit(decode(_content(picture)).image, size, resize)
    except UnreadableError as error:
        raise DataError(f"{name} cannot be used as a picture: {error}") from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error


def check_shape(size: int, resize: str) -> None:
    """Refuse a target that is none.

    Raises:
        DataError: The size is not a positive number or `resize` is unknown.
    """
    if size < 1:
        raise DataError(f"image_size: expected a positive number of pixels, but got {size}")
    if resize not in RESIZES:
        raise DataError(f"resize: expected one of {', '.join(RESIZES)}, but got {resize!r}")


def _content(picture: PictureSource) -> bytes | np.ndarray[Any, Any] | Image.Image:
    return Path(picture).read_bytes() if isinstance(picture, str | Path) else picture


def decode(content: bytes | np.ndarray[Any, Any] | Image.Image) -> Decoded:
    """Turn a file's bytes, an array or an image into an upright picture of three 8-bit channels.

    Raises:
        UnreadableError: It cannot be decoded, is truncated, or has more than `MAX_PIXELS` pixels.
    """
    if isinstance(content, np.ndarray):
        image, format_name = _from_array(content), "array"
    elif isinstance(content, Image.Image):
        image, format_name = content, content.format or "array"
    else:
        image = _open(content)
        format_name = image.format or ""
    mode = image.mode
    try:
        image.load()
        upright = _upright(_rgb(image, format_name), image)
    except UnreadableError:
        raise
    except _DAMAGED as error:
        raise UnreadableError(f"{_kind(format_name)} is damaged: {_reason(error)}") from error
    return Decoded(upright, upright.width, upright.height, format_name, mode)


def fit(image: Image.Image, size: int, resize: str) -> Pixels:
    """Resize an RGB picture to (size, size, 3) by Pillow's bilinear filter, which is antialiased when it shrinks."""
    width, height = image.size
    target, corner = (size, size), (0, 0)
    if resize == "crop":
        short = min(width, height)
        left, top = (width - short) // 2, (height - short) // 2
        # Cut out first: given as a box to resize, its edges would take in what lies outside.
        image = image.crop((left, top, left + short, top + short))
    elif resize == "pad":
        scale = size / max(width, height)
        target = (max(1, round(width * scale)), max(1, round(height * scale)))
        corner = ((size - target[0]) // 2, (size - target[1]) // 2)
    resized = image.resize(target, Image.Resampling.BILINEAR)
    if target != (size, size):
        canvas = Image.new("RGB", (size, size))
        canvas.paste(resized, corner)
        resized = canvas
    return np.asarray(resized, np.uint8)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise UnreadableError("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"more than {MAX_PIXELS:,} pixels; such a file may be made to exhaust memory") from error
    except UnidentifiedImageError as error:
        raise UnreadableError(_unknown(data)) from error
    except _DAMAGED as error:
        raise UnreadableError(f"damaged header: {_reason(error)}") from error
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
    return image


def _unknown(data: bytes) -> str:
    if data[:256].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page, not a picture; the download probably failed"
    return "not a picture in a known format"


def _kind(format_name: str) -> str:
    return "the array" if format_name == "array" else f"the {format_name} file"


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _from_array(pixels: np.ndarray[Any, Any]) -> Image.Image:
    if pixels.dtype != np.uint8:
        raise UnreadableError(f"expected uint8 pixels from 0 to 255, but got {pixels.dtype}; scale and convert them first")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if 0 in pixels.shape or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise UnreadableError(f"expected shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), but got {pixels.shape}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _upright(image: Image.Image, original: Image.Image) -> Image.Image:
    # Read after load: PNG may hold it behind the pixels, and TIFF has then been turned already and forgets the tag.
    try:
        orientation = original.getexif().get(_ORIENTATION)
    except _DAMAGED:
        return image
    turn = _TRANSPOSE.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image, format_name: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "CMYK" and format_name in ("JPEG", "MPO") and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for Adobe's inverted kind; without Adobe's marker it is not.
        image = Image.fromarray(255 - np.asarray(image), "CMYK")
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image), image.mode)).convert("RGB")
    if image.has_transparency_data or image.mode in ("La", "RGBa", "PA"):
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, picture).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray[Any, Any], mode: str) -> Pixels:
    """Scale deep pixels to 0..255: 16 bit by its full range, others by the range that their values show."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise UnreadableError("the pixels hold values that are not numbers")
    if mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif mode == "F" and low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    scale = 255.0 / (high - low) if high > low else 0.0
    return np.rint((values.astype(np.float64) - low) * scale).astype(np.uint8)


_quiet_lock = threading.Lock()
_quiet_users = 0
_quiet_stack = contextlib.ExitStack()


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep Pillow's warnings about odd files away from stderr, for as long as any thread is inside.

    Python's warning filters belong to the process, so entering and leaving per thread would restore them out of order.
    """
    global _quiet_users, _quiet_stack
    with _quiet_lock:
        if _quiet_users == 0:
            _quiet_stack = contextlib.ExitStack()
            _quiet_stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
            warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        _quiet_users += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_users -= 1
            if _quiet_users == 0:
                _quiet_stack.close()
