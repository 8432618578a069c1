"""split.json: which picture stands on which side, for the life of a study.

One line per picture, so that even a large file can be searched and compared.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from automl.data.fingerprint import Stamp
from automl.data.sources.base import SPLITS, SplitName
from automl.errors import DataError
from automl.records import write_atomically

FILE_NAME = "split.json"
_VERSION = 1
_COLUMNS = ("path", "label", "split", "digest", "size", "mtime_ns", "given")


class SplitRow(NamedTuple):
    """One picture.

    Attributes:
        split: "train", "validation", "test", or "out" for a picture that is not used.
        size: In bytes; with `mtime_ns` it tells whether a file must be read again. Both None in arrays.
        given: The side on which the data itself puts it.
    """

    path: str
    label: str
    split: str
    digest: str
    size: int | None
    mtime_ns: int | None
    given: SplitName | None

    @property
    def stamp(self) -> Stamp | None:
        """Size and time of change."""
        return None if self.size is None or self.mtime_ns is None else (self.size, self.mtime_ns)


@dataclass(frozen=True)
class SplitFile:
    """The content of split.json.

    Attributes:
        data: Resolved path of the data, or the built-in's name.
        hashed_at: When the stamps were taken, in nanoseconds since the epoch.
        pictures: All listed pictures that could be read, those left out included: together they name the stores.
        left_out: (path, reason) of everything that is not used.
        undecodable: Reason by digest.
    """

    kind: str
    data: str
    fingerprint: str
    seed: int
    validation: float
    test: float
    hashed_at: int
    classes: tuple[str, ...]
    pictures: tuple[SplitRow, ...]
    left_out: tuple[tuple[str, str], ...]
    undecodable: dict[str, str]
    warnings: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write folder/split.json, whole or not at all.

        Raises:
            DataError: The folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / FILE_NAME, "".join(self._text()))
        except OSError as error:
            raise DataError(f"{folder / FILE_NAME} cannot be written: {error.strerror or error}") from error

    def _text(self) -> Iterator[str]:
        head = {"version": _VERSION, **{name: getattr(self, name) for name in self.__dataclass_fields__ if name != "pictures"}}
        yield "{\n"
        for name, value in head.items():
            yield f"{json.dumps(name)}: {json.dumps(value)},\n"
        yield f'"columns": {json.dumps(_COLUMNS)},\n"pictures": [\n'
        yield ",\n".join(json.dumps(row, separators=(",", ":")) for row in self.pictures)
        yield "\n]\n}\n"

    @classmethod
    def load(cls, folder: Path) -> "SplitFile":
        """Read folder/split.json.

        Raises:
            DataError: It is missing or not what `save` wrote.
        """
        path = folder / FILE_NAME
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
            if content.pop("version") != _VERSION or tuple(content.pop("columns")) != _COLUMNS:
                raise DataError(f"{path} was written by another version of automl; start a new study")
            loaded = cls(**content)
            return replace(
                loaded,
                classes=tuple(loaded.classes),
                pictures=tuple(SplitRow(*row) for row in loaded.pictures),
                left_out=tuple((name, reason) for name, reason in loaded.left_out),
                warnings=tuple(loaded.warnings),
            )
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist; the pictures of this study have not been prepared yet") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is damaged ({error}); restore it from a backup, or start a new study") from error

    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures by split and class."""
        counts: dict[str, dict[str, int]] = {split: dict.fromkeys(self.classes, 0) for split in SPLITS}
        for row in self.pictures:
            if row.split in counts:
                counts[row.split][row.label] += 1
        return counts
