"""Each odd kind of picture gives the pixels that a person sees."""

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl.data import decoder, read_picture
from automl.errors import DataError

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flat(mode: str, colour: object, side: int = 8) -> Image.Image:
    return Image.new(mode, (side, side), colour)  # type: ignore[arg-type]


def deep(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values), "TIFF")


def palette_with_transparency() -> bytes:
    image = flat("P", 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((0, 0), 0)
    return encoded(image, "PNG", transparency=0)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(encoded(flat("RGB", (10, 20, 30)), "PNG"), (10, 20, 30), id="png"),
        pytest.param(encoded(flat("RGB", (10, 20, 30)), "BMP"), (10, 20, 30), id="bmp"),
        pytest.param(encoded(flat("RGB", (10, 20, 30)), "TIFF"), (10, 20, 30), id="tiff"),
        pytest.param(encoded(flat("RGB", (10, 20, 30)), "PPM"), (10, 20, 30), id="ppm"),
        pytest.param(encoded(flat("RGB", (10, 20, 30)), "WEBP", lossless=True), (10, 20, 30), id="webp"),
        pytest.param(encoded(flat("RGB", (80, 80, 80)), "JPEG"), (80, 80, 80), id="jpeg"),
        pytest.param(encoded(flat("L", 77), "PNG"), (77, 77, 77), id="gray"),
        pytest.param(encoded(flat("1", 1), "PNG"), WHITE, id="one bit"),
        pytest.param(encoded(flat("LA", (0, 0)), "PNG"), WHITE, id="gray, clear"),
        pytest.param(encoded(flat("RGBA", (255, 0, 0, 255)), "PNG"), RED, id="rgba, opaque"),
        pytest.param(encoded(flat("RGBA", (0, 0, 0, 0)), "PNG"), WHITE, id="rgba, clear"),
        pytest.param(encoded(flat("RGBA", (255, 0, 0, 51)), "PNG"), (255, 204, 204), id="rgba, a fifth"),
        pytest.param(encoded(flat("RGB", RED), "PNG", transparency=RED), WHITE, id="rgb with a transparent colour"),
        pytest.param(encoded(flat("L", 9), "PNG", transparency=9), WHITE, id="gray with a transparent level"),
        pytest.param(encoded(flat("CMYK", (0, 255, 255, 0)), "TIFF"), RED, id="cmyk tiff"),
        pytest.param(encoded(flat("I;16", 257 * 100), "PNG"), (100, 100, 100), id="16 bit png"),
        pytest.param(deep(np.full((8, 8), 65535, np.uint16)), WHITE, id="16 bit tiff"),
        pytest.param(deep(np.full((8, 8), 257 * 100, np.int32)), (100, 100, 100), id="16 bit values in 32"),
        pytest.param(deep(np.full((8, 8), 1.0, np.float32)), WHITE, id="float to 1"),
        pytest.param(deep(np.full((8, 8), 100.0, np.float32)), (100, 100, 100), id="float to 255"),
        pytest.param(np.full((5, 4), 9, np.uint8), (9, 9, 9), id="array, gray"),
        pytest.param(np.full((5, 4, 1), 9, np.uint8), (9, 9, 9), id="array, one channel"),
        pytest.param(np.zeros((5, 4, 4), np.uint8), WHITE, id="array, alpha"),
        pytest.param(flat("RGB", RED), RED, id="Pillow image"),
    ],
)
def test_flat_picture(content: bytes | np.ndarray | Image.Image, expected: tuple[int, int, int]) -> None:
    pixels = read_picture(content, size=8)

    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_deep_pixels_keep_their_range() -> None:
    ramp = np.linspace(-1e6, 1e6, 64).reshape(8, 8).astype(np.int32)

    pixels = read_picture(deep(ramp), size=8)

    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.all(np.diff(pixels[:, :, 0].ravel().astype(int)) > 0)


def test_sixteen_bits_big_endian() -> None:
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 0, 65535))

    assert read_picture(image, size=2)[0, :, 0].tolist() == [0, 255]


def test_palette_transparency_goes_onto_white() -> None:
    pixels = read_picture(palette_with_transparency(), size=8)

    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[7, 7].tolist() == [255, 0, 0]


def test_gif_gives_its_first_frame() -> None:
    content = encoded(flat("RGB", RED), "GIF", save_all=True, append_images=[flat("RGB", (0, 0, 255))])

    assert read_picture(content, size=8)[4, 4].tolist() == [255, 0, 0]


