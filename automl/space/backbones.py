"""What the space knows of backbones: their names, arguments, weight files, input sizes and stages, from a generated data file."""

import functools
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Literal

import pydantic

from automl.space import domains
from automl.space.fields import Field, Mistake
from automl.space.problems import did_you_mean, listed, nearest, shown

_TYPES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "int": (int, ("int", "choice")),
    "float": (float, ("float", "choice")),
    "bool": (bool, ("choice",)),
    "str": (str, ("choice",)),
}


@dataclass(frozen=True)
class BackboneEntry:
    """One backbone of the catalog.

    Attributes:
        pretrained: Whether there are ImageNet weights for it.
        minimum_size: Smallest side of its input in pixels.
        usual_size: Side in pixels that Keras assumes for its published weights; None without such weights.
        parameters: Number of its weights at default arguments, without a classifier.
        stage_parameters: Those of each stage that `model.unfreeze` counts, from the output on.
        arguments: The constructor's arguments, each with type and default, perhaps low, high, options, imagenet.
        weights: The published weight files, each with the arguments that it belongs to.
    """

    name: str
    pretrained: bool
    minimum_size: int
    usual_size: int | None
    parameters: int
    stage_parameters: tuple[int, ...]
    arguments: Mapping[str, Mapping[str, Any]]
    weights: tuple[Mapping[str, Any], ...]

    @property
    def stages(self) -> int:
        """How many stages `model.unfreeze` counts."""
        return len(self.stage_parameters)

    def has_imagenet(self, arguments: Mapping[str, Any]) -> bool:
        """Whether weights are published for a network with these concrete arguments."""
        for name, value in arguments.items():
            allowed = self.arguments.get(name, {}).get("imagenet")
            if allowed is not None and value not in allowed:
                return False
        full = {name: argument.get("default") for name, argument in self.arguments.items()} | dict(arguments)
        files = [file.get("arguments", {}) for file in self.weights]
        return not files or any(all(full.get(name) == value for name, value in wanted.items()) for wanted in files)

    def describe_imagenet(self) -> str:
        """The arguments for which weights are published: 'alpha 0.25, 0.5, 0.75 or 1.0'.

        Where not every combination of such values has weights the combinations are listed instead.
        """
        published = {name: argument["imagenet"] for name, argument in self.arguments.items()}
        combinations = list({shown(file["arguments"]): file["arguments"] for file in self.weights}.values())
        if len(combinations) == math.prod(len(values) for values in published.values()):
            return ", ".join(f"{name} {listed(map(shown, values))}" for name, values in published.items())
        return listed(" with ".join(f"{name} {shown(value)}" for name, value in arguments.items()) for arguments in combinations)


@functools.cache
def catalog() -> dict[str, BackboneEntry]:
    """All backbones that a space file may name."""
    text = (resources.files("automl") / "models" / "backbones.json").read_text(encoding="utf-8")
    return {
        name: BackboneEntry(
            name=name,
            pretrained=bool(entry.get("pretrained", False)),
            minimum_size=int(entry["minimum_size"]),
            usual_size=entry.get("usual_size"),
            parameters=int(entry["parameters"]),
            stage_parameters=tuple(entry["stages"]),
            arguments=entry.get("arguments", {}),
            weights=tuple(entry.get("weights", ())),
        )
        for name, entry in json.loads(text)["backbones"].items()
    }


def unknown_backbone(name: Any) -> str:
    """The message about a backbone that is not in the catalog."""
    near = nearest(name, catalog())
    return f"unknown backbone {shown(name)}" + (f"; did you mean '{near}'?" if near else "; `automl schema` lists them all")


@functools.cache
def argument_field(backbone: str, name: str) -> Field:
    """The field of one constructor argument."""
    argument = catalog()[backbone].arguments[name]
    if argument.get("options"):
        return Field(Literal[tuple(argument["options"])], ("choice",))
    base, kinds = _TYPES.get(str(argument.get("type")), (Any, ("choice",)))
    limits = {limit: argument[key] for key, limit in (("low", "ge"), ("high", "le")) if argument.get(key) is not None}
    optional = argument.get("default") is None
    annotation = Annotated[base, pydantic.Field(**limits)] if limits else base
    return Field(annotation | None if optional and base is not Any else annotation, kinds)


class BackboneField(Field):
    """`model.backbone`: a name, or a mapping of a name and arguments that may be domains themselves."""

    def __init__(self) -> None:
        super().__init__(Any, ("choice",))

    @property
    def expected(self) -> str:
        return "a backbone's name, or a mapping with 'name' and its arguments"

    @property
    def takes_lists(self) -> bool:
        return False

    def check(self, value: Any) -> tuple[Any, list[Mistake]]:
        if isinstance(value, dict) and "name" in value:
            return self.concrete(value)
        return super().check(value)

    def concrete(self, value: Any) -> tuple[Any, list[Mistake]]:
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or "name" not in given:
            return None, [((), f"expected {self.expected}, but got {shown(value)}")]
        name = given["name"]
        if not isinstance(name, str) or name not in catalog():
            return None, [((), unknown_backbone(name))]
        normal: dict[str, Any] = {"name": name}
        mistakes: list[Mistake] = []
        for key, item in given.items():
            if key == "name":
                continue
            if key not in catalog()[name].arguments:
                mistakes.append(((key,), f"unknown argument of {name}{did_you_mean(key, catalog()[name].arguments)}"))
                continue
            normal[key], wrong = argument_field(name, key).check(item)
            mistakes += [((key, *path), f"{name}.{key}: {message}") for path, message in wrong]
        return normal, mistakes

    def concrete_schema(self) -> dict[str, Any]:
        return {domains.REFERENCE: "Backbone"}

    def backbone_schema(self) -> dict[str, Any]:
        """JSON Schema of a name or a mapping, with every backbone's arguments."""
        names = sorted(catalog())
        mappings = [_mapping_schema({"enum": [name for name in names if not catalog()[name].arguments]}, {})]
        for entry in catalog().values():
            if entry.arguments:
                arguments = {name: domains.json_schema(argument_field(entry.name, name)) for name in entry.arguments}
                mappings.append(_mapping_schema({"const": entry.name}, arguments))
        return {"anyOf": [{"enum": names}, *mappings]}


def _mapping_schema(name: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"name": name, **arguments}, "required": ["name"], "additionalProperties": False}


def combinations(option: Mapping[str, Any], most: int = 16) -> list[dict[str, Any]]:
    """Every concrete mapping that one backbone option can become; of a range with more than `most` values only the ends."""
    names = [name for name in option if name != "name"]
    columns = [_values(option[name], most) for name in names]
    found = []
    for row in itertools.islice(itertools.product(*columns), 4096):
        found.append({"name": option["name"], **{name: value for name, value in zip(names, row, strict=True) if value is not _ABSENT}})
    return found


_ABSENT = object()


def _values(value: Any, most: int) -> list[Any]:
    inside = domains.entries(value)
    if not inside:
        return [value]
    found: list[Any] = []
    for _, domain in inside:
        values = domain["choice"] if "choice" in domain else domains.finite_values(domains.as_record(domain), most)
        found += [item for item in values if item not in found]
    # With a condition the argument may also be left to its default.
    return [*found, _ABSENT] if any("when" in domain for _, domain in inside) else found


__all__ = ["BackboneEntry", "BackboneField", "argument_field", "catalog", "combinations", "unknown_backbone"]
