"""What may vary: `{choice: [...]}`, `{int: [low, high]}`, `{float: [low, high]}`, or a list of these with `when`.

A domain stays a mapping as in the file, normalised; `as_record` turns it into the record that crosses to the sampler.
"""

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Protocol

from automl.records import Choice, Domain, FloatRange, IntRange, Scalar
from automl.space.problems import Path, listed, shown, unknown_key

KINDS = ("choice", "int", "float")
_KEYS = (*KINDS, "log", "step", "when")
_TEST_KEYS = ("above", "below")


class Varying(Protocol):
    """What this module needs to know of the field to which a domain belongs."""

    kinds: tuple[str, ...]

    @property
    def expected(self) -> str: ...

    def concrete(self, value: Any) -> tuple[Any, list[tuple[Path, str]]]: ...

    def concrete_schema(self) -> dict[str, Any]: ...


def is_domain(value: Any) -> bool:
    """Whether a value of the file is meant as a domain."""
    return isinstance(value, dict) and any(kind in value for kind in KINDS)


def is_domain_list(value: Any) -> bool:
    """Whether a value of the file is meant as a list of domains."""
    return isinstance(value, list) and any(is_domain(item) for item in value)


def entries(value: Any) -> list[tuple[Path, dict[str, Any]]]:
    """The domains that a field's normalised value holds, each with its place below the field; none for a concrete value."""
    if is_domain(value):
        return [((), value)]
    if is_domain_list(value):
        return [((index,), item) for index, item in enumerate(value)]
    return []


def check(value: Any, field: Varying) -> tuple[Any, list[tuple[Path, str]]]:
    """Check a domain or a list of domains; it comes back normalised, with the mistakes below the field."""
    if isinstance(value, dict):
        return _check_domain(value, field)
    normal = []
    mistakes: list[tuple[Path, str]] = []
    for index, item in enumerate(value):
        if not is_domain(item):
            mistakes.append(((index,), f"expected a domain like the other entries of this list, but got {shown(item)}"))
            continue
        domain, found = _check_domain(item, field)
        if len(value) > 1 and "when" not in item:
            found.append(((), "expected a 'when' in each entry of a list of domains, but got none"))
        normal.append(domain)
        mistakes += [((index, *path), message) for path, message in found]
    return normal, mistakes


def _check_domain(value: dict[str, Any], field: Varying) -> tuple[dict[str, Any], list[tuple[Path, str]]]:
    mistakes: list[tuple[Path, str]] = [((key,), unknown_key(key, _KEYS)) for key in value if key not in _KEYS]
    given = [kind for kind in KINDS if kind in value]
    if len(given) > 1:
        return {}, [*mistakes, ((), f"expected exactly one of choice, int, float, but got {listed(given, 'and')}")]
    kind = given[0]
    if kind not in field.kinds:
        return {}, [*mistakes, ((kind,), f"expected {listed(field.kinds)} here, but got {kind}; each value must be {field.expected}")]
    found = _choice(value, field) if kind == "choice" else _range(value, kind, field)
    normal = {kind: found[0], **_modifiers(value, kind)}
    mistakes += found[1]
    if "when" in value:
        normal["when"], wrong = _when(value["when"])
        mistakes += [(("when", *path), message) for path, message in wrong]
    return normal, mistakes


def _modifiers(value: dict[str, Any], kind: str) -> dict[str, Any]:
    kept = {}
    if value.get("log") is True:
        kept["log"] = True
    if value.get("step") is not None and not (kind == "int" and value["step"] == 1):
        kept["step"] = value["step"]
    return kept


def _choice(value: dict[str, Any], field: Varying) -> tuple[list[Any], list[tuple[Path, str]]]:
    strange = [key for key in ("log", "step") if key in value]
    mistakes: list[tuple[Path, str]] = [((key,), f"{key} belongs to int and float, not to choice") for key in strange]
    options = value["choice"]
    if not isinstance(options, list):
        return [], [*mistakes, (("choice",), f"expected a list of options, but got {shown(options)}")]
    if not options:
        return [], [*mistakes, (("choice",), "expected at least one option, but got an empty list")]
    normal: list[Any] = []
    for index, option in enumerate(options):
        found, wrong = field.concrete(option)
        mistakes += [(("choice", index, *path), message) for path, message in wrong]
        if wrong:
            continue
        if any(_alike(found, other) for other in normal):
            mistakes.append((("choice", index), f"expected different options, but got {shown(option)} twice"))
        normal.append(found)
    return normal, mistakes


