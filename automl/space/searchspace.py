"""`SearchSpace`: everything that one space file says, validated; and what can be asked of it without training."""

import io
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from ruamel.yaml import YAML

from automl.records import Choice, FloatRange, IntRange, Scalar
from automl.space import backbones, domains
from automl.space.parameters import BACKBONE, Condition, Parameter, at, backbone_options, fields_of
from automl.space.settings import ExportConfig, SearchConfig

_FREE = {
    "study": None,
    "data": ("path",),
    "search": ("trials", "time", "devices", "workers", "threads_per_worker", "keep"),
    "export": None,
}
"""What may change between two runs of one study; None for a whole section."""


@dataclass(frozen=True)
class SearchSpace:
    """A validated space file.

    Attributes:
        study: Name of the study and of its folder.
        parameters: What the sampler decides, in an order in which conditions only look back.
        tree: The normalised mapping with all defaults and absolute paths, domains as in the file; plain JSON values.
    """

    study: str
    parameters: tuple[Parameter, ...] = field(compare=False)
    search: SearchConfig
    export: ExportConfig
    tree: Mapping[str, Any]

    @property
    def data_path(self) -> str:
        """Absolute path of the pictures, or a built-in's name."""
        return str(self.tree["data"]["path"])

    @property
    def validation(self) -> float:
        """Share of the pictures that chooses."""
        return float(self.tree["data"]["validation"])

    @property
    def test(self) -> float:
        """Share of the pictures that is read once."""
        return float(self.tree["data"]["test"])

    @property
    def weights(self) -> str:
        """'imagenet', 'none' or the absolute path of a weights file."""
        return str(self.tree["model"]["weights"])

    @property
    def epochs(self) -> int:
        """Total epochs of a trial."""
        return int(self.tree["train"]["epochs"])

    def possible(self, name: str) -> tuple[Any, ...]:
        """Every value that a field can have, labels for lists; of a continuous range only the two ends.

        Args:
            name: The dotted path of the field, for example "train.batch_size".
        """
        chosen = [parameter for parameter in self.parameters if parameter.field == name]
        found: list[Any] = [value for parameter in chosen for value in domains.finite_values(parameter.domain)]
        if not chosen or _may_be_inactive(chosen):
            found.append(fields_of(self.tree).constants.get(name))
        return tuple(dict.fromkeys(found))

    def repeats_strengths(self) -> bool:
        """Whether trials can have the same `augment.strength`: not where a continuous range gives each one its own."""
        chosen = [parameter for parameter in self.parameters if parameter.field == "augment.strength"]
        return all(domains.size(parameter.domain) is not None for parameter in chosen)

    def image_sizes(self) -> tuple[int, ...]:
        """Every picture side that can occur, in pixels."""
        return tuple(sorted(self.possible("data.image_size")))

    def resizes(self) -> tuple[str, ...]:
        """Every way of resizing that can occur."""
        return self.possible("data.resize")

    def batch_sizes(self) -> tuple[int, ...]:
        """Every batch size that can occur; of a range with more than 4,096 values its ends."""
        return tuple(sorted(self.possible("train.batch_size")))

    def backbones(self) -> tuple[dict[str, Any], ...]:
        """Every backbone with concrete arguments that can occur; of a range with more than 16 values only its ends."""
        found: list[dict[str, Any]] = []
        for option in backbone_options(self.tree):
            found += [item for item in backbones.combinations(option) if item not in found]
        return tuple(found)

    def dump(self) -> str:
        """YAML text that `load` reads as an equal space."""
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = None
        yaml.width = 140
        yaml.allow_unicode = True
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        stream = io.StringIO()
        yaml.dump(json.loads(json.dumps(self.tree)), stream)
        return stream.getvalue()

    def combinations(self) -> int | None:
        """How many different trials there are; None when a parameter is continuous."""
        if any(domains.size(parameter.domain) is None for parameter in self.parameters):
            return None
        tests: dict[str, list[Condition]] = {}
        for parameter in self.parameters:
            for condition in parameter.conditions:
                tests.setdefault(condition.reference, []).append(condition)
        return _count(self.parameters, 0, fields_of(self.tree).constants, tests, {})


def _may_be_inactive(chosen: list[Parameter]) -> bool:
    return all(parameter.conditions for parameter in chosen)


