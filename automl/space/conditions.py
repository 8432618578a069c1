"""Checks of `when`: every name exists, every value can occur, no circle, and the entries of a list exclude each other."""

from typing import Any

from automl.space import backbones, domains
from automl.space.parameters import BACKBONE, Condition, Entry, Fields, conditions_of, cycle, excludes
from automl.space.problems import Path, Problems, did_you_mean, listed, nearest, shown
from automl.space.schema import leaves


def check_conditions(fields: Fields, problems: Problems) -> None:
    """Check the conditions of all domains."""
    sound: dict[str, list[Entry]] = {}
    for reference, entries in fields.entries.items():
        for entry in entries:
            if _check_entry(entry, fields, problems):
                sound.setdefault(reference, []).append(entry)
    for reference, entries in sound.items():
        _check_apart(reference, entries, fields, problems)
    circle = cycle(fields)
    if circle:
        place = fields.entries[circle[0]][0].place
        problems.add(place, f"conditions must not go round in a circle, but got {' -> '.join(circle)}", shows=_shown_as(circle[0]))
        problems.broken.update(_shown_as(name) for name in circle)


def _shown_as(reference: str) -> Path:
    return tuple(reference.split("."))


def _check_entry(entry: Entry, fields: Fields, problems: Problems) -> bool:
    when = entry.raw.get("when", {})
    place: Path = (*entry.place, "when")
    if _names_nested_of_broken(entry.reference, problems):
        return False
    if when and entry.reference == BACKBONE:
        problems.add(place, "the backbone has no default, so it cannot have a 'when'", shows=_shown_as(BACKBONE))
        problems.broken.add(_shown_as(BACKBONE))
        return False
    known = True
    for name in when:
        if problems.is_broken(_shown_as(name)) or _names_nested_of_broken(name, problems):
            known = False
        elif name not in fields.names():
            message = f"when: unknown parameter '{name}'{_hint(name, fields)}"
            problems.add((*place, name), message, shows=_shown_as(entry.reference))
            known = False
    if not known:
        problems.broken.add(_shown_as(entry.reference))
        return False
    sound = True
    for condition in conditions_of(entry, fields):
        reason = _never(condition, fields)
        if reason is not None:
            problems.add((*place, condition.reference), f"when: {reason}", shows=_shown_as(entry.reference))
            sound = False
            problems.broken.add(_shown_as(entry.reference))
    return sound


def _names_nested_of_broken(name: str, problems: Problems) -> bool:
    return name.startswith(f"{BACKBONE}.") and problems.is_broken(_shown_as(BACKBONE))


def _hint(name: str, fields: Fields) -> str:
    near = nearest(name, fields.names()) or next((known for known in fields.names() if known.endswith(f".{name}")), None)
    return f"; did you mean '{near}'?" if near else ""


def _never(condition: Condition, fields: Fields) -> str | None:
    """Why a condition can never hold, None when it can, or when it is decided by a constant."""
    name = condition.reference
    entries = fields.entries.get(name, [])
    if condition.values is None:
        return _never_limited(condition, fields)
    for value in condition.values:
        if entries:
            if not _can_be(name, value, fields):
                options = _options(entries)
                return f"{name} can never be {shown(value)}" + (did_you_mean(value, options) or f"; it is {_range_text(entries)}")
        elif (message := _no_value(name, value)) is not None:
            return f"{name} can never be {shown(value)}; {message}"
    return None


def _can_be(name: str, value: Any, fields: Fields) -> bool:
    entries = fields.entries[name]
    if any(domains.contains(entry.domain, value) for entry in entries):
        return True
    may_rest = all(entry.raw.get("when") for entry in entries)
    return may_rest and name in fields.constants and domains.same(fields.constants[name], value)


def _options(entries: list[Entry]) -> list[str]:
    return [str(option) for entry in entries if entry.domain.kind == "choice" for option in entry.domain.options]


def _range_text(entries: list[Entry]) -> str:
    return listed(shown(entry.raw.get("choice") or entry.raw.get("int") or entry.raw.get("float")) for entry in entries)


def _no_value(name: str, value: Any) -> str | None:
    """Why a constant field could not have a value even if somebody set it; what it is set to does not matter."""
    if name == BACKBONE:
        return None if value in backbones.catalog() else f"unknown backbone{did_you_mean(value, backbones.catalog())}"
    leaf = leaves().get(_shown_as(name))
    if leaf is None or (leaf[0].takes_lists and isinstance(value, str)):
        return None
    mistakes = leaf[0].concrete(value)[1]
    return mistakes[0][1] if mistakes else None


def _never_limited(condition: Condition, fields: Fields) -> str | None:
    name = condition.reference
    entries = fields.entries.get(name, [])
    given = (("above", condition.above), ("below", condition.below))
    limits = " and ".join(f"{word} {limit:g}" for word, limit in given if limit is not None)
    if not entries:
        leaf = leaves().get(_shown_as(name))
        is_number = leaf is None or "integer" in leaf[0].expected or "number" in leaf[0].expected
        return None if is_number else f"above and below compare numbers, but {name} is {leaf[0].expected}" if leaf else None
    values = [value for entry in entries for value in domains.finite_values(entry.domain)]
    if all(entry.raw.get("when") for entry in entries) and name in fields.constants:
        values.append(fields.constants[name])
    if any(condition.matches(value) for value in values) or any(_meets(condition, entry) for entry in entries):
        return None
    return f"{name} can never be {limits}; it is {_range_text(entries)}"


def _meets(condition: Condition, entry: Entry) -> bool:
    """Whether a range without a step reaches into the limits."""
    if entry.domain.kind == "choice" or domains.size(entry.domain) is not None:
        return False
    low = entry.domain.low if condition.above is None else max(entry.domain.low, condition.above)
    high = entry.domain.high if condition.below is None else min(entry.domain.high, condition.below)
    return low < high


def _check_apart(reference: str, entries: list[Entry], fields: Fields, problems: Problems) -> None:
    for index, entry in enumerate(entries):
        for other in entries[:index]:
            if not excludes(conditions_of(entry, fields), conditions_of(other, fields)):
                message = (
                    f"the 'when' of these domains must exclude each other, but {shown(dict(other.raw.get('when', {})))} "
                    f"and {shown(dict(entry.raw.get('when', {})))} can hold together"
                )
                problems.add(entry.place, message, shows=_shown_as(reference))
