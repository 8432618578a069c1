"""From a path to pictures that are ready to be trained on: listed, hashed, decoded, split and written down once per study."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automl.data.assignment import Item, assign
from automl.data.dataset import stores_of
from automl.data.decoder import check_shape
from automl.data.duplicates import conflict_reasons, duplicate_groups, duplicate_warnings, label_conflicts, leak_reasons, leaks
from automl.data.fingerprint import Contents, Hashed, fingerprint, hash_entries, is_settled, now
from automl.data.pool import Progress
from automl.data.sources import Source, open_source
from automl.data.sources.base import SplitName, counted, printable, some
from automl.data.split_file import FILE_NAME, SplitFile, SplitRow
from automl.data.store import Shape, Stores
from automl.errors import DataError
from automl.records import write_atomically

UNREADABLE_NAME = "unreadable.csv"


@dataclass(frozen=True)
class Preparation:
    """What `prepare` found and made.

    Attributes:
        kind: class_folders, split_folders, manifest, arrays or builtin.
        data: Resolved path of the data, or the built-in's name.
        classes: Names in the order of their numbers.
        counts: Pictures by split and class.
        left_out: (path, reason) of everything that is not used.
        warnings: Sentences for the user.
        store_bytes: Size on disk of the decoded pictures at all sizes.
        resumed: Whether an earlier split was kept.
    """

    kind: str
    data: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    left_out: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    fingerprint: str
    store_bytes: int
    resumed: bool

    def total(self, split: SplitName) -> int:
        """Pictures of one split."""
        return sum(self.counts[split].values())


def prepare(
    path: str,
    *,
    folder: Path,
    image_sizes: Sequence[int],
    resizes: Sequence[str],
    validation: float,
    test: float,
    seed: int,
    progress: Progress | None = None,
) -> Preparation:
    """Audit the data, split it, decode it at every size, and write folder/split.json.

    If the folder already holds a split, that split is kept exactly, and data that changed since is refused.

    Args:
        path: Class folders, train/val/test folders, a manifest.csv, an arrays.npz, or a built-in's name.
        image_sizes: Sides in pixels that trials may ask for; `resizes` likewise.
        validation: Share of the pictures, per class, where the data does not name its own validation split; `test` likewise.
        progress: Called from this thread with the stage ("read", "decode", "waiting"), done and total.

    Raises:
        DataError: The data cannot be used as it is, has changed, or does not fit on the disk.
    """
    shapes = [Shape(size, resize) for size in image_sizes for resize in resizes]
    for shape in shapes:
        check_shape(shape.size, shape.resize)
    if not shapes or not 0 < validation < 1 or not 0 <= test < 1 or validation + test >= 1:
        raise DataError(
            f"expected sizes, a validation share above 0 and a test share that leave pictures to train on, "
            f"but got validation {validation}, test {test}, {len(shapes)} sizes"
        )
    source = open_source(path)
    folder = Path(folder)
    if not (folder / FILE_NAME).exists():
        split = _begun(source, shapes, {"validation": validation, "test": test}, seed, progress)
        _write_left_out(folder, split.left_out)
        split.save(folder)
        return _preparation(split, shapes, resumed=False)
    split = _resumed(SplitFile.load(folder), source, folder, progress)
    contents = Contents(source.reader, {row.digest: row.path for row in split.pictures})
    stores_of(split).ensure(shapes, contents, progress, skip=split.undecodable)
    prepared = _preparation(split, shapes, resumed=True)
    if (split.validation, split.test, split.seed) == (validation, test, seed):
        return prepared
    kept = f"the split of the first run is kept: validation {split.validation}, test {split.test}, seed {split.seed}"
    return replace(prepared, warnings=(*prepared.warnings, kept))


def _preparation(split: SplitFile, shapes: Sequence[Shape], *, resumed: bool) -> Preparation:
    return Preparation(
        kind=split.kind,
        data=split.data,
        classes=split.classes,
        counts=split.counts(),
        left_out=split.left_out,
        warnings=split.warnings,
        fingerprint=split.fingerprint,
        store_bytes=stores_of(split).bytes(shapes),
        resumed=resumed,
    )


# --- the first time --------------------------------------------------------------------------------------------------


def _begun(source: Source, shapes: Sequence[Shape], shares: Mapping[SplitName, float], seed: int, progress: Progress | None) -> SplitFile:
    started = now()
    hashed = hash_entries(source.entries, source.reader, progress)
    readable = [item for item in hashed if item.problem is None]
    left_out = dict(source.left_out) | {item.entry.path: item.problem for item in hashed if item.problem is not None}
    undecodable: dict[str, str] = {}
    if readable:
        paths = {item.digest: item.entry.path for item in reversed(readable)}
        undecodable = Stores.of(set(paths)).ensure(shapes, Contents(source.reader, paths), progress)
    left_out |= {item.entry.path: undecodable[item.digest] for item in readable if item.digest in undecodable}
    decoded = [item for item in readable if item.digest not in undecodable]
    groups = duplicate_groups(decoded)
    conflicts = label_conflicts(groups)
    conflicting = conflict_reasons(conflicts)
    leaked = leaks([group for group in groups if group[0].entry.path not in conflicting])
    left_out |= conflicting | leak_reasons(leaked)
    used = [item for item in decoded if item.entry.path not in left_out]
    _check_no_class_lost(source, used, left_out)
    sides, warnings = _divide(used, shares, seed)
    _check_sides(source, used, sides)
    unreadable = len(hashed) - len(decoded)
    if unreadable:
        names = some(item.entry.path for item in hashed if item.problem is not None or item.digest in undecodable)
        warnings.insert(0, f"{counted(unreadable, 'picture')} cannot be read, left out: {names}")
    return SplitFile(
        kind=source.kind,
        data=source.location,
        fingerprint=fingerprint(hashed),
        seed=seed,
        validation=shares["validation"],
        test=shares["test"],
        hashed_at=started,
        classes=source.classes,
        pictures=tuple(_row(item, sides.get(item.entry.path, "out")) for item in readable),
        left_out=tuple(sorted(left_out.items())),
        undecodable=undecodable,
        warnings=(*source.warnings, *duplicate_warnings(conflicts, leaked), *warnings),
    )


def _row(item: Hashed, side: str) -> SplitRow:
    size, changed = item.stamp or (None, None)
    return SplitRow(item.entry.path, item.entry.label, side, item.digest, size, changed, item.entry.split)


def _divide(used: Sequence[Hashed], shares: Mapping[SplitName, float], seed: int) -> tuple[dict[str, SplitName], list[str]]:
    """Cut the shares that the data does not give from what it leaves to us."""
    given = {item.entry.split for item in used}
    cut: dict[SplitName, float] = {side: share for side, share in shares.items() if side not in given}
    kept_in_train = not any(share > 0 for share in cut.values())
    items = []
    for item in used:
        entry = item.entry
        keys = (f"bytes {item.digest}",) + ((f"group {entry.group}",) if entry.group else ())
        fixed = entry.split if entry.split != "train" or kept_in_train else None
        items.append(Item(entry.path, entry.label, keys, fixed, stays=entry.split))
    sides = assign(items, cut, seed)
    return sides, [*_group_warnings(used, sides), *_coverage_warnings(used, sides, cut)]


def _group_warnings(used: Sequence[Hashed], sides: Mapping[str, SplitName]) -> list[str]:
    seen: dict[str, set[str]] = {}
    for item in used:
        if item.entry.group:
            seen.setdefault(item.entry.group, set()).add(sides[item.entry.path])
    torn = sorted(group for group, where in seen.items() if len(where) > 1)
    return [f"{counted(len(torn), 'group')} on several sides because the data puts them there: {some(torn)}"] if torn else []


def _coverage_warnings(used: Sequence[Hashed], sides: Mapping[str, SplitName], cut: Mapping[SplitName, float]) -> list[str]:
    found = []
    present = Counter((sides[item.entry.path], item.entry.label) for item in used)
    labels = sorted({item.entry.label for item in used})
    for side in ("validation", "test"):
        if side in cut and cut[side] == 0:
            continue
        lacking = [label for label in labels if not present[side, label]]
        if lacking:
            classes = counted(len(lacking), "class", "classes")
            found.append(f"{classes} without {side} pictures, too few to divide or not given: {some(lacking)}")
    return found


def _check_no_class_lost(source: Source, used: Sequence[Hashed], left_out: Mapping[str, str]) -> None:
    remaining = {item.entry.label for item in used}
    lost = [name for name in source.classes if name not in remaining]
    if lost:
        example = next(entry.path for entry in source.entries if entry.label == lost[0])
        raise DataError(
            f"{source.location}: no picture of {some(lost)} can be used; the first, {printable(example)}: {left_out[example]}. "
            "Replace these pictures or remove the class"
        )


def _check_sides(source: Source, used: Sequence[Hashed], sides: Mapping[str, SplitName]) -> None:
    trained = {item.entry.label for item in used if sides[item.entry.path] == "train"}
    untrained = [name for name in source.classes if name not in trained]
    if untrained:
        raise DataError(
            f"{source.location}: {some(untrained)} has no training pictures, only validation or test pictures; "
            "add training pictures or remove the class"
        )
    if "validation" not in sides.values():
        raise DataError(
            f"{source.location}: {counted(len(used), 'picture')} are too few for a validation split; "
            "expected at least two independent pictures in a class"
        )


def _write_left_out(folder: Path, left_out: Sequence[tuple[str, str]]) -> None:
    target = folder / UNREADABLE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not left_out:
            target.unlink(missing_ok=True)
            return
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("path", "reason"))
        table.writerows((printable(path), printable(reason)) for path, reason in left_out)
        write_atomically(target, text.getvalue())
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror or error}") from error


# --- again -----------------------------------------------------------------------------------------------------------


def _resumed(split: SplitFile, source: Source, folder: Path, progress: Progress | None) -> SplitFile:
    """The saved split, if the data is still what it was; the data may have moved."""
    started = now()
    known = {row.path: (row.digest, row.stamp) for row in split.pictures if row.stamp is not None}
    hashed = hash_entries(source.entries, source.reader, progress, known, split.hashed_at)
    _check_unchanged(split, source, hashed)
    stamps = {item.entry.path: item.stamp for item in hashed}
    rows = []
    for row in split.pictures:
        stamp = stamps.get(row.path) or row.stamp
        rows.append(row if stamp is None else row._replace(size=stamp[0], mtime_ns=stamp[1]))
    current = replace(split, data=source.location, pictures=tuple(rows))
    # Files that were fresh when they were hashed are read once more, and from then on trusted.
    unsettled = any(row.stamp is not None and not is_settled(row.stamp, split.hashed_at) for row in split.pictures)
    if current != split or unsettled:
        current = replace(current, hashed_at=started)
        current.save(folder)
    return current


def _check_unchanged(split: SplitFile, source: Source, hashed: Sequence[Hashed]) -> None:
    saved = {row.path: row for row in split.pictures}
    present = {item.entry.path: item for item in hashed if item.problem is None}
    added = [path for path in present if path not in saved]
    # What was never used may go: removing a damaged file changes nothing.
    removed = [row.path for row in split.pictures if row.path not in present and row.split != "out"]
    changed = []
    for path, item in present.items():
        row = saved.get(path)
        if row and (row.digest, row.label, row.given) != (item.digest, item.entry.label, item.entry.split):
            changed.append(path)
    kinds = {"added": added, "removed": removed, "changed": changed}
    differences = [f"{len(names)} {word} ({some(names)})" for word, names in kinds.items() if names]
    regrouped = len(present) == len(saved) and fingerprint(hashed) != split.fingerprint
    if not differences and regrouped:
        differences.append("other groups")
    if differences:
        raise DataError(
            f"{source.location} is not what the study began with: {', '.join(differences)}. "
            "A study keeps its pictures; restore them, or start a new study"
        )
