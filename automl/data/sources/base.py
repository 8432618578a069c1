"""What every kind of data is turned into: a list of labelled entries, and a way to read one of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
SPLIT_WORDS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""The words for the three splits that folders and tables may use, in lower case."""

LAYOUTS = (
    "accepted are a folder with one folder of pictures per class (ants/ bees/), train/ val/ test/ folders that hold such class folders, "
    "a manifest.csv with the columns path and label, an arrays.npz with x and y, or a built-in set"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture as it was listed, not yet opened.

    Attributes:
        path: Unique name, relative to the data's root and with forward slashes; `x_train[17]` in arrays.
        split: Where the data itself puts it; None leaves that to automl.
        group: Entries of one group (a patient, a video) never stand on two sides.
    """

    path: str
    label: str
    split: SplitName | None = None
    group: str | None = None


class Reader(Protocol):
    """Gives an entry's content."""

    def read(self, path: str) -> bytes | np.ndarray[Any, Any]:
        """The file's bytes, or the array's uint8 pixels. Raises OSError."""

    def stamp(self, path: str) -> tuple[int, int] | None:
        """Size in bytes and time of the last change in nanoseconds; None where there is no file to ask."""


@dataclass(frozen=True)
class FileReader:
    """Reads entries that are files below `root`."""

    root: Path

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def stamp(self, path: str) -> tuple[int, int] | None:
        status = (self.root / path).stat()
        return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Source:
    """The listed data.

    Attributes:
        location: The resolved path, or the built-in's name.
        classes: Names in the order of their numbers; each has at least one entry.
        entries: Sorted by path in natural order, whatever the order of the file system.
        left_out: Files that are not used, as (path, reason).
    """

    kind: Literal["class_folders", "split_folders", "manifest", "arrays", "builtin"]
    location: str
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    reader: Reader
    left_out: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key under which "2" comes before "10"; equal numbers fall back to the spelling."""
    parts: list[Any] = re.split(r"([0-9]+)", name)
    # A number is compared by its length, then its digits: no limit on how long it is.
    numbers = [digits.lstrip("0") for digits in parts[1::2]]
    parts[1::2] = [(len(digits), digits) for digits in numbers]
    return tuple(parts), name


def sorted_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels in natural order."""
    return tuple(sorted(set(labels), key=natural_key))


def sorted_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries by path in natural order."""
    return tuple(sorted(entries, key=lambda entry: natural_key(entry.path)))


def some(names: Iterable[str], limit: int = 3) -> str:
    """The first few names and how many more there are, for a message."""
    listed = [printable(name) for name in names]
    rest = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + rest


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: "1 picture", "2 pictures"."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def printable(name: str) -> str:
    """A file's name without bytes that no terminal or UTF-8 file takes."""
    return name.encode("utf-8", "backslashreplace").decode()
