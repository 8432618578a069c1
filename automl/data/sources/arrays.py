"""arrays.npz: uint8 pictures `x` with labels `y`, or `x_train`/`y_train`, `x_val`/`y_val`, `x_test`/`y_test`.

`classes` names the classes; without it integer labels are their own names. Nothing is ever unpickled.
"""

import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.sources.base import Entry, Source, SplitName, counted, printable, some, sorted_classes
from automl.errors import DataError

Array = np.ndarray[Any, Any]
_PARTS: tuple[tuple[str, str, SplitName | None], ...] = (
    ("x", "y", None),
    ("x_train", "y_train", "train"),
    ("x_val", "y_val", "validation"),
    ("x_test", "y_test", "test"),
)


@dataclass(frozen=True)
class ArrayReader:
    """Reads entries named like `x_train[17]`."""

    arrays: Mapping[str, Array]

    def read(self, path: str) -> Array:
        name, _, index = path.rstrip("]").partition("[")
        picture: Array = self.arrays[name][int(index)]
        return picture

    def stamp(self, path: str) -> None:
        return None


def arrays(path: Path) -> Source:
    """List the pictures of an .npz file.

    Raises:
        DataError: The file is damaged, or its arrays are not uint8 pictures with labels.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise DataError(f"{path} cannot be read as NumPy arrays: {error}; write it with numpy.savez and without object arrays") from error
    return from_arrays(content, str(path))


def from_arrays(content: Mapping[str, Array], location: str) -> Source:
    """List pictures that are in memory under the names of an arrays.npz."""
    parts = [(x, y, split) for x, y, split in _PARTS if x in content]
    names = [x for x, _, _ in parts]
    if not parts or ("x" in names and len(names) > 1) or ("x" not in names and "x_train" not in names):
        raise DataError(f"{location}: expected the arrays x and y, or x_train and y_train with x_val/x_test, but got {_listed(content)}")
    missing = [y for _, y, _ in parts if y not in content]
    if missing:
        raise DataError(f"{location}: {' and '.join(missing)} is missing; got {_listed(content)}")
    given = checked_classes(content["classes"], location) if "classes" in content else None
    entries: list[Entry] = []
    for x, y, split in parts:
        pictures = checked_pictures(content[x], f"{location}: {x}")
        labels = checked_labels(content[y], len(pictures), given, f"{location}: {y}")
        entries += [Entry(f"{x}[{row}]", label, split) for row, label in enumerate(labels)]
    used = {entry.label for entry in entries}
    classes = sorted_classes(used) if given is None else tuple(name for name in given if name in used)
    if len(classes) < 2:
        raise DataError(f"{location}: expected pictures of at least two classes, but got {len(classes)}: {some(classes)}")
    unused = [name for name in given or () if name not in used]
    warnings = (f"{counted(len(unused), 'class', 'classes')} without pictures: {some(unused)}",) if unused else ()
    return Source("arrays", location, classes, tuple(entries), ArrayReader(content), warnings=warnings)


def write_arrays(
    path: str | Path,
    x: Any,
    y: Any,
    classes: Sequence[str] | None = None,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
) -> Path:
    """Check arrays and write them as an arrays.npz that `prepare` takes, whole or not at all.

    Args:
        path: The file, or a folder in which arrays.npz is written.
        x: uint8 pictures (n, h, w), (n, h, w, 1), (n, h, w, 3) or (n, h, w, 4), values 0 to 255.
        y: n labels: integers, strings, or one-hot rows (n, classes).
        classes: Names for integer labels 0, 1, ...
        validation: Another (x, y) that stays the validation split.
        test: Another (x, y) that stays the test split.

    Raises:
        DataError: An array has another shape or type; the message says how to convert it.
    """
    target = Path(path) / "arrays.npz" if Path(path).is_dir() else Path(path)
    names = ("x", "y") if validation is None and test is None else ("x_train", "y_train")
    content: dict[str, Array] = dict(zip(names, _pair(x, y), strict=True))
    for key, pair in (("val", validation), ("test", test)):
        if pair is not None:
            content[f"x_{key}"], content[f"y_{key}"] = _pair(*pair)
    if classes is not None:
        content["classes"] = np.asarray([str(name) for name in classes])
    from_arrays(content, "arrays")
    _save(target, content)
    return target


def _pair(x: Any, y: Any) -> tuple[Array, Array]:
    labels = np.asarray(y)
    if labels.dtype == object and all(isinstance(label, str) for label in labels.flat):
        labels = labels.astype(str)
    return np.asarray(x), labels


def _save(path: Path, content: Mapping[str, Array]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                # One by one through a dictionary of unknown keys: savez takes the arrays' names as keywords.
                np.savez(file, allow_pickle=False, **content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def _listed(content: Mapping[str, Array]) -> str:
    return ", ".join(sorted(content)) or "no arrays"


def checked_pictures(x: Array, name: str) -> Array:
    """The pictures, if they are uint8 (n, h, w) or (n, h, w, 1 | 3 | 4) and there is at least one."""
    if np.issubdtype(x.dtype, np.floating):
        top = float(np.nanmax(x)) if x.size else 0.0
        how = "(x * 255).round().astype('uint8')" if top <= 1 else "x.round().astype('uint8')"
        raise DataError(f"{name}: expected uint8 pictures from 0 to 255, but got {x.dtype} up to {top:g}; convert with {how}")
    if x.dtype != np.uint8:
        raise DataError(f"{name}: expected uint8 pictures from 0 to 255, but got {x.dtype}; convert with x.astype('uint8')")
    if x.ndim not in (3, 4) or 0 in x.shape or (x.ndim == 4 and x.shape[3] not in (1, 3, 4)):
        first = x.ndim == 4 and x.shape[1] in (1, 3, 4)
        hint = "; channels come last: x.transpose(0, 2, 3, 1)" if first else ""
        raise DataError(f"{name}: expected shape (n, h, w), (n, h, w, 1) or (n, h, w, 3), but got {x.shape}{hint}")
    return x


def checked_labels(y: Array, count: int, classes: Sequence[str] | None, name: str) -> list[str]:
    """One class name for each of `count` pictures."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "biuf":
        if not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(f"{name}: shape {y.shape} is taken for one-hot rows, but not every row holds a single 1")
        if classes is not None and y.shape[1] != len(classes):
            raise DataError(f"{name}: one-hot rows of {y.shape[1]}, but {len(classes)} classes are named")
        y = y.argmax(axis=1)
    if y.ndim != 1 or len(y) != count:
        raise DataError(f"{name}: expected {count} labels, one for each picture, but got shape {y.shape}")
    if y.dtype.kind in "US":
        labels = [str(label) for label in y.astype(str)]
        unknown = sorted(set(labels) - set(classes)) if classes is not None else []
        if unknown or "" in labels:
            raise DataError(f"{name}: labels that are not among the classes: {some(unknown)}" if unknown else f"{name}: empty labels")
        return labels
    if y.dtype.kind not in "iu":
        raise DataError(f"{name}: expected integer or text labels, but got {y.dtype}; convert with y.astype(int)")
    if classes is None:
        return [str(label) for label in y.tolist()]
    if y.min() < 0 or y.max() >= len(classes):
        raise DataError(f"{name}: labels go from {y.min()} to {y.max()}, but {len(classes)} classes are named")
    return [classes[label] for label in y.tolist()]


def checked_classes(classes: Array, name: str) -> tuple[str, ...]:
    """The class names, if they are distinct and not empty."""
    if classes.ndim != 1 or classes.dtype.kind not in "USiu":
        raise DataError(f"{name}: classes: expected a list of names, but got {classes.dtype} of shape {classes.shape}")
    names = tuple(str(label) for label in classes.astype(str))
    if len(set(names)) < len(names) or "" in names:
        raise DataError(f"{name}: classes: names must be distinct and not empty, but got {some(map(printable, names), 10)}")
    return names