def _count(
    parameters: tuple[Parameter, ...],
    index: int,
    values: Mapping[str, Any],
    tests: Mapping[str, list[Condition]],
    known: dict[Any, int],
) -> int:
    if index == len(parameters):
        return 1
    # Values count only as far as conditions tell them apart.
    state = (index, tuple(condition.holds(values) for name in tests for condition in tests[name]))
    if state not in known:
        parameter = parameters[index]
        if not parameter.is_active(values):
            known[state] = _count(parameters, index + 1, values, tests, known)
        else:
            known[state] = sum(
                size * _count(parameters, index + 1, {**values, parameter.reference: value}, tests, known)
                for value, size in _groups(parameter, tests.get(parameter.reference, []))
            )
    return known[state]


def _groups(parameter: Parameter, tests: list[Condition]) -> list[tuple[Any, int]]:
    """A representative and the number of the values that the conditions on this parameter do not tell apart."""
    domain = parameter.domain
    if isinstance(domain, Choice):
        return [(option, 1) for option in domain.options]
    total = domains.size(domain) or 0
    if not tests:
        return [(domain.low, total)]
    step = domain.step or 1
    marks = {float(value) for test in tests for value in (*(test.values or ()), test.above, test.below) if _is_number(value)}
    cuts = {0, total}
    for mark in marks:
        position = (mark - domain.low) / step
        near = round(position)
        exact = math.isclose(position, near, abs_tol=1e-6)
        cuts |= {near, near + 1} if exact else {math.ceil(position)}
    edges = sorted(cut for cut in cuts if 0 <= cut <= total)
    return [(_value(domain, start), end - start) for start, end in itertools.pairwise(edges) if end > start]


def _value(domain: IntRange | FloatRange, index: int) -> float:
    value = domain.low + index * (domain.step or 1)
    return value if isinstance(domain, IntRange) else round(value, 12)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def difference(old: SearchSpace, new: SearchSpace) -> list[str]:
    """What makes two spaces different searches, one line a field; empty when a study of one may be continued with the other.

    The path of the pictures, the budget, the devices, the number of kept trials and the export may change.
    """
    lines = []
    before, after = (dict(_flat(_fixed(space.tree), ())) for space in (old, new))
    for path in dict.fromkeys([*before, *after]):
        if before.get(path) != after.get(path):
            was, now = (json.dumps(values.get(path), ensure_ascii=False) for values in (before, after))
            lines.append(f"{path}: was {was}, is {now}")
    return lines


def _fixed(tree: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for section, values in tree.items():
        free = _FREE.get(section, ())
        if free is not None:
            found[section] = {key: value for key, value in values.items() if key not in free}
    return found


def _flat(value: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and not domains.is_domain(value) and "name" not in value:
        return [pair for key, item in value.items() for pair in _flat(item, (*path, key))]
    return [(".".join(path), value)]


def start_values(space: SearchSpace) -> list[dict[str, Scalar]]:
    """The entries of `search.start` under the parameters' names, with labels for lists and mappings."""
    fields = fields_of(space.tree)
    found = []
    for entry in space.search.start:
        given = start_labels(entry, space)
        values = {**fields.constants, **given}
        asked: dict[str, Scalar] = {}
        for parameter in space.parameters:
            if parameter.reference in given and domains.contains(parameter.domain, given[parameter.reference]):
                decided = [condition for condition in parameter.conditions if condition.reference in given]
                if all(condition.holds(values) for condition in decided):
                    asked[parameter.name] = given[parameter.reference]
        found.append(asked)
    return found


def start_labels(entry: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """The labels of one start entry by field; a backbone given as a mapping is taken apart."""
    references = {parameter.name: parameter.reference for parameter in space.parameters}
    given: dict[str, Any] = {}
    for name, value in entry.items():
        reference = references.get(name, name)
        if reference == BACKBONE and isinstance(value, dict):
            label, nested = _backbone_label(value, space)
            given[reference] = label
            given |= nested
        else:
            given[reference] = domains.label(value)
    return given


def _backbone_label(value: Mapping[str, Any], space: SearchSpace) -> tuple[Any, dict[str, Any]]:
    held = at(space.tree, ("model", "backbone"))
    options = backbone_options(space.tree)
    labels = domains.labels(options) if domains.entries(held) else tuple(option["name"] for option in options)
    for label, option in zip(labels, options, strict=True):
        varying = {key for key, item in option.items() if domains.entries(item)}
        fixed = {key: item for key, item in option.items() if key not in varying}
        if fixed == {key: item for key, item in value.items() if key not in varying}:
            return label, {f"{BACKBONE}.{label}.{key}": item for key, item in value.items() if key in varying}
    return domains.label(dict(value)), {}
