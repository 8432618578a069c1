"""What is in the data: counts, sizes, files that cannot be used, duplicates, leaks; nothing is changed or stored."""

import dataclasses
import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from automl.data.decoder import UnreadableError, decode, quiet_decoders
from automl.data.duplicates import Group, duplicate_groups, duplicate_warnings, label_conflicts, leaks
from automl.data.fingerprint import Contents, Hashed, fingerprint, hash_entries
from automl.data.pool import Progress, run
from automl.data.sources import Source, open_source
from automl.data.sources.base import SPLITS, counted, some

UNDIVIDED = "undivided"
"""Stands for the split of pictures that the data itself puts on no side."""
_IMBALANCE = 10
_BUILTIN_PICTURES = {"digits": 1797, "mnist": 70_000, "fashion_mnist": 70_000, "cifar10": 60_000, "cifar100": 60_000}


@dataclass(frozen=True)
class Span:
    """The smallest, median and largest of some numbers of pixels."""

    min: int
    median: float
    max: int


@dataclass(frozen=True)
class Audit:
    """What `inspect` found.

    Attributes:
        kind: class_folders, split_folders, manifest, arrays or builtin.
        path: Resolved path of the data, or the built-in's name.
        classes: Names in the order of their numbers.
        counts: Decodable pictures by given split and class; without given splits under "undivided".
        pictures: How many can be decoded.
        width: Of the upright pictures, in pixels; None if there are none. `height` likewise.
        modes: Pictures by Pillow's name of the stored pixel type; `formats` by file format.
        unreadable: (path, reason) of every file that is not used.
        duplicates: Paths of each group of byte-identical pictures.
        leaks: (path, path of its copy) of pictures that stand in training and in validation or test, or in both of these.
        conflicts: Paths of each group of byte-identical pictures with different labels.
        warnings: Sentences for the user.
    """

    kind: str
    path: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    pictures: int
    width: Span | None
    height: Span | None
    modes: dict[str, int]
    formats: dict[str, int]
    unreadable: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, str], ...]
    conflicts: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]
    fingerprint: str

    def model_dump(self) -> dict[str, Any]:
        """All of it as plain dictionaries, lists, strings and numbers."""
        plain: dict[str, Any] = json.loads(self.to_json())
        return plain

    def to_json(self, indent: int | None = None) -> str:
        """All of it as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=indent)


@dataclass(frozen=True, slots=True)
class _Look:
    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    problem: str | None = None


def inspect(path: str, progress: Progress | None = None) -> Audit:
    """Read and decode every picture once and say what is there.

    Raises:
        DataError: There is no such data, or it has none of the accepted layouts.
    """
    source = open_source(path)
    hashed = hash_entries(source.entries, source.reader, progress)
    readable = [item for item in hashed if item.problem is None]
    looks = _look_at(readable, source, progress)
    decoded = [item for item in readable if looks[item.digest].problem is None]
    unreadable = dict(source.left_out) | {item.entry.path: item.problem for item in hashed if item.problem is not None}
    for item in readable:
        problem = looks[item.digest].problem
        if problem is not None:
            unreadable[item.entry.path] = problem
    groups = duplicate_groups(decoded)
    conflicts = label_conflicts(groups)
    pairs = leaks(groups)
    seen = [looks[item.digest] for item in decoded]
    counts = _counts(source.classes, decoded)
    return Audit(
        kind=source.kind,
        path=source.location,
        classes=source.classes,
        counts=counts,
        pictures=len(decoded),
        width=_span([look.width for look in seen]),
        height=_span([look.height for look in seen]),
        modes=_tally(look.mode for look in seen),
        formats=_tally(look.format for look in seen),
        unreadable=tuple(sorted(unreadable.items())),
        duplicates=_paths(groups),
        leaks=tuple((item.entry.path, keeper.entry.path) for item, keeper in pairs),
        conflicts=_paths(conflicts),
        warnings=(*source.warnings, *duplicate_warnings(conflicts, pairs), *_warnings(source, counts, unreadable, hashed)),
        fingerprint=fingerprint(hashed),
    )


def count_pictures(path: str) -> int:
    """How many pictures are listed at `path`, without opening them or fetching a built-in set.

    Raises:
        DataError: There is no such data, or it has none of the accepted layouts.
    """
    return _BUILTIN_PICTURES.get(path) or len(open_source(path).entries)


def _look_at(items: Sequence[Hashed], source: Source, progress: Progress | None) -> dict[str, _Look]:
    contents = Contents(source.reader, {item.digest: item.entry.path for item in reversed(items)})

    def look(key: str) -> _Look:
        try:
            picture = decode(contents(key))
        except UnreadableError as error:
            return _Look(problem=str(error))
        return _Look(picture.width, picture.height, picture.mode, picture.format)

    keys = list(contents.paths)
    with quiet_decoders():
        return dict(zip(keys, run(look, keys, "decode", progress), strict=True))


def _counts(classes: Sequence[str], items: Iterable[Hashed]) -> dict[str, dict[str, int]]:
    tally = Counter((item.entry.split or UNDIVIDED, item.entry.label) for item in items)
    used = {split for split, _ in tally}
    return {split: {name: tally[split, name] for name in classes} for split in (*SPLITS, UNDIVIDED) if split in used}


def _span(values: Sequence[int]) -> Span | None:
    return Span(min(values), statistics.median(values), max(values)) if values else None


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))


def _paths(groups: Iterable[Group]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(item.entry.path for item in group) for group in groups)


def _warnings(source: Source, counts: dict[str, dict[str, int]], unreadable: dict[str, str], hashed: Sequence[Hashed]) -> list[str]:
    found = []
    damaged = [item.entry.path for item in hashed if item.entry.path in unreadable]
    if damaged:
        found.append(f"{counted(len(damaged), 'picture')} cannot be read: {some(damaged)}")
    for split in counts:
        lacking = [name for name, count in counts[split].items() if count == 0]
        if lacking:
            where = "" if split == UNDIVIDED else f" {split}"
            found.append(f"{counted(len(lacking), 'class', 'classes')} without usable{where} pictures: {some(lacking)}")
    sizes = {name: sum(counts[split][name] for split in counts) for name in source.classes}
    large, small = max(sizes, key=lambda name: sizes[name]), min(sizes, key=lambda name: sizes[name])
    if sizes[large] > _IMBALANCE * max(1, sizes[small]):
        found.append(f"the classes are uneven: {sizes[large]} pictures of {large}, {sizes[small]} of {small}")
    return found
