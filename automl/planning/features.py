"""How much is kept of frozen backbones, see `train.cache`, and what of it looks like a mistake."""

from collections.abc import Iterator
from typing import Any

from automl.data.disk import in_bytes
from automl.data.features import LIMIT_VARIABLE
from automl.models.widths import feature_width
from automl.planning.records import Features, Pictures
from automl.records import AugmentConfig, ModelConfig, TrainConfig
from automl.space import SearchSpace
from automl.training.caching import CachedFeatures, plan_caches


def count_feature_bytes(space: SearchSpace, pictures: Pictures) -> int | None:
    """What all trials may need together: every set that the space allows, but no more than so many trials can need."""
    if pictures.train is None or pictures.validation is None:
        return None
    counts = {"train": pictures.train, "validation": pictures.validation}
    sets: dict[tuple[Any, ...], int] = {}
    most, strong_values = 0, _strong_values(space)
    for model, augment, found in _possible_caches(space):
        for side in space.image_sizes():
            of_trial: dict[tuple[Any, ...], int] = {}
            for each in found:
                width = feature_width(model.backbone, side, each.depth, model.pooling)
                needed = counts[each.side] * each.rows_per_picture * width * (2 if each.precision == "float16" else 4)
                pooling = model.pooling if each.depth == 0 else ""
                key = (str(model.backbone), side, each.depth, pooling, each.side, each.views)
                of_trial[key] = max(needed, of_trial.get(key, 0))
                needed *= strong_values if each.side == "train" and augment.strength > 0 else 1
                sets[key] = max(needed, sets.get(key, 0))
            most = max(most, sum(of_trial.values()))
    return min(most * space.search.trials, sum(sets.values()) * len(space.resizes()))


def _possible_caches(space: SearchSpace) -> Iterator[tuple[ModelConfig, AugmentConfig, set[CachedFeatures]]]:
    """The sets that each kind of trial reads, for all shares of fine-tuning that it may have; all strengths but 0 are of one kind."""
    trains = [
        TrainConfig.model_validate(
            {"epochs": space.epochs, "cache": space.tree["train"]["cache"], "fine_tune": {"epochs_fraction": fraction}}
        )
        for fraction in space.possible("train.fine_tune.epochs_fraction")
    ]
    draws_seed = space.search.seed if space.repeats_strengths() else None
    strengths = space.possible("augment.strength")
    augments = [
        AugmentConfig(strength=strength, flip=flip)
        for strength in {min(strengths), max(strengths)} & {0.0, max(strengths)}
        for flip in space.possible("augment.flip")
    ]
    for flat in space.backbones():
        for unfreeze in space.possible("model.unfreeze"):
            for pooling in space.possible("model.pooling"):
                model = ModelConfig.model_validate({"backbone": flat, "weights": space.weights, "unfreeze": unfreeze, "pooling": pooling})
                for augment in augments:
                    yield model, augment, {each for train in trains for each in plan_caches(model, augment, train, draws_seed=draws_seed)}


def _strong_values(space: SearchSpace) -> int:
    """How many different strengths above 0 there may be."""
    if not space.repeats_strengths():
        return space.search.trials
    return sum(strength > 0 for strength in space.possible("augment.strength"))


def feature_warnings(space: SearchSpace, features: Features) -> list[str]:
    """One sentence for each thing that is allowed but probably not meant."""
    found = []
    cache = space.tree["train"]["cache"]
    if isinstance(cache, dict) and cache["views"] and features.bytes and not space.repeats_strengths():
        found.append(
            f"train.cache: {cache['views']} views are computed for each augment.strength, which is another one in every trial; "
            f"expected a step, such as step: 0.25, or a choice"
        )
    if features.bytes is not None and features.bytes > features.limit_bytes:
        found.append(
            f"features of frozen backbones take up to {in_bytes(features.bytes)}, but at most {in_bytes(features.limit_bytes)} are "
            f"kept in {features.folder}, so that some are computed again; {LIMIT_VARIABLE} sets another limit"
        )
    return found
