"""The decoded pictures: one uint8 file per size and way of resizing, made once and mapped into memory by every worker.

A store belongs to a set of contents, not to a folder: it is found by the sorted digests of all distinct pictures, whose rank is
their row. So another search on the same pictures, or on a moved or relabelled folder, uses it again. Rows of unreadable
pictures are zero and are named in the description beside the data.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.data import disk
from automl.data.cache import cache_dir
from automl.data.decoder import Pixels, UnreadableError, decode, fit, quiet_decoders
from automl.data.pool import Progress, run
from automl.errors import DataError

Read = Callable[[str], bytes | np.ndarray[Any, Any]]
"""Gives the content that has a digest; raises DataError, never OSError, which here means the cache's own disk."""

_VERSION = 1
"""Raised when the decoder gives other pixels for the same file."""


@dataclass(frozen=True, order=True)
class Shape:
    """What distinguishes the stores of one set of pictures."""

    size: int
    resize: str

    @property
    def row_bytes(self) -> int:
        """Bytes of one picture."""
        return self.size * self.size * 3

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return f"{self.size}-{self.resize}"


def stores_dir() -> Path:
    """The folder of all stores."""
    return cache_dir() / "stores"


def describe_stores(folder: Path) -> str:
    """The stores in a folder in words: how many pictures, in which shapes."""
    found = [described for path in sorted(folder.glob("*.json")) if (described := disk.read_description(path)) is not None]
    try:
        shapes = sorted(Shape(int(described["size"]), str(described["resize"])) for described in found)
        texts = [f"{shape.size} px {shape.resize}" for shape in shapes]
        return f"{max(described['rows'] for described in found):,} pictures at {', '.join(texts)}"
    except (KeyError, TypeError, ValueError):
        return "unfinished" if not found else "written by another version"


