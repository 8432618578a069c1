"""From the validated tree to parameters: names, domains, and the conditions under which each is active.

A condition looks at the value that the trial's config will have: an inactive parameter's field stands at its default.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automl.records import Choice, Domain, Scalar
from automl.space import backbones, domains
from automl.space.problems import Path, dotted
from automl.space.schema import leaves

BACKBONE = "model.backbone"
UNFREEZE = "model.unfreeze"
# Without pretrained weights both are decided, so that a parameter for them would name equal trials differently.
_ONLY_PRETRAINED = (UNFREEZE, "model.batch_normalization")


@dataclass(frozen=True)
class Condition:
    """What must hold for a parameter to be active.

    Attributes:
        reference: The field that is looked at, for example "train.optimizer" or "model.backbone.MobileNet.alpha".
        values: It must be one of these labels; None when only the limits count.
        above: It must be larger; `below` likewise smaller. 'all' stages are larger than any number.
    """

    reference: str
    values: tuple[Scalar, ...] | None = None
    above: float | None = None
    below: float | None = None

    def matches(self, value: Any) -> bool:
        """Whether the field's value, or its label, fulfils the condition."""
        if self.values is not None:
            return any(domains.same(value, wanted) for wanted in self.values)
        number = math.inf if value == "all" else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            return False
        return (self.above is None or number > self.above) and (self.below is None or number < self.below)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition holds for the values so far; a field that is not there fulfils nothing."""
        return self.reference in values and self.matches(values[self.reference])

    def __str__(self) -> str:
        if self.values is not None:
            return f"{self.reference}={'|'.join(str(value) for value in self.values)}"
        parts = [f"{self.reference}>{self.above:g}"] if self.above is not None else []
        parts += [f"{self.reference}<{self.below:g}"] if self.below is not None else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Parameter:
    """One thing that the sampler decides.

    Attributes:
        name: Its dotted name in Optuna, in the leaderboard and in `--set`.
        field: The dotted path of the config's field that it sets; "model.backbone.alpha" for an argument of a backbone.
        domain: The values that it may have; a list or mapping stands there under its label.
        conditions: All must hold for it to be active.
        reference: The name under which conditions look at it; several parameters for one field share it.
        values: The concrete values behind the labels of a choice, in the same order; empty for a range.
    """

    name: str
    field: str
    domain: Domain
    conditions: tuple[Condition, ...] = ()
    reference: str = ""
    values: tuple[Any, ...] = ()

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Whether all conditions hold for the values of the fields that were decided before."""
        return all(condition.holds(values) for condition in self.conditions)

    def concrete(self, answer: Scalar) -> Any:
        """The value behind an answer.

        Raises:
            ValueError: The answer is not in the domain.
        """
        if not domains.contains(self.domain, answer):
            raise ValueError(f"{self.name}: expected a value of {self.domain}, but got {answer!r}")
        if isinstance(self.domain, Choice):
            index = next(i for i, option in enumerate(self.domain.options) if domains.same(answer, option))
            return self.values[index]
        number: Any = answer
        return int(number) if self.domain.kind == "int" else float(number)


@dataclass(frozen=True)
class Entry:
    """One domain as it stands in the file, before its conditions are looked at.

    Attributes:
        reference: The field, as conditions name it.
        place: Where the domain stands in the file.
        raw: The normalised mapping.
        inside: For an argument of a backbone: the backbone's label, under which alone it is active.
    """

    reference: str
    field: str
    place: Path
    raw: Mapping[str, Any]
    inside: str | None = None

    @property
    def domain(self) -> Domain:
        return domains.as_record(dict(self.raw))


@dataclass(frozen=True)
class Fields:
    """What every field of one space holds.

    Attributes:
        entries: The domains of each field that varies.
        constants: The label of each other field's value; of each varying one the default that holds while it is inactive.
    """

    entries: dict[str, list[Entry]]
    constants: dict[str, Any]

    def names(self) -> list[str]:
        """Every name that a condition or a start value may use."""
        return list(dict.fromkeys([*self.constants, *self.entries]))


