"""Mistakes that no single field shows: conditions, weights, sizes, budgets and start values that do not fit together."""

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any

from automl.records import METRICS, Choice
from automl.space import backbones, conditions, domains
from automl.space.backbones import BackboneEntry
from automl.space.parameters import (
    BACKBONE,
    Entry,
    Fields,
    backbone_options,
    conditions_of,
    fields_of,
)
from automl.space.problems import Path, Problems, listed, shown, some
from automl.space.start import check_start
from automl.space.strategies import Strategy, steps_to_first_decision

_STUDY_NAME = re.compile(r"[^\W_][\w.-]{0,99}")


def run(tree: Mapping[str, Any], problems: Problems) -> Fields:
    """Check a normalised tree as a whole; fields that are already known to be broken are passed over."""
    fields = fields_of(tree)
    _check_study(tree, problems)
    _check_data(tree, problems)
    _check_labels(fields, problems)
    _check_weights(tree, problems)
    _check_imagenet(tree, fields, problems)
    _check_unfreeze(tree, fields, problems)
    _check_sizes(tree, fields, problems)
    _check_search(tree, fields, problems)
    conditions.check_conditions(fields, problems)
    check_start(tree, fields, problems)
    return fields


def _check_study(tree: Mapping[str, Any], problems: Problems) -> None:
    name = tree["study"]
    if not _STUDY_NAME.fullmatch(name) or name.endswith("."):
        what = "expected letters, digits, '.', '-' and '_', beginning with a letter or digit, at most 100"
        problems.add(("study",), f"{what}, because the study's folder has this name, but got {shown(name)}")


def _check_data(tree: Mapping[str, Any], problems: Problems) -> None:
    data = tree["data"]
    if not data["path"]:
        problems.add(("data", "path"), "expected a path or the name of a built-in, but got an empty text")
    if data["validation"] + data["test"] >= 1 and not problems.is_broken(("data", "validation")):
        got = f"{data['validation']:g} + {data['test']:g}"
        problems.add(("data", "validation"), f"validation and test must leave pictures for training, together below 1, but got {got}")


def _check_labels(fields: Fields, problems: Problems) -> None:
    for entry in fields.entries.get(BACKBONE, []):
        labels = list(entry.domain.options) if isinstance(entry.domain, Choice) else []
        for index, label in enumerate(labels):
            if label in labels[:index]:
                message = f"expected options that differ in their name or arguments, not in domains alone, but got {shown(label)} twice"
                problems.add((*entry.place, "choice", index), message, shows=("model", "backbone"))
                problems.broken.add(("model", "backbone"))


def _entries(tree: Mapping[str, Any]) -> list[BackboneEntry]:
    return [backbones.catalog()[option["name"]] for option in backbone_options(tree)]


# --- weights ---------------------------------------------------------------------------------------------------------