@dataclass(frozen=True)
class Stores:
    """The stores of one set of pictures.

    Attributes:
        digests: Of all distinct pictures, sorted; a picture's row is its digest's place here.
    """

    digests: tuple[str, ...]

    @classmethod
    def of(cls, digests: set[str]) -> "Stores":
        """The stores of these contents, in whatever order they come."""
        return cls(tuple(sorted(digests)))

    @property
    def folder(self) -> Path:
        """Where they lie in the cache."""
        state = hashlib.blake2b(f"store {_VERSION}\n".encode(), digest_size=16)
        state.update("".join(self.digests).encode())
        return stores_dir() / state.hexdigest()

    def bytes(self, shapes: Sequence[Shape]) -> int:
        """Size on disk of the stores of these shapes together."""
        return sum(shape.row_bytes for shape in set(shapes)) * len(self.digests)

    def open(self, shape: Shape) -> Pixels | None:
        """The pictures (rows, size, size, 3), mapped read-only; None if the store is missing or has the wrong length."""
        if _describe(self, shape) is None:
            return None
        try:
            mapped = np.memmap(self._data(shape), np.uint8, "r", shape=(len(self.digests), shape.size, shape.size, 3))
        except (OSError, ValueError):
            return None
        disk.touch(self._description(shape))
        return mapped

    def ensure(
        self, shapes: Sequence[Shape], read: Read, progress: Progress | None = None, skip: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Build the stores that are missing or damaged, decoding each picture once for all of them.

        Args:
            read: Gives a picture's content by its digest.
            skip: Digests that are known to be unreadable, with the reason; they are not read.

        Returns:
            The reason by digest of each picture that cannot be decoded.

        Raises:
            DataError: The disk is full or not writable, or a picture vanished or changed.
        """
        wanted = sorted(set(shapes))
        folder = self.folder
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with disk.locked(folder, lambda: progress("waiting", 0, 1) if progress else None):
                for leftover in folder.glob(f"{disk.TEMPORARY}*"):
                    leftover.unlink(missing_ok=True)
                missing = [shape for shape in wanted if not self._is_whole(shape)]
                if missing:
                    self._check_space(missing)
                    _Build(self, missing, read, dict(skip or {})).run(progress)
        described = _describe(self, wanted[0])
        if described is None:
            raise DataError(f"{folder} was cleared while it was being filled; run again")
        unreadable: dict[str, str] = described["unreadable"]
        return unreadable

    def _data(self, shape: Shape) -> Path:
        return self.folder / f"{shape.name}.u8"

    def _description(self, shape: Shape) -> Path:
        return self.folder / f"{shape.name}.json"

    def _is_whole(self, shape: Shape) -> bool:
        described = _describe(self, shape)
        return described is not None and described.get("sample") == disk.sample(self._data(shape))

    def _check_space(self, shapes: Sequence[Shape]) -> None:
        needed, free = self.bytes(shapes), disk.free_bytes(self.folder)
        if needed > free:
            raise DataError(_no_space(self.folder, needed, free))


class _Build:
    """One run over the pictures that fills several stores at once; nothing stands under its final name before all is written."""

    def __init__(self, stores: Stores, shapes: Sequence[Shape], read: Read, skip: Mapping[str, str]) -> None:
        self.stores = stores
        self.shapes = shapes
        self.read = read
        self.unreadable = dict(skip)
        self.handles: dict[Shape, int] = {}
        self.temporary: dict[Shape, Path] = {}

    def run(self, progress: Progress | None) -> None:
        try:
            for shape in self.shapes:
                handle, name = tempfile.mkstemp(dir=self.stores.folder, prefix=disk.TEMPORARY)
                self.handles[shape], self.temporary[shape] = handle, Path(name)
                disk.allocate(handle, shape.row_bytes * len(self.stores.digests))
            rows = [row for row, key in enumerate(self.stores.digests) if key not in self.unreadable]
            with quiet_decoders():
                for row, reason in zip(rows, run(self._one, rows, "decode", progress), strict=True):
                    if reason is not None:
                        self.unreadable[self.stores.digests[row]] = reason
            for shape in self.shapes:
                self._finish(shape)
        finally:
            for handle in self.handles.values():
                os.close(handle)
            for path in self.temporary.values():
                path.unlink(missing_ok=True)

    def _one(self, row: int) -> str | None:
        key = self.stores.digests[row]
        content = self.read(key)
        try:
            picture = decode(content)
        except UnreadableError as error:
            return str(error)
        except MemoryError as error:
            raise DataError("too little memory to decode one of the pictures; close other programs or remove huge pictures") from error
        for shape in self.shapes:
            disk.write(self.handles[shape], fit(picture.image, shape.size, shape.resize), row * shape.row_bytes)
        return None

    def _finish(self, shape: Shape) -> None:
        stores = self.stores
        described = {
            "version": _VERSION,
            "rows": len(stores.digests),
            "size": shape.size,
            "resize": shape.resize,
            "unreadable": self.unreadable,
        }
        disk.publish(self.handles[shape], self.temporary[shape], stores._data(shape), stores._description(shape), described)


def _describe(stores: Stores, shape: Shape) -> dict[str, Any] | None:
    """The description of a store whose data has the right length."""
    described = disk.read_description(stores._description(shape)) or {}
    try:
        length = stores._data(shape).stat().st_size
    except OSError:
        return None
    fits = described.get("version") == _VERSION and isinstance(described.get("unreadable"), dict)
    return described if fits and length == shape.row_bytes * len(stores.digests) else None


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if disk.is_full(error):
            raise DataError(_no_space(folder, None, disk.disk_usage(folder)[1])) from error
        reason = error.strerror or error
        raise DataError(f"{folder} cannot be written: {reason}; AUTOML_CACHE_DIR names another folder for the cache") from error


def _no_space(folder: Path, needed: int | None, free: int) -> str:
    wanted = "the decoded pictures do not fit" if needed is None else f"the decoded pictures need {disk.in_bytes(needed)}"
    return (
        f"{wanted}, but {disk.in_bytes(free)} are free in {folder}; free some space, choose fewer or smaller image sizes, "
        "or let AUTOML_CACHE_DIR name a folder on another disk"
    )
