"""What happens to training pictures in an epoch: a trial's augmentation, for blocks of pictures of one shape."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.models.augmentation import DRAWS, augment, draw, mirror
from automl.records import AugmentConfig
from automl.training.frozen import BLOCK, Change

Draws = NDArray[np.float32]


def is_changing(config: AugmentConfig) -> bool:
    """Whether there is any augmentation."""
    return config.strength > 0 or config.flip != "none"


@dataclass
class Augmenter:
    """The changes of one trial.

    Args:
        config: Strength and mirroring.
        seed: The trial's.
        count: Pictures of the split.
    """

    config: AugmentConfig
    seed: int
    count: int
    _drawn: tuple[int, Draws] = field(default=(-1, np.empty((0, len(DRAWS)), np.float32)), init=False, repr=False)

    def draws(self, epoch: int) -> Draws:
        """What is drawn for each picture in an epoch: (pictures, draws)."""
        if self._drawn[0] != epoch:
            self._drawn = epoch, draw(self.count, seed=self.seed, epoch=epoch)
        return self._drawn[1]

    def __call__(self, epoch: int) -> Change:
        """The change of an epoch."""
        draws = self.draws(epoch)
        return lambda pixels, places: change(pixels, draws[places], self.config)


def change(pixels: NDArray[np.uint8], draws: Draws, config: AugmentConfig) -> NDArray[Any]:
    """Pictures (n, size, size, 3) as they are seen: mirrored bytes at strength 0, else float32 from 0 to 255."""
    if config.strength == 0:
        return mirror(pixels, draws, config.flip)
    run = _compiled(config.flip, pixels.shape[1])
    changed = []
    for start in range(0, len(pixels), BLOCK):
        filled = np.resize(np.arange(start, min(start + BLOCK, len(pixels))), BLOCK)
        changed.append(run(pixels[filled], draws[filled], config.strength).numpy())
    return np.concatenate(changed)[: len(pixels)] if changed else np.empty(pixels.shape, np.float32)


@functools.cache
def _compiled(flip: str, size: int) -> Callable[..., Any]:
    """One program for each size; a block has a fixed shape, so XLA compiles it once."""
    shapes: dict[tuple[int, ...], Any] = {(BLOCK, size, size, 3): tf.uint8, (BLOCK, len(DRAWS)): tf.float32, (): tf.float32}
    signature = [tf.TensorSpec(shape, kind) for shape, kind in shapes.items()]

    def run(pixels: Any, draws: Any, strength: Any) -> Any:
        return augment(pixels, draws, strength, flip)

    return tf.function(run, input_signature=signature)  # type: ignore[no-any-return]
