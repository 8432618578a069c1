"""manifest.csv: one row per picture with path, label and, if wanted, split and group.

Paths are relative to the table's own folder. A row without a split is divided by automl; where the table names a
validation (or test) split, nothing is added to it.
"""

import csv
import difflib
import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automl.data.sources.base import (
    SPLIT_WORDS,
    Entry,
    FileReader,
    Source,
    SplitName,
    counted,
    printable,
    some,
    sorted_classes,
    sorted_entries,
)  # fmt: skip
from automl.errors import DataError

_COLUMNS = ("path", "label", "split", "group")
_SYNONYMS = {
    "path": ("file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "name"),
    "label": ("class", "category", "target", "y", "species", "class_name", "labels"),
}


@dataclass
class _Rows:
    entries: dict[str, Entry] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    contradictory: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    bad_splits: list[str] = field(default_factory=list)
    repeated: int = 0


def manifest(path: Path) -> Source:
    """List the pictures of a CSV file.

    Raises:
        DataError: It is not a table with these columns, names an unknown split, or none of its files exists.
    """
    rows = _Rows()
    reader = _open_table(path)
    columns = _columns(path, reader.fieldnames or ())
    try:
        for row in reader:
            values = {name: (row.get(column) or "").strip() for name, column in columns.items()}
            if any(values.values()):
                _add(values, reader.line_num, path.parent, rows)
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}; expected comma-separated values") from error
    if rows.bad_splits:
        raise DataError(f"{path}: split: expected train, validation, test or nothing, but got {some(rows.bad_splits)}")
    return _source(path, rows)


def _source(path: Path, rows: _Rows) -> Source:
    entries = [entry for name, entry in rows.entries.items() if name not in rows.contradictory]
    if not entries:
        if rows.missing:
            raise DataError(
                f"{path}: none of its {len(rows.missing)} files exists ({some(rows.missing)}); paths are relative to {path.parent}"
            )
        raise DataError(f"{path} lists no pictures; expected one row per picture below the header path,label")
    classes = sorted_classes(entry.label for entry in entries)
    if len(classes) < 2:
        raise DataError(f"{path}: every usable row has the label {printable(classes[0])!r}; a classifier needs at least two classes")
    warnings = []
    if rows.missing:
        warnings.append(f"{counted(len(rows.missing), 'file')} of {path.name} cannot be found: {some(rows.missing)}")
    if rows.repeated:
        warnings.append(f"{counted(rows.repeated, 'repeated row')} of {path.name} not counted twice")
    left_out = [*rows.left_out, *((name, "no such file") for name in rows.missing), *rows.contradictory.items()]
    return Source(
        kind="manifest",
        location=str(path),
        classes=classes,
        entries=sorted_entries(entries),
        reader=FileReader(path.parent),
        left_out=tuple(sorted(left_out)),
        warnings=tuple(warnings),
    )


def _open_table(path: Path) -> "csv.DictReader[str]":
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save the table as 'CSV UTF-8'") from error
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)


def _columns(path: Path, received: Sequence[str]) -> dict[str, str]:
    """Which column of the file each known name stands for."""
    by_name = {column.strip().lower(): column for column in received if column}
    problems = []
    for name in ("path", "label"):
        if name in by_name:
            continue
        near = [column for column in by_name if column in _SYNONYMS[name]] or difflib.get_close_matches(name, list(by_name))
        problems.append(f"{name!r}" + (f" (rename {by_name[near[0]].strip()!r}?)" if near else ""))
    if problems:
        got = ", ".join(repr(column.strip()) for column in received if column) or "an empty file"
        raise DataError(f"{path} line 1: expected the columns path and label, but {' and '.join(problems)} is missing; got {got}")
    return {name: by_name[name] for name in _COLUMNS if name in by_name}


def _add(values: dict[str, str], line: int, folder: Path, rows: _Rows) -> None:
    name, problem = _locate(folder, values["path"])
    split: SplitName | None = None
    if values.get("split"):
        split = SPLIT_WORDS.get(values["split"].lower())
        if split is None:
            rows.bad_splits.append(f"{values['split']!r} in line {line}")
            return
    if not values["path"]:
        rows.left_out.append((f"line {line}", "the row has no path"))
    elif not values["label"]:
        rows.left_out.append((name, f"no label in line {line}"))
    elif problem == "no such file":
        rows.missing.append(name)
    elif problem:
        rows.left_out.append((name, problem))
    else:
        _keep(Entry(name, values["label"], split, values.get("group") or None), line, rows)


def _keep(entry: Entry, line: int, rows: _Rows) -> None:
    earlier = rows.entries.setdefault(entry.path, entry)
    first = rows.lines.setdefault(entry.path, line)
    if earlier is entry:
        return
    if (earlier.label, earlier.split) == (entry.label, entry.split):
        rows.repeated += 1
    else:
        rows.contradictory[entry.path] = f"lines {first} and {line} give it different labels or splits"


def _locate(folder: Path, name: str) -> tuple[str, str | None]:
    """The path as it is kept, and why it cannot be used."""
    problem = _file_problem(folder / name)
    if problem and "\\" in name:
        forward = name.replace("\\", "/")
        if _file_problem(folder / forward) is None:
            name, problem = forward, None
    return os.path.normpath(name).replace(os.sep, "/") if name else name, problem


def _file_problem(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "no such file"
    except (OSError, ValueError) as error:
        return f"cannot be opened: {getattr(error, 'strerror', None) or error}"
    return None if stat.S_ISREG(mode) else "not a regular file"
