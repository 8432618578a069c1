"""Large files of the cache: reserved before they are filled, valid once described, one writer at a time, and removed again.

Each lies in a folder of its own with a `lock` and a description in JSON. A reader takes no lock: it trusts a file whose
description is there and whose length is right.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from automl.records import write_atomically

TEMPORARY = ".building-"
"""How the names of unfinished files begin."""

_LOCK = "lock"
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_WAITING_SECONDS = 1.0


def make_folder(folder: Path) -> None:
    """Make a folder with its lock's file; raises OSError where neither it nor a file in it can be written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _LOCK).touch()


@contextlib.contextmanager
def locked(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process that holds it; `waiting` is called about once a second until then."""
    lock = FileLock(folder / _LOCK)
    seconds = 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            if waiting:
                waiting()
            seconds = _WAITING_SECONDS
    try:
        yield
    finally:
        lock.release()


def allocate(handle: int, length: int) -> None:
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
        write(handle, np.frombuffer(zeros[: length - offset], np.uint8), offset)


def write(handle: int, values: NDArray[Any], offset: int) -> None:
    """Write all bytes of an array at an offset, without moving the file's position."""
    data = memoryview(values.tobytes())
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written


def publish(handle: int, temporary: Path, data: Path, description: Path, described: Mapping[str, Any]) -> None:
    """Give a filled file its name. The description makes it valid, so the old one goes first and the new one comes last."""
    os.fsync(handle)
    description.unlink(missing_ok=True)
    os.chmod(temporary, 0o644)
    os.replace(temporary, data)
    write_atomically(description, json.dumps({**described, "sample": sample(data)}))


def read_description(path: Path) -> dict[str, Any] | None:
    """What `publish` wrote; None where there is nothing or something else."""
    try:
        described = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return described if isinstance(described, dict) else None


def sample(path: Path) -> str:
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


def touch(description: Path) -> None:
    """Remember that a file was used just now, where the cache may be written."""
    with contextlib.suppress(OSError):
        os.utime(description)


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def disk_usage(path: Path) -> tuple[int, int]:
    """Bytes in all and bytes free where a path lies or would lie."""
    while not path.exists() and path != path.parent:
        path = path.parent
    usage = shutil.disk_usage(path)
    return usage.total, usage.free


def free_bytes(path: Path) -> int:
    """Free bytes where a path lies or would lie."""
    return disk_usage(path)[1]


def in_bytes(count: int) -> str:
    """A size as messages say it."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.1f} kB"


@dataclass(frozen=True)
class Kept:
    """A folder of the cache with its files.

    Attributes:
        bytes: Of all its files together, unfinished ones included.
        last_used: In seconds since the epoch.
    """

    folder: Path
    bytes: int
    last_used: float

    def clear(self) -> int:
        """Delete what the folder holds, unless it is being built; returns the bytes freed, 0 where nothing could be deleted.

        What another process has mapped stays readable there: its disk space is freed when it lets go. The lock's file
        stays, because whoever waits for it has it open.
        """
        with contextlib.suppress(OSError, Timeout), FileLock(self.folder / _LOCK).acquire(timeout=0):
            clear_files(self.folder)
            return self.bytes
        return 0


def clear_files(folder: Path) -> None:
    """Delete all files but the lock, descriptions first; for whoever holds it."""
    for path in sorted(_files(folder), key=lambda path: path.suffix != ".json"):
        path.unlink(missing_ok=True)


def list_kept(parent: Path) -> list[Kept]:
    """What the folders below `parent` hold, the longest unused first."""
    found = []
    folders = [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    for folder in folders:
        states = [state for path in _files(folder) if (state := _state(path)) is not None]
        if states:
            found.append(Kept(folder, sum(state.st_size for state in states), max(state.st_mtime for state in states)))
    return sorted(found, key=lambda kept: kept.last_used)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != _LOCK]


def _state(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # renamed or deleted since it was listed
        return None