def _check_weights(tree: Mapping[str, Any], problems: Problems) -> None:
    place: Path = ("model", "weights")
    weights = tree["model"]["weights"]
    if problems.is_broken(place) or weights in ("imagenet", "none"):
        return
    if not weights or not os.path.exists(weights):
        near = difflib.get_close_matches(os.path.basename(weights), ["imagenet", "none"], n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        problems.add(place, f"expected imagenet, none or an existing file, but there is no '{weights}'{hint}")
    elif not problems.is_broken(("model", "backbone")) and not any(entry.pretrained for entry in _entries(tree)):
        names = listed(dict.fromkeys(entry.name for entry in _entries(tree)), "and")
        problems.add(place, f"{names} always starts from random weights; expected none, but got '{weights}'")


def _check_imagenet(tree: Mapping[str, Any], fields: Fields, problems: Problems) -> None:
    if tree["model"]["weights"] != "imagenet" or problems.is_broken(("model", "backbone")):
        return
    for place, option in _options_with_places(tree, fields):
        entry = backbones.catalog()[option["name"]]
        if not entry.pretrained:
            continue
        wrong = [name for name in option if name != "name" and _unpublished(entry, name, option[name])]
        for name in wrong:
            known = entry.arguments[name]["imagenet"]
            message = f"with weights: imagenet the {name} of {entry.name} must be {listed(known)}, but got {shown(option[name])}"
            problems.add((*place, name), f"{message}; or train it from scratch with weights: none", shows=("model", "backbone"))
        if wrong:
            continue
        for combination in backbones.combinations(option):
            arguments = {name: value for name, value in combination.items() if name != "name"}
            if not entry.has_imagenet(arguments):
                message = f"there are no imagenet weights for {entry.name} with {shown(arguments)}"
                message += f", only for {entry.describe_imagenet()}; or train it from scratch with weights: none"
                problems.add(place, message, shows=("model", "backbone"))
                break


def _options_with_places(tree: Mapping[str, Any], fields: Fields) -> list[tuple[Path, dict[str, Any]]]:
    if BACKBONE not in fields.entries:
        return [(("model", "backbone"), tree["model"]["backbone"])]
    found: list[tuple[Path, dict[str, Any]]] = []
    for domain in fields.entries[BACKBONE]:
        found += [((*domain.place, "choice", index), option) for index, option in enumerate(domain.raw["choice"])]
    return found


def _unpublished(entry: BackboneEntry, name: str, value: Any) -> bool:
    known = entry.arguments[name].get("imagenet")
    if known is None:
        return False
    for _, raw in domains.entries(value):
        domain = domains.as_record(raw)
        if domains.size(domain) is None or any(item not in known for item in domains.finite_values(domain)):
            return True
    return not domains.entries(value) and value not in known


def _check_unfreeze(tree: Mapping[str, Any], fields: Fields, problems: Problems) -> None:
    if problems.is_broken(("model", "weights")) or problems.is_broken(("model", "backbone")):
        return
    options = _entries(tree)
    if tree["model"]["weights"] != "none" and any(entry.pretrained for entry in options):
        return
    without = "with weights: none" if tree["model"]["weights"] == "none" else f"{options[0].name} is never pretrained, so"
    why = f"{without} the backbone starts from random weights and there is nothing worth keeping frozen"
    stages = max(entry.stages for entry in options)
    for place, value in _written("model.unfreeze", tree, fields):
        low = [item for item in value if item not in ("all", None) and item < stages]
        if low:
            problems.add(place, f"{why}; expected 'all', but got {shown(low[0])}; leave unfreeze out", shows=("model", "unfreeze"))
    for place, value in _written("model.batch_normalization", tree, fields):
        if "inference" in value:
            message = f"{without} BatchNormalization has no statistics yet, so in inference mode nothing is learned"
            problems.add(place, f"{message}; expected 'training', but got 'inference'", shows=("model", "batch_normalization"))


def _written(name: str, tree: Mapping[str, Any], fields: Fields) -> list[tuple[Path, list[Any]]]:
    """The values that the file gives for a field, with their places; of a continuous range the ends."""
    if name in fields.entries:
        return [(entry.place, domains.finite_values(entry.domain)) for entry in fields.entries[name]]
    path: Path = tuple(name.split("."))
    held: Any = tree
    for part in path:
        held = held[part]
    return [(path, [held])]


def _check_sizes(tree: Mapping[str, Any], fields: Fields, problems: Problems) -> None:
    place: Path = ("data", "image_size")
    if problems.is_broken(place) or problems.is_broken(("model", "backbone")):
        return
    entries: list[Entry | None] = [*fields.entries.get("data.image_size", [])] or [None]
    written = _written("data.image_size", tree, fields)
    names: dict[int, list[str]] = {}
    for backbone in dict.fromkeys(entry.name for entry in _entries(tree)):
        names.setdefault(backbones.catalog()[backbone].minimum_size, []).append(backbone)
    for entry, (at, values) in zip(entries, written, strict=True):
        for smallest in sorted(names):
            small = [value for value in values if value < smallest]
            met = [name for name in names[smallest] if entry is None or _may_meet(entry, name, fields)]
            if small and met:
                need = "needs" if len(met) == 1 else "need"
                problems.add(at, f"{some(met)} {need} pictures of at least {smallest} pixels, but got {small[0]}", shows=place)


def _may_meet(entry: Entry, name: str, fields: Fields) -> bool:
    """Whether a domain can be active beside a backbone, as far as its own conditions on the backbone say."""
    for condition in conditions_of(entry, fields):
        if condition.reference == BACKBONE and condition.values is not None:
            return any(str(value).split("(")[0] == name for value in condition.values)
    return True


# --- the search ------------------------------------------------------------------------------------------------------


def _check_search(tree: Mapping[str, Any], fields: Fields, problems: Problems) -> None:
    search = tree["search"]
    direction = search["direction"]
    better = METRICS[search["metric"]]
    if direction is not None and direction != better and not problems.is_broken(("search", "metric")):
        problems.add(("search", "direction"), f"expected {better} for {search['metric']}, but got {direction}; leave it out")
    if search["sampler"]["name"] == "grid":
        for name, entries in fields.entries.items():
            for entry in entries:
                if domains.size(entry.domain) is None:
                    message = "the grid sampler needs a step here, or a choice, because a range of reals has no end of values"
                    problems.add(entry.place, message, shows=tuple(name.split(".")))
    delay = steps_to_first_decision(Strategy(**search["pruner"]))
    epochs = tree["train"]["epochs"]
    known = not problems.is_broken(("train", "epochs"))
    if delay is not None and delay[1] >= epochs and known:
        message = f"{delay[0]} must be below train.epochs ({epochs}), but got {delay[1]}; nothing would ever be pruned"
        problems.add(("search", "pruner", delay[0]), message, shows=("search", "pruner"))
