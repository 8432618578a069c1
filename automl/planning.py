"""What a search would do, without doing it: parameters, budget, devices, disk, what is missing, and what looks like a mistake.

Nothing here imports Keras, TensorFlow or Optuna, so that a plan costs less than a second.
"""

import dataclasses
import importlib.util
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.data import BUILTINS, cache_dir, count_pictures
from automl.data.disk import disk_usage, in_bytes
from automl.data.features import LIMIT_VARIABLE, features_dir, features_limit
from automl.data.sources import Source, open_source
from automl.export.artifacts import EXPORTERS
from automl.models.facts import find_imagenet_file, load_facts
from automl.models.weights import keras_models_folder
from automl.models.widths import feature_width
from automl.records import AugmentConfig, Backbone, Choice, Domain, ModelConfig, TrainConfig
from automl.searches.devices import Placement, place_workers
from automl.searches.folder import StudyFolder
from automl.searches.rules import FIRST_DECIDED_STEP, SAMPLER_PACKAGES, STARTUP_TRIALS, warm_up_steps
from automl.space import SearchSpace
from automl.space.domains import size
from automl.training.caching import CachedFeatures, plan_caches
from automl.training.metrics import explain_undefined
from automl.training.phases import Phase, plan_phases

TRIALS_PER_BRACKET = 40
FEW_VALIDATION_PICTURES = 100
_MAX_OPTIONS_SHOWN = 8


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


def make_plan(space: SearchSpace, folder: StudyFolder) -> Plan:
    """Say what a search of this space in this folder would do.

    Args:
        space: What may vary.
        folder: Where its study is or would be; nothing is created.

    Raises:
        SpaceError: A device is named that is not there.
        DataError: The pictures cannot be listed.
    """
    settings = space.search
    results = list(folder.results())
    counted = sum(result.counted for result in results)
    placement = place_workers(settings.devices, settings.workers, settings.threads_per_worker, settings.trials)
    pictures = _pictures(space)
    disk = _disk(space, pictures, folder)
    features = Features(_feature_bytes(space, pictures), str(features_dir()), features_limit())
    return Plan(
        study=space.study,
        folder=str(folder.path),
        exists=bool(folder.numbers()),
        counted=counted,
        parameters=tuple(
            PlannedParameter(p.name, describe_domain(p.domain), tuple(str(condition) for condition in p.conditions), size(p.domain))
            for p in space.parameters
        ),
        combinations=space.combinations(),
        trials=settings.trials,
        epochs=space.epochs,
        total_epochs=max(0, settings.trials - counted) * space.epochs,
        time_seconds=settings.time,
        metric=settings.metric,
        sampler=_strategy(settings.sampler.name, settings.sampler.options),
        pruner=_strategy(settings.pruner.name, _pruner_options(space)),
        placement=placement,
        pictures=pictures,
        image_sizes=space.image_sizes(),
        formats=tuple(space.export.formats),
        disk=disk,
        features=features,
        missing=(*_missing_weights(space), *_missing_packages(space)),
        warnings=tuple(_warnings(space, placement, pictures, disk)) + tuple(_feature_warnings(space, features)),
    )


# --- in words --------------------------------------------------------------------------------------------------------


def describe_domain(domain: Domain) -> str:
    """A domain as one reads it: "0 to 5", "1e-05 to 0.01, log", "0 to 1 in steps of 0.25", "adam, sgd"."""
    if isinstance(domain, Choice):
        shown = ", ".join(str(option) for option in domain.options[:_MAX_OPTIONS_SHOWN])
        rest = len(domain.options) - _MAX_OPTIONS_SHOWN
        return f"{shown} and {rest} more" if rest > 0 else shown
    text = f"{domain.low:g} to {domain.high:g}"
    if domain.log:
        text += ", log"
    if domain.step is not None and not (domain.kind == "int" and domain.step == 1):
        text += f" in steps of {domain.step:g}"
    return text


def _strategy(name: str, options: dict[str, Any]) -> str:
    return f"{name} ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else name


