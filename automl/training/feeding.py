"""Decides where each phase's inputs come from: features that are stored, features computed as they are needed, or pixels.

Which it is follows from the config alone. Stored or not, a trial's figures are the same beyond rounding, unless it asked
for a number of augmented views or for half precision.
"""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.data import Dataset, Pictures
from automl.data.features import FeatureKey, ensure_features
from automl.models.network import Depth
from automl.records import TrialConfig
from automl.training.caching import CachedFeatures, plan_caches
from automl.training.changes import Augmenter, drawn_views, is_changing, mirrored_views
from automl.training.frozen import BLOCK, Change, FrozenPass, count_threads
from automl.training.inputs import ComputedFeatures, EpochFeatures, Inputs, Pixels, StoredFeatures
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
        kept = plan_caches(config.model, config.augment, config.train, draws_seed=config.draws_seed)
        self._kept_features = {(features.side, features.depth): features for features in kept}
        self._draws_seed = config.seed if config.draws_seed is None else config.draws_seed

    def training(self, depth: Depth) -> Inputs:
        """What a phase that trains this much trains on."""
        config, pictures = self.config.augment, self.dataset.train
        augmenter = Augmenter(config, self._draws_seed, len(pictures))
        changes = augmenter if is_changing(config) else None
        if depth == "all":
            return Pixels(pictures, changes)
        frozen = self.kept.frozen_pass(self.config, depth)
        wanted = self._kept_features.get(("train", depth))
        if wanted is None:
            return ComputedFeatures(pictures, changes, frozen=frozen)
        if wanted.kind == "epochs":
            return EpochFeatures(pictures, augmenter, frozen=frozen, stored=self._by_epoch(wanted, augmenter))
        if wanted.kind == "mirrored":
            views = mirrored_views(config, self._draws_seed, len(pictures))
        else:
            views = drawn_views(config, self._draws_seed, len(pictures), wanted.rows_per_picture)
        features = self._store(wanted, [views.change(view) for view in range(len(views.draws))])
        if features is not None:
            return StoredFeatures(features, pictures.labels, views.shown)
        # Too large for disk and memory together: each epoch computes the same anew, but for rounding.
        return ComputedFeatures(pictures, views, frozen=frozen)

    def validation(self, depth: Depth, *, exactly: bool = False) -> Inputs:
        """What it is validated on; `exactly` never in half precision."""
        pictures = self.dataset.validation
        if depth == "all":
            return Pixels(pictures)
        wanted = self._kept_features.get(("validation", depth))
        if wanted is not None and not exactly:
            features = self._store(wanted, [None])
            if features is not None:
                return StoredFeatures(features, pictures.labels)
        return ComputedFeatures(pictures, frozen=self.kept.frozen_pass(self.config, depth))

    def _by_epoch(self, wanted: CachedFeatures, augmenter: Callable[[int], Change]) -> Callable[[int], NDArray[Any] | None]:
        """The stored features of an epoch, of which the last one is at hand."""

        @functools.lru_cache(maxsize=1)
        def stored(epoch: int) -> NDArray[Any] | None:
            return self._store(wanted, [augmenter(epoch)], epoch=epoch, only_on_disk=True)

        return stored

    def _store(
        self, wanted: CachedFeatures, changes: Sequence[Change | None], *, epoch: int = 0, only_on_disk: bool = False
    ) -> NDArray[Any] | None:
        """The features of each picture after each of the changes, change by change; None where there is no room for them."""
        pictures = self.dataset.train if wanted.side == "train" else self.dataset.validation
        frozen = self.kept.frozen_pass(self.config, wanted.depth)
        rows = len(pictures) * len(changes)
        places = np.arange(len(pictures))

        def blocks() -> Iterator[NDArray[np.float32]]:
            done, started = 0, time.perf_counter()
            for change in changes:
                for block in frozen.blocks(pictures, places, change):
                    done += len(block)
                    speed = done / (time.perf_counter() - started)
                    self.clock.tick(epoch=0, step=done, steps=rows, pictures_per_second=speed)
                    yield block

        return ensure_features(
            self._key(wanted, epoch, pictures, frozen),
            rows=rows,
            width=frozen.width,
            dtype=wanted.precision,
            blocks=blocks,
            only_on_disk=only_on_disk,
            notice=lambda text: print(text, flush=True),  # noqa: T201 - to the trial's log
        )

    def _key(self, wanted: CachedFeatures, epoch: int, pictures: Pictures, frozen: FrozenPass) -> FeatureKey:
        model = self.config.model
        rows = hashlib.blake2b(np.ascontiguousarray(pictures.rows).tobytes(), digest_size=16).hexdigest()
        arguments = "".join(f" {name}={value}" for name, value in sorted(model.backbone.arguments.items()))
        return FeatureKey(
            pictures=f"{self.dataset.fingerprint} {rows} {len(pictures)}",
            side=wanted.side,
            backbone=model.backbone.name + arguments,
            image_size=self.config.data.image_size,
            resize=self.config.data.resize,
            boundary=f"output, {model.pooling}" if wanted.depth == 0 else f"unfreeze {wanted.depth}",
            views=wanted.views,
            epoch=epoch,
            weights=frozen.weights,
            computed_by=_computed_by(frozen.engine),
        )


@functools.cache
def _computed_by(engine: str) -> str:
    """All but the weights that the last bits of a feature depend on."""
    detail = version("ai-edge-litert") if engine == "litert" else f"{count_threads()} threads"
    return f"keras {version('keras')}, tensorflow {tf.__version__}, {engine} {detail}, blocks of {BLOCK}"