def _alike(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _range(value: dict[str, Any], kind: str, field: Varying) -> tuple[list[Any], list[tuple[Path, str]]]:
    bounds = value[kind]
    at: Path = (kind,)
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(_is_number(bound, kind) for bound in bounds):
        what = "integers" if kind == "int" else "numbers"
        return [], [(at, f"expected two {what}, [low, high], but got {shown(bounds)}")]
    mistakes: list[tuple[Path, str]] = []
    for bound, name in zip(bounds, ("low", "high"), strict=True):
        mistakes += [(at, f"{name}: {message}") for _, message in field.concrete(bound)[1]]
    if bounds[0] >= bounds[1]:
        mistakes.append((at, f"low must be below high, but got {shown(bounds)}"))
    log, step = value.get("log"), value.get("step")
    if log is not None and not isinstance(log, bool):
        mistakes.append((("log",), f"expected true or false, but got {shown(log)}"))
    if step is not None:
        mistakes += _step(step, kind, bounds)
    if log is True:
        if step is not None:
            mistakes.append((("log",), "log and step exclude each other; leave one of them out"))
        elif bounds[0] <= 0 and not mistakes:
            mistakes.append((at, f"log needs a low above 0, but got {shown(bounds)}"))
    return [float(bound) if kind == "float" else bound for bound in bounds], mistakes


def _step(step: Any, kind: str, bounds: list[Any]) -> list[tuple[Path, str]]:
    if not _is_number(step, kind) or step <= 0:
        what = "an integer of at least 1" if kind == "int" else "a number above 0"
        return [(("step",), f"expected {what}, but got {shown(step)}")]
    low, high, exact = (Decimal(str(number)) for number in (*bounds, step))
    if low >= high:
        return []
    if exact > high - low or (high - low) / exact > 10**9:
        return [(("step",), f"expected a step that fits into {shown(bounds)}, but got {shown(step)}")]
    if (high - low) % exact:
        last = low + (high - low) // exact * exact
        return [(("step",), f"expected a step that divides the range {shown(bounds)}, but got {shown(step)}; its last value is {last}")]
    return []


def _is_number(value: Any, kind: str) -> bool:
    return not isinstance(value, bool) and isinstance(value, int if kind == "int" else int | float)


def _when(when: Any) -> tuple[dict[str, Any], list[tuple[Path, str]]]:
    if not isinstance(when, dict) or not when:
        return {}, [((), f"expected a mapping of parameters to values, like {{train.optimizer: sgd}}, but got {shown(when)}")]
    mistakes: list[tuple[Path, str]] = []
    for name, test in when.items():
        if isinstance(test, dict):
            mistakes += [((name, *path), message) for path, message in _bounds_test(test)]
        elif isinstance(test, list) and not test:
            mistakes.append(((name,), "expected at least one value, but got an empty list"))
        elif isinstance(test, list) and any(isinstance(item, dict) for item in test):
            mistakes.append(((name,), f"expected values, but got {shown(test)}"))
    return dict(when), mistakes


def _bounds_test(test: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    if not test:
        yield (), "expected a value, a list, {above: x} or {below: x}, but got an empty mapping"
    for key, bound in test.items():
        if key not in _TEST_KEYS:
            yield (key,), unknown_key(key, _TEST_KEYS)
        elif not _is_number(bound, "float"):
            yield (key,), f"expected a number, but got {shown(bound)}"


# --- labels and records ----------------------------------------------------------------------------------------------


def label(value: Any) -> Scalar:
    """The scalar under which a concrete value stands in Optuna, in the leaderboard and in `when`: lists as compact JSON."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])
    return json.dumps(value, separators=(",", ":"), sort_keys=True) if isinstance(value, list | dict) else value


def labels(options: list[Any]) -> tuple[Scalar, ...]:
    """The labels of all options of a choice; mappings with one name are told apart by their arguments."""
    plain = [label(option) for option in options]
    found = list(plain)
    for index, option in enumerate(options):
        if isinstance(option, dict) and plain.count(plain[index]) > 1:
            given = [key if entries(item) else f"{key}={item}" for key, item in option.items() if key != "name"]
            found[index] = f"{option['name']}({', '.join(given)})" if given else option["name"]
    return tuple(found)


def as_record(domain: dict[str, Any]) -> Domain:
    """The record of one normalised domain."""
    if "choice" in domain:
        return Choice(options=labels(domain["choice"]))
    if "int" in domain:
        low, high = domain["int"]
        return IntRange(low=low, high=high, step=domain.get("step", 1), log=domain.get("log", False))
    low, high = domain["float"]
    return FloatRange(low=low, high=high, step=domain.get("step"), log=domain.get("log", False))


def size(domain: Domain) -> int | None:
    """How many values a domain has; None for a continuous one."""
    if isinstance(domain, Choice):
        return len(domain.options)
    if isinstance(domain, IntRange):
        return (domain.high - domain.low) // domain.step + 1
    return None if domain.step is None else round((domain.high - domain.low) / domain.step) + 1


def finite_values(domain: Domain, most: int = 4096) -> list[Any]:
    """All values of a domain, or only the two ends of a range that is continuous or has more than `most` values."""
    if isinstance(domain, Choice):
        return list(domain.options)
    count = size(domain)
    if count is None or count > most:
        return [domain.low, domain.high]
    if isinstance(domain, IntRange):
        return list(range(domain.low, domain.high + 1, domain.step))
    low, step = Decimal(str(domain.low)), Decimal(str(domain.step))
    return [float(low + step * index) for index in range(count)]


def contains(domain: Domain, value: Any) -> bool:
    """Whether a value, or the label of one, is in a domain."""
    if isinstance(domain, Choice):
        return any(same(value, option) for option in domain.options)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    count = size(domain)
    if count is None or domain.step is None:
        return domain.low <= value <= domain.high
    # Steps of floats are counted, because their sums carry rounding errors.
    steps = (value - domain.low) / domain.step
    is_integer = isinstance(domain, FloatRange) or value == int(value)
    return is_integer and math.isclose(steps, round(steps), abs_tol=1e-6) and 0 <= round(steps) < count


def same(one: Any, other: Any) -> bool:
    """Equality in which true is not 1, and 0.1 * 3 is 0.3."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


REFERENCE = "x-reference"
"""Stands in a field's JSON Schema for a reference to the definition of this name."""
SHARED = "x-shared"
"""Holds a part of a field's JSON Schema that becomes a definition, so that equal parts are written once."""


# --- JSON Schema -----------------------------------------------------------------------------------------------------


def json_schema(field: Varying) -> dict[str, Any]:
    """A concrete value, a domain, or a list of domains."""
    domain = {SHARED: {"oneOf": [_domain_schema(kind, field.concrete_schema()) for kind in field.kinds]}}
    return {"anyOf": [field.concrete_schema(), domain, {"type": "array", "minItems": 1, "items": domain}]}


def _domain_schema(kind: str, concrete: dict[str, Any]) -> dict[str, Any]:
    number = {"type": "integer" if kind == "int" else "number"}
    properties: dict[str, Any] = {}
    if kind == "choice":
        properties["choice"] = {"type": "array", "minItems": 1, "items": concrete, "description": "One of these."}
    else:
        words = "An integer" if kind == "int" else "A number"
        text = f"{words} from low to high, both included: [low, high]."
        properties[kind] = {"type": "array", "minItems": 2, "maxItems": 2, "items": number, "description": text}
        properties["log"] = {"type": "boolean", "description": "Small values as often as large ones."}
        properties["step"] = {**number, "exclusiveMinimum": 0, "description": "Only every step-th value; must divide the range."}
    properties["when"] = {REFERENCE: "When"}
    return {"type": "object", "properties": properties, "required": [kind], "additionalProperties": False}


_SCALAR_SCHEMA = {"type": ["string", "number", "boolean", "null"]}
WHEN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "description": "Only varies when other parameters have these values; otherwise the default holds.",
    "additionalProperties": {
        "anyOf": [
            _SCALAR_SCHEMA,
            {"type": "array", "minItems": 1},
            {
                "type": "object",
                "properties": {"above": {"type": "number"}, "below": {"type": "number"}},
                "minProperties": 1,
                "additionalProperties": False,
            },
        ]
    },
}
