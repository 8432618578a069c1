"""Checks of `search.start`: every name and value that is to be tried first can really be tried."""

from collections.abc import Mapping
from typing import Any

from automl.space import domains
from automl.space.parameters import BACKBONE, Fields, Parameter, compile_parameters
from automl.space.problems import Path, Problems, nearest, shown
from automl.space.searchspace import SearchSpace, start_labels
from automl.space.settings import ExportConfig, SearchConfig


def check_start(tree: Mapping[str, Any], fields: Fields, problems: Problems) -> None:
    """Check all entries; nothing is said about parameters that other mistakes leave open."""
    space = SearchSpace(tree["study"], compile_parameters(fields), SearchConfig(), ExportConfig(), tree)
    names = [*fields.names(), *(parameter.name for parameter in space.parameters)]
    for index, entry in enumerate(tree["search"]["start"]):
        place: Path = ("search", "start", index)
        for name in entry:
            if name not in names and not _is_open(name, fields, problems):
                near = nearest(name, names) or next((known for known in names if known.endswith(f".{name}")), None)
                hint = f"; did you mean '{near}'?" if near else ""
                problems.add((*place, name), f"unknown parameter '{name}'{hint}", shows=place)
        known = {name: value for name, value in entry.items() if name in names}
        if not known and not entry:
            problems.add(place, "expected at least one parameter, but got an empty mapping")
        _check_values(known, place, space, fields, problems)


def _check_values(entry: Mapping[str, Any], place: Path, space: SearchSpace, fields: Fields, problems: Problems) -> None:
    given = start_labels(entry, space)
    written = {parameter.name: parameter.reference for parameter in space.parameters}
    for reference, value in given.items():
        name = next((name for name in entry if written.get(name, name) == reference), BACKBONE)
        message = None if _is_open(reference, fields, problems) else _wrong(reference, value, given, space, fields)
        if message is not None:
            problems.add((*place, name), message, shows=place)


def _is_open(reference: str, fields: Fields, problems: Problems) -> bool:
    """Whether a mistake elsewhere leaves it open what this parameter may be."""
    named = [reference, *(name for entry in fields.entries.get(reference, []) for name in entry.raw.get("when", {}))]
    named += [BACKBONE for name in named if name.startswith(f"{BACKBONE}.")]
    return any(problems.is_broken(tuple(name.split("."))) for name in named)


def _wrong(reference: str, value: Any, given: Mapping[str, Any], space: SearchSpace, fields: Fields) -> str | None:
    group = [parameter for parameter in space.parameters if parameter.reference == reference]
    if not group:
        fixed = fields.constants.get(reference)
        return None if domains.same(fixed, value) else f"{reference} is fixed at {shown(fixed)}, but got {shown(value)}"
    possible = [parameter for parameter in group if _may_be_active(parameter, given, space)]
    if not possible:
        needs = " or ".join(" and ".join(str(condition) for condition in parameter.conditions) for parameter in group)
        return f"{reference} is not active here; it needs {needs}"
    outside = [parameter for parameter in possible if not domains.contains(parameter.domain, value)]
    if not outside:
        return None
    allowed = f"{reference}: expected a value in {_text(outside[0])}, but got {shown(value)}"
    if len(outside) < len(possible):
        open_names = sorted({condition.reference for parameter in possible for condition in parameter.conditions} - set(given))
        return f"{allowed}; which domain holds depends on {', '.join(open_names)}, so give that too"
    return allowed


def _text(parameter: Parameter) -> str:
    domain = parameter.domain
    return shown(list(domain.options)) if domain.kind == "choice" else shown([domain.low, domain.high]) + _step(parameter)


def _step(parameter: Parameter) -> str:
    step = getattr(parameter.domain, "step", None)
    return "" if step in (None, 1) else f" with step {step:g}"


def _may_be_active(parameter: Parameter, given: Mapping[str, Any], space: SearchSpace) -> bool:
    """Whether a parameter can be active beside the given values, whatever the sampler adds to them."""
    for condition in parameter.conditions:
        if condition.reference in given:
            if not condition.matches(given[condition.reference]):
                return False
        elif not any(_may_be_active(other, given, space) for other in space.parameters if other.reference == condition.reference):
            return False
    return True
