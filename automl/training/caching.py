"""What a trial reads from the store of frozen features instead of computing it again; a rule about its config alone.

Validation pictures never change, so theirs are always kept. Training pictures change in every epoch, so theirs are kept where
augmentation has finitely many outcomes, where `train.cache` says how many are enough, or where other trials draw the same.
"""

from dataclasses import dataclass
from typing import Literal

from automl.models.facts import facts_of, is_pretrained
from automl.records import AugmentConfig, CacheConfig, ModelConfig, TrainConfig
from automl.training.phases import PhaseName, plan_phases

WAYS = {"none": (0,), "horizontal": (0, 1), "vertical": (0, 2), "both": (0, 1, 2, 3)}
"""For each `augment.flip` the ways in which a picture may be mirrored: 0 not at all, 1 left to right, 2 upside down, 3 both."""


@dataclass(frozen=True)
class CachedFeatures:
    """One set of features that a phase of a trial reads.

    Attributes:
        depth: Stages from the boundary to the output; 0 for the backbone's output, as the head takes it.
        kind: "mirrored" in each way, in a fixed number of "views", or, for as many "epochs", in the view of each one.
        views: Under which changes each picture is taken, in words that tell different changes apart.
        rows_per_picture: How many views that are.
        precision: Of the kept values.
    """

    phase: PhaseName
    side: Literal["train", "validation"]
    depth: int
    kind: Literal["mirrored", "views", "epochs"]
    views: str
    rows_per_picture: int
    precision: Literal["float32", "float16"]


def plan_caches(
    model: ModelConfig, augment: AugmentConfig, train: TrainConfig, *, draws_seed: int | None = None
) -> tuple[CachedFeatures, ...]:
    """The sets that a trial with these settings reads, in the order in which it needs them.

    Args:
        draws_seed: As in the trial's config. Where trials share what augmentation draws, each epoch's vectors are kept for the next
            trial; its maps would be too large.

    Raises:
        BuildError: There is no such backbone.
    """
    if train.cache == "none" or not is_pretrained(model):
        return ()
    unfreeze = model.unfreeze or 0
    stages = len(facts_of(model.backbone)["stages"])
    settings = train.cache if isinstance(train.cache, CacheConfig) else CacheConfig()
    found = []
    for phase in plan_phases(train, is_whole=False, is_frozen=unfreeze == 0):
        if phase.name == "fine_tune" and (unfreeze == "all" or unfreeze >= stages):
            continue
        depth = 0 if phase.name == "head" or unfreeze == "all" else unfreeze
        is_vector = depth == 0 and model.pooling != "flatten"
        precision = "float32" if is_vector else settings.maps
        views = _training_views(augment, settings.views, phase.epochs, draws_seed if is_vector else None)
        if views is not None:
            found.append(CachedFeatures(phase.name, "train", depth, *views, precision))
        found.append(CachedFeatures(phase.name, "validation", depth, "mirrored", "none", 1, precision))
    return tuple(found)


def _training_views(
    augment: AugmentConfig, wanted: int | None, epochs: int, draws_seed: int | None
) -> tuple[Literal["mirrored", "views", "epochs"], str, int] | None:
    """The views of each training picture, in words, and their number; None where they have no end."""
    flip = "" if augment.flip == "none" else f", flip {augment.flip}"
    if augment.strength == 0:
        return "mirrored", flip.removeprefix(", ") or "none", len(WAYS[augment.flip])
    if wanted is not None:
        return "views", f"{wanted} at strength {augment.strength}{flip}", wanted
    if draws_seed is not None:
        return "epochs", f"at strength {augment.strength}{flip}, seed {draws_seed}", epochs
    return None
