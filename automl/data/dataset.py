"""What training reads: pictures of one size as rows of a file that is mapped into memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.data.decoder import Pixels, check_shape
from automl.data.fingerprint import Contents
from automl.data.pool import Progress
from automl.data.sources import open_source
from automl.data.sources.base import SplitName
from automl.data.split_file import SplitFile
from automl.data.store import Shape, Stores
from automl.errors import DataError

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one split.

    Attributes:
        images: uint8 (stored, size, size, 3), all pictures of the data, usually mapped from a file.
        rows: For each picture of this split its row in `images`.
        labels: For each picture of this split its class's number.
        names: For each picture of this split its path relative to the data.
    """

    images: Pixels = field(repr=False)
    rows: Integers = field(repr=False)
    labels: Integers = field(repr=False)
    names: Sequence[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Sequence[int] | Integers | slice) -> tuple[Pixels, Integers]:
        """Copy the pictures at these places, in this order: uint8 (n, size, size, 3) and their labels (n,)."""
        chosen = indices if isinstance(indices, slice) else np.asarray(indices, np.int64)
        return np.take(np.asarray(self.images), self.rows[chosen], axis=0), self.labels[chosen]

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled memmap would carry all its pixels.
        if isinstance(self.images, np.memmap) and isinstance(self.images.filename, str | Path):
            return _reopen, (str(self.images.filename), self.images.shape, self.rows, self.labels, self.names)
        return Pictures, (self.images, self.rows, self.labels, self.names)


def _reopen(path: str, shape: tuple[int, ...], rows: Integers, labels: Integers, names: Sequence[str]) -> Pictures:
    try:
        return Pictures(np.memmap(path, np.uint8, "r", shape=shape), rows, labels, names)
    except (OSError, ValueError) as error:
        raise DataError(f"the decoded pictures in {path} were cleared; open the data again") from error


@dataclass(frozen=True)
class Dataset:
    """The split data at one size.

    Attributes:
        classes: Names in the order of the labels' numbers.
    """

    classes: tuple[str, ...]
    train: Pictures
    validation: Pictures
    test: Pictures
    fingerprint: str
    image_size: int
    resize: str


def open_dataset(folder: Path, *, image_size: int, resize: str, progress: Progress | None = None) -> Dataset:
    """Open the data whose split is in `folder`, at one size; decodes it again only if the cache was cleared.

    Raises:
        DataError: The data was never prepared, or its decoded pictures are gone and the data has moved or changed.
    """
    check_shape(image_size, resize)
    split = SplitFile.load(Path(folder))
    stores, shape = stores_of(split), Shape(image_size, resize)
    images = stores.open(shape)
    if images is None:
        _rebuild(split, stores, shape, progress)
        images = stores.open(shape)
    if images is None:
        raise DataError(f"the decoded pictures in {stores.folder} vanished while they were being opened; run again")
    rows = {key: row for row, key in enumerate(stores.digests)}
    numbers = {name: number for number, name in enumerate(split.classes)}

    def side(name: SplitName) -> Pictures:
        chosen = [picture for picture in split.pictures if picture.split == name]
        return Pictures(
            images,
            np.array([rows[picture.digest] for picture in chosen], np.int64),
            np.array([numbers[picture.label] for picture in chosen], np.int64),
            tuple(picture.path for picture in chosen),
        )

    return Dataset(split.classes, side("train"), side("validation"), side("test"), split.fingerprint, image_size, resize)


def stores_of(split: SplitFile) -> Stores:
    """The stores that hold the pictures of a split."""
    return Stores.of({picture.digest for picture in split.pictures})


def _rebuild(split: SplitFile, stores: Stores, shape: Shape, progress: Progress | None) -> None:
    source = open_source(split.data)
    contents = Contents(source.reader, {picture.digest: picture.path for picture in split.pictures})
    unreadable = stores.ensure([shape], contents, progress, skip=split.undecodable)
    lost = [picture.path for picture in split.pictures if picture.digest in unreadable and picture.digest not in split.undecodable]
    if lost:
        raise DataError(f"{len(lost)} pictures that the study uses can no longer be decoded, the first is {lost[0]}; restore them")
