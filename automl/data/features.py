"""Features of frozen backbones: what the part that does not train makes of each picture, computed once and mapped by every worker.

A set is found by what decides its numbers, see `FeatureKey`. Whatever the disk does, the numbers are the same: what cannot
be kept there is kept in memory. All sets together stay below `features_limit`; the longest unused make room for new ones.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
from numpy.typing import NDArray

from automl.data import disk
from automl.data.cache import cache_dir
from automl.errors import DataError

Blocks = Callable[[], Iterator[NDArray[np.float32]]]
"""Computes all rows anew, in order, as blocks of shape (some rows, width)."""
Precision = Literal["float32", "float16"]

LIMIT_VARIABLE = "AUTOML_FEATURES_GB"
LARGEST_HALF = 6e4
"""Values from here on, which float16 may not hold, make a set float32."""

MEMORY_SHARE = 0.5
"""Of the free memory, for one set that cannot be kept on disk."""

_VERSION = 2
_ROWS, _DESCRIPTION = "rows", "description.json"


@dataclass(frozen=True)
class FeatureKey:
    """All that decides the numbers of a set, and what `automl cache list` says about it.

    Attributes:
        pictures: Digest of the pictures of this side, and how many there are.
        side: train, validation or test.
        backbone: Name and arguments, for example "MobileNet alpha=0.25".
        image_size: Side in pixels.
        resize: How a picture became square.
        boundary: Where the frozen part ends, for example "output, avg" or "unfreeze 3".
        views: The changes under which each picture was taken: "none", "flip horizontal", "8 at strength 0.5", "at strength 0.5, seed 0".
        epoch: Whose changes these are, where each epoch has its own; 0 where all have the same.
        weights: Digest of the frozen weights.
        computed_by: Versions, device and threads.
    """

    pictures: str
    side: str
    backbone: str
    image_size: int
    resize: str
    boundary: str
    views: str
    epoch: int
    weights: str
    computed_by: str

    def describe(self) -> str:
        """The set in a few words; those of several epochs in the same."""
        views = "" if self.views == "none" else f", {self.views}"
        return f"{self.side}, {self.backbone}, {self.boundary}, {self.image_size} px {self.resize}{views}"


def features_dir() -> Path:
    """The folder of all sets."""
    return cache_dir() / "features"


def describe_set(folder: Path) -> str:
    """The set in a folder in words."""
    described = disk.read_description(folder / _DESCRIPTION)
    if described is None:
        return "unfinished"
    try:
        shape = f"{described['rows']:,} rows of {described['width']:,} values, {described['dtype']}"
        return f"{FeatureKey(**described['key']).describe()}; {shape}"
    except (KeyError, TypeError, ValueError):
        return "written by another version"


def given_limit() -> int | None:
    """The bytes that `AUTOML_FEATURES_GB` allows; None where it is not set.

    Raises:
        DataError: The variable holds something else than a number.
    """
    given = os.environ.get(LIMIT_VARIABLE, "")
    if not given:
        return None
    with contextlib.suppress(ValueError, OverflowError):
        if float(given) >= 0:
            return int(float(given) * 1e9)
    raise DataError(f"{LIMIT_VARIABLE}: expected a number of gigabytes, 0 or more, but got {given!r}")


def features_limit() -> int:
    """The bytes that all sets together may take.

    What `AUTOML_FEATURES_GB` allows, else a tenth of the disk, but at most half of what would be free on it without them.

    Raises:
        DataError: The variable holds something else than a number.
    """
    given = given_limit()
    if given is not None:
        return given
    total, free = disk.disk_usage(features_dir())
    return min(total // 10, (free + _used()) // 2)


def ensure_features(
    key: FeatureKey,
    *,
    rows: int,
    width: int,
    dtype: Precision,
    blocks: Blocks,
    only_on_disk: bool = False,
    waiting: Callable[[], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> NDArray[Any] | None:
    """The features of this key, mapped from the disk and computed first if need be.

    Args:
        rows: How many there are.
        width: Values in a row.
        dtype: float16 takes half the room; a set with a value of `LARGEST_HALF` or more becomes float32 all the same.
        blocks: Computes them; its own errors are not touched and leave nothing behind.
        only_on_disk: Whether to do without them rather than to take memory.
        waiting: Called about once a second while another process computes the same.
        notice: Told, once, why the features are not kept on disk; not where they are wanted there alone.

    Returns:
        Shape (rows, width), read-only, in memory if they cannot be kept on disk. None if they can be kept neither there nor, where
        that is wanted, in `MEMORY_SHARE` of the free memory.

    Raises:
        ValueError: The blocks have another width or number of rows.
        DataError: `AUTOML_FEATURES_GB` is not a number.
    """
    wanted = _Set(key, rows, width, dtype)
    found = wanted.open()
    if found is not None:
        return found
    try:
        return wanted.build(blocks, waiting)
    except _DiskError as error:
        reason = str(error)
    if only_on_disk:
        return None
    needed, available = wanted.bytes("float32"), psutil.virtual_memory().available
    fits = needed <= MEMORY_SHARE * available
    if notice:
        place = "in memory instead of on disk" if fits else f"neither on disk nor in memory, of which {disk.in_bytes(available)} are free"
        notice(f"features are kept {place} ({key.describe()}; {disk.in_bytes(needed)}): {reason}")
    return wanted.compute(blocks) if fits else None


class _DiskError(Exception):
    """Why a set cannot be kept on disk."""


class _RangeError(Exception):
    """A value that float16 may not hold."""


@dataclass(frozen=True)
class _Set:
    key: FeatureKey
    rows: int
    width: int
    dtype: Precision

    @property
    def folder(self) -> Path:
        named = {"version": _VERSION, "key": asdict(self.key), "rows": self.rows, "width": self.width, "dtype": self.dtype}
        text = json.dumps(named, sort_keys=True, separators=(",", ":"))
        return features_dir() / hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def data(self) -> Path:
        return self.folder / _ROWS

    @property
    def description(self) -> Path:
        return self.folder / _DESCRIPTION

    def bytes(self, dtype: Precision) -> int:
        return self.rows * self.width * np.dtype(dtype).itemsize

    def open(self) -> NDArray[Any] | None:
        """The rows if they are there and whole."""
        described = disk.read_description(self.description) or {}
        dtype = described.get("dtype")
        if described.get("version") != _VERSION or dtype not in ("float32", "float16"):
            return None
        try:
            is_whole = self.data.stat().st_size == self.bytes(dtype) and described.get("sample") == disk.sample(self.data)
            mapped = np.memmap(self.data, dtype, "r", shape=(self.rows, self.width)) if is_whole else None
        except (OSError, ValueError):  # deleted or replaced meanwhile
            return None
        disk.touch(self.description)
        return mapped

    def build(self, blocks: Blocks, waiting: Callable[[], None] | None) -> NDArray[Any]:
        """Compute and keep the rows, unless another process does so first."""
        with _on_disk():
            disk.make_folder(self.folder)
        with disk.locked(self.folder, waiting):
            found = self.open()
            if found is not None:
                return found
            with _on_disk():
                disk.clear_files(self.folder)
            try:
                self._fill(blocks, self.dtype)
            except _RangeError:
                self._fill(blocks, "float32")
            found = self.open()
        if found is None:
            raise _DiskError(f"{self.folder} does not give back what was written")
        return found

    def compute(self, blocks: Blocks) -> NDArray[Any]:
        """The rows in memory."""
        try:
            return self._collect(blocks, self.dtype)
        except _RangeError:
            return self._collect(blocks, "float32")

    def _fill(self, blocks: Blocks, dtype: Precision) -> None:
        with self._reserved(self.bytes(dtype)) as (handle, temporary):
            for row, block in self._converted(blocks, dtype):
                with _on_disk():
                    disk.write(handle, block, row * self.width * block.itemsize)
            described = {"version": _VERSION, "key": asdict(self.key), "rows": self.rows, "width": self.width, "dtype": dtype}
            with _on_disk():
                disk.publish(handle, temporary, self.data, self.description, described)

    def _collect(self, blocks: Blocks, dtype: Precision) -> NDArray[Any]:
        found = np.empty((self.rows, self.width), dtype)
        for row, block in self._converted(blocks, dtype):
            found[row : row + len(block)] = block
        found.flags.writeable = False
        return found

    def _converted(self, blocks: Blocks, dtype: Precision) -> Iterator[tuple[int, NDArray[Any]]]:
        """Each block with the number of its first row.

        Raises:
            _RangeError: float16 may not hold a value.
        """
        row = 0
        for block in blocks():
            if block.ndim != 2 or block.shape[1] != self.width or row + len(block) > self.rows:
                raise ValueError(f"expected {self.rows} rows of {self.width} values, but got a block {block.shape} at row {row}")
            if dtype == "float16" and not np.all(np.abs(block) < LARGEST_HALF):
                raise _RangeError
            yield row, np.asarray(block, dtype)
            row += len(block)
        if row != self.rows:
            raise ValueError(f"expected {self.rows} rows, but got {row}")

    @contextlib.contextmanager
    def _reserved(self, length: int) -> Iterator[tuple[int, Path]]:
        """An unfinished file of this length; nothing is left of it if it was not published."""
        with _on_disk():
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=disk.TEMPORARY)
        try:
            # One process at a time makes room and takes it, so that two together do not exceed the limit.
            with _on_disk(), disk.locked(features_dir()):
                _make_room(length, self.folder)
                disk.allocate(handle, length)
            yield handle, Path(name)
        finally:
            os.close(handle)
            if not self.description.exists():
                with contextlib.suppress(OSError):
                    disk.clear_files(self.folder)


def _make_room(length: int, folder: Path) -> None:
    """Delete the longest unused sets until one of this length fits into the limit and onto the disk.

    Raises:
        _DiskError: It does not fit.
    """
    limit = features_limit()
    if length > limit:
        raise _DiskError(f"all such sets together may take {disk.in_bytes(limit)}; {LIMIT_VARIABLE} sets another limit")
    others = [kept for kept in disk.list_kept(features_dir()) if kept.folder != folder]
    used = sum(kept.bytes for kept in others)
    for kept in others:
        if used + length <= limit and length <= _free():
            return
        used -= kept.clear()
    if used + length > limit:
        raise _DiskError(f"sets that are being computed leave too little of {disk.in_bytes(limit)}; {LIMIT_VARIABLE} sets another limit")
    if length > _free():
        raise _DiskError(f"{disk.in_bytes(_free())} are free in {features_dir()}; AUTOML_CACHE_DIR names a folder on another disk")


def _free() -> int:
    return disk.free_bytes(features_dir())


def _used() -> int:
    return sum(kept.bytes for kept in disk.list_kept(features_dir()))


@contextlib.contextmanager
def _on_disk() -> Iterator[None]:
    """Turns what the file system refuses into a reason to do without it."""
    try:
        yield
    except OSError as error:
        hint = "AUTOML_CACHE_DIR names another folder for the cache"
        raise _DiskError(f"{features_dir()} cannot be written: {error.strerror or error}; {hint}") from error
