"""What a phase trains on, chunk by chunk: features that are kept, or pictures that are changed and passed on as they are needed."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.data import Pictures
from automl.models.seeds import derive_seed
from automl.training.frozen import Change, FrozenPass

Places = NDArray[np.int64]
Chunk = tuple[NDArray[Any], NDArray[np.int64]]

CHUNK_BYTES = 32 << 20
"""About the inputs of one call of a compiled program."""
CHUNK_STEPS = 64
"""At most this many steps a call, so that progress is seen."""
PREDICTED = 256
"""Pictures a call of prediction behind a frozen part; one number for all trials."""
PREDICTED_PIXELS = 64
"""The same where the whole network predicts."""


class Inputs(Protocol):
    """The inputs of one split for one phase."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Of the pictures."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture's input."""

    def read(self, places: Places, epoch: int) -> NDArray[Any]:
        """The inputs of some pictures as they are in an epoch: (n, *shape)."""


@dataclass(frozen=True)
class StoredFeatures:
    """Features that were computed once.

    Attributes:
        features: (views x pictures, width), view by view.
        labels: Of the pictures.
        view: Called with an epoch: the view of each picture in it. None where there is one view.
    """

    features: NDArray[Any]
    labels: NDArray[np.int64]
    view: Callable[[int], Places] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(width,)."""
        return (int(self.features.shape[1]),)

    def read(self, places: Places, epoch: int) -> NDArray[Any]:
        """Rows of the features."""
        rows = places if self.view is None else self.view(epoch)[places] * len(self.labels) + places
        return np.take(np.asarray(self.features), rows, axis=0).astype(np.float32, copy=False)


@dataclass(frozen=True)
class _FromPictures:
    """Inputs that are made of the pictures whenever they are needed.

    Attributes:
        pictures: The split.
        change: Called with an epoch: what happens to the pictures in it; None for nothing.
    """

    pictures: Pictures
    change: Callable[[int], Change] | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """Of the pictures."""
        return self.pictures.labels


@dataclass(frozen=True)
class ComputedFeatures(_FromPictures):
    """Features that are computed when they are needed, since the pictures are changed anew in each epoch.

    Attributes:
        frozen: What computes them.
    """

    frozen: FrozenPass = field(kw_only=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """(width,)."""
        return (self.frozen.width,)

    def read(self, places: Places, epoch: int) -> NDArray[Any]:
        """A pass over the pictures."""
        return self.frozen.features(self.pictures, places, None if self.change is None else self.change(epoch))


@dataclass(frozen=True)
class EpochFeatures(ComputedFeatures):
    """The same where other trials see the same pictures in the same epoch: the first one that needs an epoch's features stores them.

    Attributes:
        stored: Called with an epoch: the features of all pictures in it, (pictures, width); None where there is no room for them.
    """

    stored: Callable[[int], NDArray[Any] | None] = field(kw_only=True)

    def read(self, places: Places, epoch: int) -> NDArray[Any]:
        """Rows of the epoch's features."""
        features = self.stored(epoch)
        return super().read(places, epoch) if features is None else np.take(np.asarray(features), places, axis=0)


@dataclass(frozen=True)
class Pixels(_FromPictures):
    """Pictures for a network of which nothing is frozen."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(size, size, 3)."""
        return tuple(int(side) for side in self.pictures.images.shape[1:])

    def read(self, places: Places, epoch: int) -> NDArray[Any]:
        """The pictures, changed as the epoch wants."""
        pixels, _ = self.pictures.batch(places)
        return pixels if self.change is None else self.change(epoch)(pixels, places)


def is_half(inputs: Inputs) -> bool:
    """Whether they were rounded to half precision."""
    return isinstance(inputs, StoredFeatures) and inputs.features.dtype == np.float16


def shuffled(count: int, *, seed: int, epoch: int) -> Places:
    """The order of the pictures in one epoch, counted from 1 over all phases."""
    return np.random.default_rng([derive_seed(seed, "order"), epoch]).permutation(count).astype(np.int64)


def count_steps(count: int, batch_size: int) -> int:
    """Batches an epoch; the last may be smaller."""
    return -(-count // batch_size)


def training_chunks(inputs: Inputs, order: Places, *, epoch: int, batch_size: int) -> Iterator[Chunk]:
    """An epoch in this order, in chunks of whole batches, of which the last may be smaller; one is read while another trains."""
    batch_bytes = 4 * batch_size * int(np.prod(inputs.shape))
    size = batch_size * int(np.clip(CHUNK_BYTES // batch_bytes, 1, CHUNK_STEPS))
    return _read_ahead(inputs, [order[start : start + size] for start in range(0, len(order), size)], epoch)


def prediction_chunks(inputs: Inputs) -> Iterator[NDArray[Any]]:
    """All pictures once, in their order, as they are."""
    size = PREDICTED if len(inputs.shape) == 1 else PREDICTED_PIXELS
    count = len(inputs.labels)
    places = np.arange(count)
    for chunk, _ in _read_ahead(inputs, [places[start : start + size] for start in range(0, count, size)], epoch=0):
        yield chunk


def _read_ahead(inputs: Inputs, parts: Sequence[Places], epoch: int) -> Iterator[Chunk]:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="inputs") as reader:
        following = [reader.submit(inputs.read, part, epoch) for part in parts[:1]]
        for number, part in enumerate(parts):
            chunk = following.pop().result()
            following = [reader.submit(inputs.read, after, epoch) for after in parts[number + 1 : number + 2]]
            yield chunk, inputs.labels[part]
