"""Decides where each phase's inputs come from: features that are stored, features computed as they are needed, or pixels.

Which it is follows from the config alone. Stored or not, a trial's figures are the same beyond rounding, unless it asked
for a number of augmented views or for half precision.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.data import Dataset, Pictures
from automl.data.features import FeatureKey, ensure_features
from automl.models.augmentation import DRAWS, draw, is_mirrored_along
from automl.models.network import Depth
from automl.models.seeds import derive_seed
from automl.records import TrialConfig
from automl.training.caching import WAYS, CachedFeatures, plan_caches
from automl.training.changes import Augmenter, Draws, change, is_changing
from automl.training.frozen import BLOCK, FrozenPass, count_threads
from automl.training.inputs import ComputedFeatures, Inputs, Pixels, Places, StoredFeatures
from automl.training.kept import Kept
from automl.training.progress import ProgressClock


@dataclass
class Feeder:
    """The inputs of one trial."""

    config: TrialConfig
    dataset: Dataset
    kept: Kept
    clock: ProgressClock

    def __post_init__(self) -> None:
        config = self.config
        kept = plan_caches(config.model, config.augment, config.train)
        self._kept_features = {(features.side, features.depth): features for features in kept}
        self._augmenter = Augmenter(config.augment, config.seed, len(self.dataset.train))

    def training(self, depth: Depth) -> Inputs:
        """What a phase that trains this much trains on."""
        pictures = self.dataset.train
        augmenter = self._augmenter if is_changing(self.config.augment) else None
        if depth == "all":
            return Pixels(pictures, augmenter)
        wanted = self._kept_features.get(("train", depth))
        if wanted is not None and self.config.augment.strength > 0:
            return self._store_views(wanted)
        if wanted is not None:
            with suppress(MemoryError):
                return self._store_mirrored(wanted)
        # Augmented without end, or too large for disk and memory together: the same features, but for rounding, in every epoch.
        return ComputedFeatures(pictures, self.kept.frozen_pass(self.config, depth), augmenter)

    def validation(self, depth: Depth, *, exactly: bool = False) -> Inputs:
        """What it is validated on; `exactly` never in half precision."""
        pictures = self.dataset.validation
        if depth == "all":
            return Pixels(pictures)
        wanted = self._kept_features.get(("validation", depth))
        if wanted is not None and not exactly:
            with suppress(MemoryError):
                return StoredFeatures(self._store(wanted, [None]), pictures.labels)
        return ComputedFeatures(pictures, self.kept.frozen_pass(self.config, depth))

    def _store_mirrored(self, wanted: CachedFeatures) -> Inputs:
        """The features of each picture in each of the ways in which it can be mirrored, of which each epoch draws one."""
        pictures, flip = self.dataset.train, self.config.augment.flip
        ways = WAYS[flip]
        features = self._store(wanted, [None if way == 0 else _mirrored(way, len(pictures)) for way in ways])

        def view(epoch: int) -> Places:
            left_right, upside_down = is_mirrored_along(self._augmenter.draws(epoch), flip)
            return np.searchsorted(ways, left_right + 2 * upside_down).astype(np.int64)

        return StoredFeatures(features, pictures.labels, None if len(ways) == 1 else view)

    def _store_views(self, wanted: CachedFeatures) -> Inputs:
        """The features of each picture in some augmented views, the same for all trials, of which each epoch takes one at random."""
        pictures, views = self.dataset.train, wanted.rows_per_picture
        features = self._store(wanted, [draw(len(pictures), seed=0, epoch=view) for view in range(1, views + 1)])

        def view(epoch: int) -> Places:
            return np.random.default_rng([derive_seed(self.config.seed, "view"), epoch]).integers(0, views, len(pictures))

        return StoredFeatures(features, pictures.labels, view)

    def _store(self, wanted: CachedFeatures, changes: Sequence[Draws | None]) -> NDArray[Any]:
        """The features of each picture after each of the changes, change by change."""
        pictures = self.dataset.train if wanted.side == "train" else self.dataset.validation
        frozen = self.kept.frozen_pass(self.config, wanted.depth)
        rows = len(pictures) * len(changes)
        places = np.arange(len(pictures))

        def blocks() -> Iterator[NDArray[np.float32]]:
            done, started = 0, time.perf_counter()
            for draws in changes:
                for block in frozen.blocks(pictures, places, self._fixed(draws)):
                    done += len(block)
                    speed = done / (time.perf_counter() - started)
                    self.clock.tick(epoch=0, step=done, steps=rows, pictures_per_second=speed)
                    yield block

        return ensure_features(
            self._key(wanted, pictures, frozen),
            rows=rows,
            width=frozen.width,
            dtype=wanted.precision,
            blocks=blocks,
            notice=lambda text: print(text, flush=True),  # noqa: T201 - to the trial's log
        )

    def _fixed(self, draws: Draws | None) -> Callable[[NDArray[np.uint8], Places], NDArray[Any]] | None:
        if draws is None:
            return None
        return lambda pixels, places: change(pixels, draws[places], self.config.augment)

    def _key(self, wanted: CachedFeatures, pictures: Pictures, frozen: FrozenPass) -> FeatureKey:
        model = self.config.model
        rows = hashlib.blake2b(np.ascontiguousarray(pictures.rows).tobytes(), digest_size=16).hexdigest()
        arguments = "".join(f" {name}={value}" for name, value in sorted(model.backbone.arguments.items()))
        engine = f"{frozen.engine} {version('ai-edge-litert')}" if frozen.engine == "litert" else f"{count_threads()} threads"
        return FeatureKey(
            pictures=f"{self.dataset.fingerprint} {rows} {len(pictures)}",
            side=wanted.side,
            backbone=model.backbone.name + arguments,
            image_size=self.config.data.image_size,
            resize=self.config.data.resize,
            boundary=f"output, {model.pooling}" if wanted.depth == 0 else f"{wanted.depth} stages",
            views=wanted.views,
            weights=frozen.weights,
            computed_by=f"keras {version('keras')}, tensorflow {tf.__version__}, {engine}, blocks of {BLOCK}",
        )


def _mirrored(way: int, count: int) -> Draws:
    """Draws that mirror every picture in one of `WAYS`."""
    draws = np.ones((count, len(DRAWS)), np.float32)
    draws[:, DRAWS.index("mirror_x")] = -1.0 if way & 1 else 1.0
    draws[:, DRAWS.index("mirror_y")] = -1.0 if way & 2 else 1.0
    return draws