def fields_of(tree: Mapping[str, Any]) -> Fields:
    """All domains and constants of a validated tree."""
    entries: dict[str, list[Entry]] = {}
    constants: dict[str, Any] = {}
    for path, (_, info) in leaves().items():
        if path[0] in ("search", "export", "study"):
            continue
        name = dotted(path)
        value = at(tree, path)
        found = [Entry(name, name, (*path, *below), raw) for below, raw in domains.entries(value)]
        if not found:
            constants[name] = domains.label(value)
        else:
            entries[name] = found
            if not info.is_required():
                constants[name] = domains.label(info.get_default(call_default_factory=True))
        if name == BACKBONE:
            entries |= _nested(value, path)
            # A fixed argument of the only backbone; `--set` may have made a constant of what a condition names.
            fixed = value.items() if not found else ()
            constants |= {f"{BACKBONE}.{value['name']}.{key}": item for key, item in fixed if key != "name" and not domains.entries(item)}
    for name, default in defaults_of(tree).items():
        if constants.get(name) is None:
            constants[name] = default
    return Fields(entries, constants)


def defaults_of(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields mean whose default depends on the weights."""
    options = backbone_options(tree)
    has_weights = tree["model"]["weights"] != "none" and any(backbones.catalog()[option["name"]].pretrained for option in options)
    return {UNFREEZE: 0 if has_weights else "all", "model.batch_normalization": "inference" if has_weights else "training"}


def backbone_options(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every backbone that can be chosen, as a mapping whose arguments may still be domains."""
    value = tree["model"]["backbone"]
    inside = domains.entries(value)
    return [option for _, domain in inside for option in domain["choice"]] if inside else [value]


def at(tree: Any, path: Iterable[Any]) -> Any:
    """The value at a path."""
    for part in path:
        tree = tree[part]
    return tree


def _nested(value: Any, path: Path) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    inside = domains.entries(value)
    options: list[tuple[Path, str | None, Any]] = []
    if not inside:
        options = [(path, None, value)]
    else:
        for below, raw in inside:
            labels = domains.labels(raw["choice"])
            options += [((*path, *below, "choice", index), str(labels[index]), option) for index, option in enumerate(raw["choice"])]
    for place, label, option in options:
        for argument, item in option.items():
            reference = f"{BACKBONE}.{label or option['name']}.{argument}"
            for below, raw in domains.entries(item):
                entry = Entry(reference, f"{BACKBONE}.{argument}", (*place, argument, *below), raw, label)
                found.setdefault(reference, []).append(entry)
    return found


# --- conditions ------------------------------------------------------------------------------------------------------


def conditions_of(entry: Entry, fields: Fields) -> tuple[Condition, ...]:
    """The conditions of one domain as the file writes them, with backbone names turned into labels."""
    return tuple(_condition(name, test, fields) for name, test in entry.raw.get("when", {}).items())


def _condition(name: str, test: Any, fields: Fields) -> Condition:
    if isinstance(test, dict):
        return Condition(name, None, test.get("above"), test.get("below"))
    wanted = test if isinstance(test, list) else [test]
    if takes_lists(name) and isinstance(test, list) and not any(isinstance(item, list) for item in test):
        # [512, 256] is one value of such a field, [[512], [256]] are two.
        wanted = [test]
    values: list[Scalar] = []
    for item in wanted:
        values += _labels_meant(name, item, fields)
    return Condition(name, tuple(values))


def takes_lists(name: str) -> bool:
    """Whether a field's concrete value is a list."""
    leaf = leaves().get(tuple(name.split(".")))
    return leaf is not None and leaf[0].takes_lists


def _labels_meant(name: str, value: Any, fields: Fields) -> list[Scalar]:
    if name == BACKBONE and isinstance(value, str):
        labels = [label for entry in fields.entries.get(name, []) for label in domains.labels(entry.raw["choice"])]
        meant: list[Scalar] = [label for label in labels if label == value or str(label).startswith(f"{value}(")]
        return meant or [value]
    return [domains.label(value)]


def excludes(one: tuple[Condition, ...], other: tuple[Condition, ...]) -> bool:
    """Whether two sets of conditions can never hold together, because they ask different things of one field."""
    return any(a.reference == b.reference and _are_apart(a, b) for a in one for b in other)


def _are_apart(one: Condition, other: Condition) -> bool:
    if one.values is not None:
        return not any(other.matches(value) for value in one.values)
    if other.values is not None:
        return not any(one.matches(value) for value in other.values)
    low = max(-math.inf if c.above is None else c.above for c in (one, other))
    high = min(math.inf if c.below is None else c.below for c in (one, other))
    return low >= high


# --- compiling -------------------------------------------------------------------------------------------------------


def compile_parameters(fields: Fields) -> tuple[Parameter, ...]:
    """The parameters in an order in which conditions only look back.

    Conditions on constants are decided here: a domain whose condition can never hold is left out.
    """
    varying: dict[str, list[Parameter]] = {}
    for reference in ordered(fields):
        alive = []
        for entry in fields.entries[reference]:
            decided = _decided(entry, fields, varying)
            if decided is not None:
                alive.append((entry, decided))
        if alive:
            varying[reference] = _named(reference, alive, fields)
    return tuple(parameter for group in varying.values() for parameter in group)


def _decided(entry: Entry, fields: Fields, varying: Mapping[str, Any]) -> tuple[Condition, ...] | None:
    left = []
    for condition in (*_implied(entry, fields), *conditions_of(entry, fields)):
        if condition.reference in varying:
            left.append(condition)
        elif not condition.holds(fields.constants):
            return None
    return tuple(left)


def _implied(entry: Entry, fields: Fields) -> list[Condition]:
    if entry.inside is not None:
        return [Condition(BACKBONE, (entry.inside,))]
    if entry.reference in _ONLY_PRETRAINED and BACKBONE in fields.entries:
        chosen = [option for domain in fields.entries[BACKBONE] for option in domain.raw["choice"]]
        labels = [label for domain in fields.entries[BACKBONE] for label in domains.labels(domain.raw["choice"])]
        kept = tuple(label for label, option in zip(labels, chosen, strict=True) if backbones.catalog()[option["name"]].pretrained)
        if 0 < len(kept) < len(labels):
            return [Condition(BACKBONE, kept)]
    return []


def _named(reference: str, alive: list[tuple[Entry, tuple[Condition, ...]]], fields: Fields) -> list[Parameter]:
    # Optuna refuses one name with two kinds of domain, with changing options, or with and without log.
    kinds = {json.dumps(_kind(entry)) for entry, _ in alive}
    found = []
    for entry, conditions in alive:
        suffix = "" if len(kinds) == 1 else f"[{', '.join(str(item) for item in conditions_of(entry, fields))}]"
        values = tuple(entry.raw.get("choice", ()))
        found.append(Parameter(reference + suffix, entry.field, entry.domain, conditions, reference, values))
    return found


def _kind(entry: Entry) -> list[Any]:
    domain = entry.domain
    return ["choice", *domain.options] if isinstance(domain, Choice) else [domain.kind, domain.log]


def ordered(fields: Fields) -> list[str]:
    """The varying fields in the order of the records, each after those that its conditions name; cycles are left out."""
    done: list[str] = []
    for name in fields.entries:
        _visit(name, fields, done, ())
    return done


def cycle(fields: Fields) -> list[str]:
    """The names along a circle of conditions, empty when there is none."""
    done: list[str] = []
    for name in fields.entries:
        found = _visit(name, fields, done, ())
        if found:
            return found
    return []


def _visit(name: str, fields: Fields, done: list[str], way: tuple[str, ...]) -> list[str]:
    if name in way:
        return [*way[way.index(name) :], name]
    if name in done or name not in fields.entries:
        return []
    for entry in fields.entries[name]:
        named = [*entry.raw.get("when", {}), *(condition.reference for condition in _implied(entry, fields))]
        for other in named:
            found = _visit(other, fields, done, (*way, name))
            if found:
                return found
    done.append(name)
    return []