def test_cmyk_jpeg_with_and_without_adobe_marker() -> None:
    """Adobe's kind stores inverted inks, which is what Pillow writes; without the marker the inks are as they are."""
    adobe = encoded(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=100)
    start = adobe.index(b"\xff\xee")
    length = struct.unpack(">H", adobe[start + 2 : start + 4])[0]
    plain = adobe[:start] + adobe[start + 2 + length :]

    assert np.abs(read_picture(adobe, size=8).astype(int) - RED).max() <= 3
    # Stored inks 255, 0, 0, 255: full black.
    assert read_picture(plain, size=8).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(kind: str, orientation: int) -> None:
    upright = Image.new("L", (32, 16), 0).convert("RGB")
    upright.paste((255, 255, 255), (0, 0, 8, 8))
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation

    decoded = decoder.decode(encoded(stored, kind, exif=exif))

    assert (decoded.width, decoded.height) == (32, 16)
    pixels = np.asarray(decoded.image.convert("L")).astype(int)
    assert pixels[2, 2] > 240
    assert max(pixels[2, 29], pixels[13, 2], pixels[13, 29]) < 15


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(40, 20), (20, 40), (1, 300), (8, 8)])
def test_result_is_square(resize: str, shape: tuple[int, int]) -> None:
    assert read_picture(np.zeros((*shape, 3), np.uint8), size=16, resize=resize).shape == (16, 16, 3)


def test_stretch_crop_and_pad_treat_a_wide_picture_differently() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, :10], wide[:, 10:20], wide[:, 20:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)

    stretched, cropped, padded = (read_picture(wide, size=30, resize=resize) for resize in ("stretch", "crop", "pad"))

    assert stretched[15, 3].tolist() == [255, 0, 0]
    assert (cropped == (0, 255, 0)).all()
    assert (padded[10:20] == wide).all()
    assert padded[:10].max() == padded[20:].max() == 0


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255

    assert np.abs(read_picture(stripes, size=8).astype(int) - 127).max() <= 5


def truncated(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(pixels), kind)
    return data[: len(data) * 6 // 10]


def bomb(side: int = 30000) -> bytes:
    """A file of 60 bytes that says it holds so many pixels."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b""))
    packed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"  <!DOCTYPE html><title>404", "web page", id="web page"),
        pytest.param(b"just text", "not a picture in a known format", id="text"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture in a known format", id="PostScript"),
        pytest.param(bomb(), "178,956,970 pixels", id="bomb"),
        *(pytest.param(truncated(kind), "damaged", id=f"truncated {kind}") for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")),
        pytest.param(deep(np.full((8, 8), np.nan, np.float32)), "not numbers", id="NaN"),
        pytest.param(np.zeros((8, 8), np.float32), "uint8", id="float array"),
        pytest.param(np.zeros((8, 8, 2), np.uint8), r"\(8, 8, 2\)", id="two channels"),
        pytest.param(np.zeros((0, 8), np.uint8), r"\(0, 8\)", id="empty array"),
    ],
)
def test_unreadable_picture(content: bytes | np.ndarray, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_picture(content, size=8)


def test_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing")

    with pytest.raises(DataError, match=r"broken\.jpg cannot be used as a picture: not a picture"):
        read_picture(tmp_path / "broken.jpg", size=8)
    with pytest.raises(DataError, match=r"absent\.jpg cannot be read: No such file"):
        read_picture(tmp_path / "absent.jpg", size=8)


@pytest.mark.parametrize(
    ("size", "resize", "message"), [(0, "stretch", "image_size.*got 0"), (8, "squeeze", "stretch, crop, pad.*'squeeze'")]
)
def test_wrong_target(size: int, resize: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_picture(np.zeros((8, 8), np.uint8), size=size, resize=resize)


def test_decoders_write_nothing_to_stderr(tmp_path: Path) -> None:
    """Damaged TIFFs make libtiff and Pillow's logger speak; a palette with bytes as transparency makes Pillow warn."""
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for number, compression in enumerate(("raw", "tiff_lzw", "tiff_deflate", "jpeg", "packbits")):
        data = bytearray(encoded(pixels, "TIFF", compression=compression))
        (tmp_path / f"{number}-cut.tif").write_bytes(data[: len(data) // 2])
        data[200:400] = bytes(200)
        (tmp_path / f"{number}-wrong.tif").write_bytes(data)
        data[:120] = data[:8] + bytes(range(112))
        (tmp_path / f"{number}-header.tif").write_bytes(data)
    (tmp_path / "big.png").write_bytes(bomb(10000))
    program = """
import pathlib, sys
from automl.data import read_picture
from automl.errors import DataError
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        read_picture(path, size=8)
    except DataError:
        pass
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_quiet_decoders_restores_the_filters_after_overlapping_use() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with decoder.quiet_decoders():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    with decoder.quiet_decoders():
        thread.start()
        inside.wait(10)
    leave.set()
    thread.join()

    assert list(warnings.filters) == before
