"""The decoded pictures: one uint8 file per size and way of resizing, made once and mapped into memory by every worker.

A store belongs to a set of contents, not to a folder: it is found by the sorted digests of all distinct pictures, whose rank is
their row. So another search on the same pictures, or on a moved or relabelled folder, uses it again. Rows of unreadable
pictures are zero and are named in the description beside the data.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from automl.data.cache import cache_dir
from automl.data.decoder import Pixels, UnreadableError, decode, fit, quiet_decoders
from automl.data.pool import Progress, run
from automl.errors import DataError
from automl.records import write_atomically

Read = Callable[[str], bytes | np.ndarray[Any, Any]]
"""Gives the content that has a digest; raises DataError, never OSError, which here means the cache's own disk."""

_VERSION = 1
"""Raised when the decoder gives other pixels for the same file."""
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_TEMPORARY = ".building-"


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
        return cache_dir() / "stores" / state.hexdigest()

    def bytes(self, shapes: Sequence[Shape]) -> int:
        """Size on disk of the stores of these shapes together."""
        return sum(shape.row_bytes for shape in set(shapes)) * len(self.digests)

    def open(self, shape: Shape) -> Pixels | None:
        """The pictures (rows, size, size, 3), mapped read-only; None if the store is missing or has the wrong length."""
        if _describe(self, shape) is None:
            return None
        try:
            return np.memmap(self._data(shape), np.uint8, "r", shape=(len(self.digests), shape.size, shape.size, 3))
        except (OSError, ValueError):
            return None

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
            with _locked(folder / "lock", progress):
                for leftover in folder.glob(f"{_TEMPORARY}*"):
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
        return described is not None and described.get("sample") == _sample(self._data(shape))

    def _check_space(self, shapes: Sequence[Shape]) -> None:
        needed, free = self.bytes(shapes), shutil.disk_usage(self.folder).free
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
                handle, name = tempfile.mkstemp(dir=self.stores.folder, prefix=_TEMPORARY)
                self.handles[shape], self.temporary[shape] = handle, Path(name)
                _allocate(handle, shape.row_bytes * len(self.stores.digests))
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
            _write(self.handles[shape], fit(picture.image, shape.size, shape.resize), row * shape.row_bytes)
        return None

    def _finish(self, shape: Shape) -> None:
        os.fsync(self.handles[shape])
        stores = self.stores
        # The description makes a store valid, so the old one goes first and the new one comes last.
        stores._description(shape).unlink(missing_ok=True)
        os.chmod(self.temporary[shape], 0o644)
        os.replace(self.temporary[shape], stores._data(shape))
        described = {
            "version": _VERSION,
            "rows": len(stores.digests),
            "size": shape.size,
            "resize": shape.resize,
            "sample": _sample(stores._data(shape)),
            "unreadable": self.unreadable,
        }
        write_atomically(stores._description(shape), json.dumps(described))


def _describe(stores: Stores, shape: Shape) -> dict[str, Any] | None:
    """The description of a store whose data has the right length."""
    try:
        described = json.loads(stores._description(shape).read_bytes())
        length = stores._data(shape).stat().st_size
    except (OSError, ValueError):
        return None
    fits = isinstance(described, dict) and described.get("version") == _VERSION and isinstance(described.get("unreadable"), dict)
    return described if fits and length == shape.row_bytes * len(stores.digests) else None


def _sample(path: Path) -> str:
    """A digest of blocks spread over the file, first and last included: shows gross damage for the price of a few reads."""
    state = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            for block in range(_SAMPLES):
                file.seek(max(0, length - _SAMPLE_BYTES) * block // (_SAMPLES - 1))
                state.update(file.read(_SAMPLE_BYTES))
    except OSError:
        return ""
    return state.hexdigest()


def _allocate(handle: int, length: int) -> None:
    """Reserve the whole file, so that a full disk is an error here and not a crash where the file is mapped."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, length)
            return
        except OSError as error:
            # Some file systems (ZFS, some network ones) cannot reserve; there the zeros are written.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    zeros = bytes(1 << 20)
    for offset in range(0, length, len(zeros)):
        _write(handle, np.frombuffer(zeros[: length - offset], np.uint8), offset)


def _write(handle: int, pixels: Pixels, offset: int) -> None:
    data = memoryview(pixels.tobytes())
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written


@contextlib.contextmanager
def _locked(path: Path, progress: Progress | None) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            progress("waiting", 0, 1)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(_no_space(folder, None, shutil.disk_usage(folder).free)) from error
        reason = error.strerror or error
        raise DataError(f"{folder} cannot be written: {reason}; AUTOML_CACHE_DIR names another folder for the cache") from error


def _no_space(folder: Path, needed: int | None, free: int) -> str:
    wanted = "the decoded pictures do not fit" if needed is None else f"the decoded pictures need {_size(needed)}"
    return (
        f"{wanted}, but {_size(free)} are free in {folder}; free some space, choose fewer or smaller image sizes, "
        "or let AUTOML_CACHE_DIR name a folder on another disk"
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
