"""Batches of pictures from the memory map, in an order that follows from seed and epoch; the next is read while one trains.

NumPy and one thread: what a trial sees depends on its config and data alone, and nothing is traced anew each epoch.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from automl.data import Pictures
from automl.models.seeds import derive_seed

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]

PREDICTION_BATCH = 64
"""Pictures a step of prediction; one number for all trials, so that a trial's predictions do not depend on its batch size."""


def shuffled(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the pictures in one epoch, counted from 1 over all phases."""
    return np.random.default_rng([derive_seed(seed, "order"), epoch]).permutation(count).astype(np.int64)


def count_steps(count: int, batch_size: int) -> int:
    """Batches an epoch; the last may be smaller."""
    return -(-count // batch_size)


def iterate(pictures: Pictures, order: NDArray[np.int64], batch_size: int) -> Iterator[Batch]:
    """The pictures in the given order as batches of uint8 (n, size, size, 3) and labels (n,).

    Args:
        pictures: Where they are read from.
        order: Indices into `pictures`.
        batch_size: Of all batches but the last.
    """
    chunks: Sequence[NDArray[np.int64]] = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as reader:
        following = reader.submit(pictures.batch, chunks[0]) if chunks else None
        for chunk in [*chunks[1:], None]:
            if following is None:
                return
            batch = following.result()
            following = reader.submit(pictures.batch, chunk) if chunk is not None else None
            yield batch
