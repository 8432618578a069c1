"""Says what a search would do."""

from collections import Counter

from automl.data import BUILTINS, cache_dir, count_pictures
from automl.data.disk import free_bytes
from automl.data.features import features_dir, features_limit
from automl.data.sources import Source, open_source
from automl.planning.features import count_feature_bytes, feature_warnings
from automl.planning.missing import find_missing
from automl.planning.mistakes import find_mistakes, pruner_options
from automl.planning.records import Disk, Features, Pictures, Plan, PlannedParameter
from automl.planning.words import describe_domain, describe_strategy
from automl.searches.devices import place_workers
from automl.searches.folder import StudyFolder
from automl.space import SearchSpace
from automl.space.domains import size


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
    features = Features(count_feature_bytes(space, pictures), str(features_dir()), features_limit())
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
        sampler=describe_strategy(settings.sampler.name, settings.sampler.options),
        pruner=describe_strategy(settings.pruner.name, pruner_options(space)),
        placement=placement,
        pictures=pictures,
        image_sizes=space.image_sizes(),
        formats=tuple(space.export.formats),
        disk=disk,
        features=features,
        missing=tuple(find_missing(space)),
        warnings=tuple(find_mistakes(space, placement, pictures, disk)) + tuple(feature_warnings(space, features)),
    )


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
