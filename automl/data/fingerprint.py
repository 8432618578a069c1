"""Digests of what the pictures hold: what tells equal pictures, and changed data, apart from equal names."""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.data.pool import Progress, run
from automl.data.sources import Entry, Reader
from automl.data.sources.base import printable
from automl.errors import DataError

Stamp = tuple[int, int]
_DIGEST_BYTES = 16
_RACE_NANOSECONDS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Hashed:
    """An entry with the digest of its content.

    Attributes:
        stamp: Size and time of change that the file had before it was read; None for arrays.
        problem: Why it could not be read; then there is no digest.
    """

    entry: Entry
    digest: str
    stamp: Stamp | None
    problem: str | None = None


def digest(content: bytes | np.ndarray[Any, Any]) -> str:
    """32 hexadecimal digits of a file's bytes, or of an array's shape and pixels."""
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    if isinstance(content, np.ndarray):
        state.update(f"array {content.shape} {content.dtype}\n".encode())
        content = np.ascontiguousarray(content).tobytes()
    state.update(content)
    return state.hexdigest()


def hash_entries(
    entries: Sequence[Entry],
    reader: Reader,
    progress: Progress | None,
    known: Mapping[str, tuple[str, Stamp]] | None = None,
    known_since: int = 0,
) -> list[Hashed]:
    """The digests of all entries, in their order.

    Args:
        known: Digest and stamp by path from an earlier run; a file with the same stamp is not read again.
        known_since: When that run began, in nanoseconds since the epoch. A file that changed shortly before may have
            changed again within the clock's resolution, and is read.
    """
    earlier = known or {}

    def one(entry: Entry) -> Hashed:
        try:
            stamp = reader.stamp(entry.path)
            before = earlier.get(entry.path)
            if before and stamp == before[1] and is_settled(before[1], known_since):
                return Hashed(entry, before[0], stamp)
            return Hashed(entry, digest(reader.read(entry.path)), stamp)
        except OSError as error:
            return Hashed(entry, "", None, f"cannot be read: {error.strerror or error}")

    return list(run(one, entries, "read", progress))


@dataclass(frozen=True)
class Contents:
    """Reads pictures by their digest, and makes sure that they still have it.

    Attributes:
        paths: One path for each digest.
    """

    reader: Reader
    paths: Mapping[str, str]

    def __call__(self, key: str) -> bytes | np.ndarray[Any, Any]:
        path = self.paths[key]
        try:
            content = self.reader.read(path)
        except OSError as error:
            raise DataError(f"{printable(path)} could be read before, but not now: {error.strerror or error}") from error
        if digest(content) != key:
            raise DataError(f"{printable(path)} has changed since it was first read; wait until the data is complete, or restore it")
        return content


def is_settled(stamp: Stamp, since: int) -> bool:
    """Whether the file's last change lay so far before `since` that a later one would show in its time of change."""
    return stamp[1] < since - _RACE_NANOSECONDS


def now() -> int:
    """The time for `known_since`, in nanoseconds since the epoch."""
    return time.time_ns()


def fingerprint(hashed: Iterable[Hashed]) -> str:
    """One digest over the paths, contents, labels, given splits and groups of all readable entries, whatever their order."""
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for item in sorted(hashed, key=lambda item: item.entry.path):
        if item.problem is None:
            entry = item.entry
            fields = (entry.path, item.digest, entry.label, entry.split or "", entry.group or "")
            state.update("\0".join(fields).encode("utf-8", "surrogateescape") + b"\n")
    return state.hexdigest()
