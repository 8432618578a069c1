"""A plan as data."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from automl.searches.devices import Placement


@dataclass(frozen=True)
class PlannedParameter:
    """One parameter in words.

    Attributes:
        name: Its dotted name.
        domain: For example "1e-05 to 0.01, log" or "adam, sgd".
        conditions: All must hold for it to be active, for example "train.optimizer=adam".
        values: How many values it has; None for a continuous one.
    """

    name: str
    domain: str
    conditions: tuple[str, ...]
    values: int | None


@dataclass(frozen=True)
class Pictures:
    """The pictures of a search, as far as listing them tells.

    Attributes:
        path: Where they are, or a built-in's name.
        total: How many there are; None while unknown.
        train: About how many are trained on; None for a built-in that has not been fetched yet.
        validation: About how many choose the winner; None likewise.
        classes: Names, empty while unknown.
    """

    path: str
    total: int | None = None
    train: int | None = None
    validation: int | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disk:
    """Where bytes go.

    Attributes:
        store_bytes: Decoded pictures at all sizes, at most; None while the number of pictures is unknown.
        store_folder: Where they are kept; `store_free_bytes` are free there.
        study_free_bytes: Free where the study's folder lies.
    """

    store_bytes: int | None
    store_folder: str
    store_free_bytes: int
    study_free_bytes: int


@dataclass(frozen=True)
class Features:
    """What is kept of frozen backbones, see `train.cache`.

    Attributes:
        bytes: Of all sets that the trials may need, at most; None while the number of pictures is unknown.
        folder: Where they are kept.
        limit_bytes: What all sets there may take together.
    """

    bytes: int | None
    folder: str
    limit_bytes: int


@dataclass(frozen=True)
class Plan:
    """What a search would do.

    Attributes:
        exists: Whether the study's folder holds trials already; `counted` of them count towards `trials`.
        combinations: Different configs; None when a parameter is continuous.
        epochs: Of one trial; `total_epochs` of all trials that are left, if none is pruned.
        time_seconds: Limit of the search time; None for none.
        sampler: In words; `pruner` likewise.
        placement: Where the workers run.
        missing: What has to be fetched or installed, one sentence each.
        warnings: What is allowed but probably not meant, one sentence each.
    """

    study: str
    folder: str
    exists: bool
    counted: int
    parameters: tuple[PlannedParameter, ...]
    combinations: int | None
    trials: int
    epochs: int
    total_epochs: int
    time_seconds: float | None
    metric: str
    sampler: str
    pruner: str
    placement: Placement
    pictures: Pictures
    image_sizes: tuple[int, ...]
    formats: tuple[str, ...]
    disk: Disk
    features: Features
    missing: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        return dataclasses.asdict(self) | {"placement": {**dataclasses.asdict(self.placement), "description": self.placement.describe()}}