def _pruner_options(space: SearchSpace) -> dict[str, Any]:
    """The pruner's options with the defaults that follow from the number of epochs."""
    pruner = space.search.pruner
    defaults: dict[str, Any] = {}
    if pruner.name in ("median", "percentile"):
        defaults = {"n_startup_trials": STARTUP_TRIALS, "n_warmup_steps": warm_up_steps(space.epochs)}
    elif pruner.name == "hyperband":
        defaults = {"min_resource": 1, "max_resource": space.epochs, "reduction_factor": 3}
    elif pruner.name == "patient":
        defaults = {"patience": max(1, space.epochs // 4)}
    return defaults | pruner.options


# --- pictures and disk -----------------------------------------------------------------------------------------------


def _pictures(space: SearchSpace) -> Pictures:
    path = space.data_path
    if path in BUILTINS and path != "digits" and not (cache_dir() / "builtins" / f"{path}.npz").is_file():
        return Pictures(path, count_pictures(path))
    source = open_source(path)
    return Pictures(path, len(source.entries), *_counts(source, space), source.classes)


def _counts(source: Source, space: SearchSpace) -> tuple[int, int]:
    """About how many pictures train and validate; what the source does not divide is divided by the shares of the space."""
    sides = Counter(entry.split for entry in source.entries)
    total = len(source.entries)
    left_to_us = total - sides["test"] if sides["test"] else total
    validation = sides["validation"] or round(left_to_us * space.validation)
    test = sides["test"] or round(total * space.test)
    return max(0, total - validation - test), validation


def _disk(space: SearchSpace, pictures: Pictures, folder: StudyFolder) -> Disk:
    needed = None
    if pictures.total is not None:
        needed = sum(pictures.total * side * side * 3 for side in space.image_sizes() for _ in space.resizes())
    return Disk(needed, str(cache_dir()), free_bytes(cache_dir()), free_bytes(folder.path))


def free_bytes(path: Path) -> int:
    """Free bytes where a path lies or would lie."""
    return disk_usage(path)[1]


# --- features of frozen backbones ------------------------------------------------------------------------------------


def _feature_bytes(space: SearchSpace, pictures: Pictures) -> int | None:
    """What all trials may need together: every set that the space allows, but no more than so many trials can need."""
    if pictures.train is None or pictures.validation is None:
        return None
    counts = {"train": pictures.train, "validation": pictures.validation}
    sets: dict[tuple[Any, ...], int] = {}
    most, strong_values = 0, _strong_values(space)
    for model, augment, found in _possible_caches(space):
        for side in space.image_sizes():
            of_trial = 0
            for each in found:
                width = feature_width(model.backbone, side, each.depth, model.pooling)
                needed = counts[each.side] * each.rows_per_picture * width * (2 if each.precision == "float16" else 4)
                of_trial += needed
                pooling = model.pooling if each.depth == 0 else ""
                key = (str(model.backbone), side, each.depth, pooling, each.side, each.views)
                sets[key] = needed * (strong_values if each.side == "train" and augment.strength > 0 else 1)
            most = max(most, of_trial)
    return min(most * space.search.trials, sum(sets.values()) * len(space.resizes()))


def _possible_caches(space: SearchSpace) -> Iterator[tuple[ModelConfig, AugmentConfig, set[CachedFeatures]]]:
    """The sets that each kind of trial reads, for all shares of fine-tuning that it may have; all strengths but 0 are of one kind."""
    trains = [
        TrainConfig.model_validate(
            {"epochs": space.epochs, "cache": space.tree["train"]["cache"], "fine_tune": {"epochs_fraction": fraction}}
        )
        for fraction in space.possible("train.fine_tune.epochs_fraction")
    ]
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
                    yield model, augment, {each for train in trains for each in plan_caches(model, augment, train)}


def _strong_values(space: SearchSpace) -> int:
    """How many different strengths above 0 there may be."""
    if _draws_strengths_anew(space):
        return space.search.trials
    return sum(strength > 0 for strength in space.possible("augment.strength"))


def _draws_strengths_anew(space: SearchSpace) -> bool:
    """Whether each trial has a strength of its own, and with it views that no other trial can use."""
    return any(size(parameter.domain) is None for parameter in space.parameters if parameter.field == "augment.strength")


def _feature_warnings(space: SearchSpace, features: Features) -> list[str]:
    found = []
    cache = space.tree["train"]["cache"]
    if isinstance(cache, dict) and cache["views"] and features.bytes and _draws_strengths_anew(space):
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


# --- what is missing -------------------------------------------------------------------------------------------------


def _missing_weights(space: SearchSpace) -> list[str]:
    weights = space.weights
    if weights == "none":
        return []
    if weights != "imagenet":
        return [] if Path(weights).is_file() else [f"model.weights: there is no file {weights}"]
    home = keras_models_folder()
    files: dict[str, str] = {}
    found = []
    for flat in space.backbones():
        backbone = Backbone.model_validate(flat)
        if not load_facts()[backbone.name]["pretrained"]:
            continue
        for side in space.image_sizes():
            file = find_imagenet_file(backbone, side)
            if file is None:
                found.append(f"model.weights: there are no ImageNet weights for {_described(backbone)} at {side} px")
            elif not (home / file.name).exists():
                files.setdefault(file.name, _described(backbone))
    found += [f"{name}: ImageNet weights of {who}, not in {home}; the search downloads them first" for name, who in files.items()]
    return list(dict.fromkeys(found))


def _described(backbone: Backbone) -> str:
    arguments = ", ".join(f"{name} {value}" for name, value in backbone.arguments.items())
    return f"{backbone.name} ({arguments})" if arguments else backbone.name


def _missing_packages(space: SearchSpace) -> list[str]:
    found = []
    sampler = space.search.sampler.name
    absent = [package for package in SAMPLER_PACKAGES.get(sampler, ()) if importlib.util.find_spec(package) is None]
    if absent:
        found.append(f"search.sampler: {sampler} needs {' and '.join(absent)}; run `pip install 'automl[samplers]'`")
    for name in space.export.formats:
        absent = [package for package in EXPORTERS[name].needs if importlib.util.find_spec(package) is None]
        if absent:
            found.append(f"export.formats: {name} needs {' and '.join(absent)}; run `pip install 'automl[export]'`")
    return found


# --- what looks like a mistake ---------------------------------------------------------------------------------------


def _warnings(space: SearchSpace, placement: Placement, pictures: Pictures, disk: Disk) -> list[str]:
    found = [*_pruner_warnings(space), *_sampler_warnings(space), *_metric_warnings(space, pictures), *_warmup_warnings(space)]
    if space.test == 0:
        found.append("data.test is 0: the validation pictures choose the winner, so its value is optimistic, and nothing says by how much")
    if pictures.validation is not None and pictures.validation < FEW_VALIDATION_PICTURES:
        worth = f"one picture is {1 / pictures.validation:.1%} of the value" if pictures.validation else "none may be left for a class"
        found.append(f"data.validation: about {pictures.validation} choose the winner ({worth}); close trials cannot be told apart")
    if not placement.gpus and placement.workers * placement.threads > (cores := _cores()):
        found.append(f"search.workers: {placement.workers} workers share {cores} cores; each will be slow")
    if disk.store_bytes is not None and disk.store_bytes > disk.store_free_bytes:
        found.append(
            f"the decoded pictures take up to {disk.store_bytes / 1e9:.1f} GB, but {disk.store_folder} has "
            f"{disk.store_free_bytes / 1e9:.1f} GB free; AUTOML_CACHE_DIR names another folder"
        )
    return found


def _metric_warnings(space: SearchSpace, pictures: Pictures) -> list[str]:
    """Of a metric that no trial can have, as far as the number of classes tells."""
    count = len(pictures.classes)
    reason = explain_undefined(space.search.metric, range(count), count) if count else None
    return [f"search.metric: every trial will fail: {reason}"] if reason else []


def _warmup_warnings(space: SearchSpace) -> list[str]:
    """Of a learning rate that does nothing but rise."""
    longest = max(space.possible("train.warmup_epochs"))
    shortest = min(phase.epochs for phases in _possible_phases(space) for phase in phases)
    if longest == 0 or longest < shortest:
        return []
    return [f"train.warmup_epochs: {longest:g}, but a phase may have {shortest} epochs; its learning rate reaches the peak only at the end"]


def _cores() -> int:
    """Cores that one worker with automatic threads would get: what this process may use."""
    return place_workers("cpu", 1, "auto").threads


def last_decided_step(space: SearchSpace) -> int:
    """The last epoch after which a trial may be pruned; 0 when its phases are too short for any decision.

    Nothing is decided in the first two epochs of a phase, nor after the last epoch.
    """
    last = 0
    for phases in _possible_phases(space):
        end = 0
        for phase in phases:
            end += phase.epochs
            step = min(end, space.epochs - 1)
            if step - (end - phase.epochs) >= FIRST_DECIDED_STEP:
                last = max(last, step)
    return last


def _possible_phases(space: SearchSpace) -> Iterator[tuple[Phase, ...]]:
    """The phases of each kind of trial that there may be."""
    is_whole = space.weights == "none" or not any(load_facts()[flat["name"]]["pretrained"] for flat in space.backbones())
    for fraction in space.possible("train.fine_tune.epochs_fraction"):
        train = TrainConfig.model_validate({"epochs": space.epochs, "fine_tune": {"epochs_fraction": fraction}})
        for unfreeze in space.possible("model.unfreeze"):
            yield plan_phases(train, is_whole=is_whole, is_frozen=unfreeze in (0, None))


def _pruner_warnings(space: SearchSpace) -> list[str]:
    name, options, trials = space.search.pruner.name, _pruner_options(space), space.search.trials
    if name == "none":
        return []
    last = last_decided_step(space)
    if last == 0:
        return [
            f"search.pruner: with train.epochs {space.epochs} no trial is ever pruned, because nothing is decided in the first two epochs "
            f"of a phase or after the last; expected longer trials, or pruner: none"
        ]
    found = []
    startup = options.get("n_startup_trials", 0)
    if trials <= startup:
        found.append(f"search.pruner: {name} begins after {startup} complete trials, but search.trials is {trials}; nothing will be pruned")
    first = _first_wanted_step(name, options)
    if first > last:
        found.append(f"search.pruner: {name} first decides after epoch {first}, but no trial can be stopped after epoch {last}")
    if name == "hyperband":
        found += _hyperband_warnings(options, trials)
    return found


def _first_wanted_step(name: str, options: dict[str, Any]) -> int:
    """The first epoch at which the pruner itself would decide."""
    if name in ("median", "percentile"):
        return int(options["n_warmup_steps"])
    if name == "patient":
        return int(options["patience"]) + 2
    resource = options.get("min_resource", "auto")
    if name == "halving" and resource != "auto":
        spread: int = options.get("reduction_factor", 4) ** options.get("min_early_stopping_rate", 0)
        return int(resource) * spread
    return int(resource) if resource != "auto" else 1


def _hyperband_warnings(options: dict[str, Any], trials: int) -> list[str]:
    factor, longest = int(options["reduction_factor"]), options["max_resource"]
    if longest == "auto":
        return []
    # As in Optuna: a trial's bracket follows from these shares, and TPE learns only from the trials of its own bracket.
    brackets = math.floor(math.log(int(longest) / int(options["min_resource"]), factor)) + 1
    shares = [math.ceil(brackets * factor**s / (s + 1)) for s in range(brackets)]
    fewest = trials * min(shares) // sum(shares)
    if brackets == 1 or fewest >= TRIALS_PER_BRACKET:
        return []
    return [
        f"search.pruner: hyperband divides {trials} trials among {brackets} brackets, so that one gets about {fewest} and "
        f"the sampler has little to learn from; expected at least {TRIALS_PER_BRACKET} a bracket, or use median"
    ]


def _sampler_warnings(space: SearchSpace) -> list[str]:
    combinations, trials, is_grid = space.combinations(), space.search.trials, space.search.sampler.name == "grid"
    if combinations is None:
        return []
    if is_grid and trials < combinations:
        return [f"search.sampler: grid has {combinations:,} combinations, but search.trials is {trials:,}; it will be incomplete"]
    if is_grid and trials > combinations:
        return [f"search.trials: {trials:,}, but the grid is complete after {combinations:,}; the search ends there"]
    if not is_grid and trials > combinations:
        return [
            f"search.trials: {trials:,}, but there {'is' if combinations == 1 else 'are'} only {combinations:,} "
            f"combination{'' if combinations == 1 else 's'}; sampler: grid tries each once"
        ]
    return []
