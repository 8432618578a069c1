"""What happens to training pictures in an epoch: a trial's augmentation, without end or from a fixed number of views."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.models.augmentation import DRAWS, augment, draw, is_mirrored_along, mirror
from automl.models.seeds import derive_seed
from automl.records import AugmentConfig
from automl.training.caching import WAYS
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
        seed: Of what is drawn, see `TrialConfig.draws_seed`.
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


@dataclass(frozen=True)
class Views:
    """A fixed number of views of each picture, of which each epoch shows one.

    Attributes:
        config: Strength and mirroring.
        draws: What is drawn for each view: (views, pictures, draws).
        shown: Called with an epoch: the view of each picture in it.
    """

    config: AugmentConfig
    draws: Draws
    shown: Callable[[int], NDArray[np.int64]]

    def change(self, view: int) -> Change:
        """The change that gives one view of each picture."""
        return lambda pixels, places: change(pixels, self.draws[view, places], self.config)

    def __call__(self, epoch: int) -> Change:
        """The change of an epoch."""
        shown = self.shown(epoch)
        return lambda pixels, places: change(pixels, self.draws[shown[places], places], self.config)


def drawn_views(config: AugmentConfig, seed: int, count: int, views: int) -> Views:
    """Augmented views, the same for all trials; which of them an epoch shows follows from the seed.

    Args:
        config: Strength and mirroring.
        seed: Of what is drawn, see `TrialConfig.draws_seed`.
        count: Pictures of the split.
        views: Of each picture.
    """

    def shown(epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([derive_seed(seed, "view"), epoch]).integers(0, views, count)

    return Views(config, np.stack([draw(count, seed=0, epoch=view) for view in range(1, views + 1)]), shown)


def mirrored_views(config: AugmentConfig, seed: int, count: int) -> Views:
    """Each of the ways in which pictures may be mirrored; an epoch shows the one that `Augmenter` would draw."""
    ways = WAYS[config.flip]
    draws = np.ones((len(ways), count, len(DRAWS)), np.float32)
    for view, way in enumerate(ways):
        draws[view, :, DRAWS.index("mirror_x")] = -1.0 if way & 1 else 1.0
        draws[view, :, DRAWS.index("mirror_y")] = -1.0 if way & 2 else 1.0

    def shown(epoch: int) -> NDArray[np.int64]:
        left_right, upside_down = is_mirrored_along(draw(count, seed=seed, epoch=epoch), config.flip)
        return np.searchsorted(ways, left_right + 2 * upside_down).astype(np.int64)

    return Views(config, draws, shown)


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
