"""One field of the space file: what a concrete value of it must be, said in words, in JSON Schema and as a check."""

import json
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import annotated_types
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from automl.space import domains
from automl.space.problems import Path, listed, nearest, shown, unknown_key

Mistake = tuple[Path, str]
"""A place below the field and what is wrong there."""

ERROR_TYPE = "space"
"""The type of the pydantic errors whose message is already meant for the user."""


def mistake_errors(mistakes: Iterable[Mistake]) -> ValidationError:
    """The mistakes as one pydantic error, which pydantic merges into the errors of the model round the field."""
    details = [
        InitErrorDetails(type=PydanticCustomError(ERROR_TYPE, "{message}", {"message": message}), loc=path, input=None)
        for path, message in mistakes
    ]
    return ValidationError.from_exception_data("space", details)


class Field:
    """A field's type with its limits, and which domains it accepts; an annotation of the derived pydantic models.

    Args:
        annotation: The type of a concrete value with its constraints.
        kinds: The domains that make sense; none for a field that cannot vary.
    """

    def __init__(self, annotation: Any, kinds: tuple[str, ...] = ()) -> None:
        self.kinds = kinds
        self.annotation = annotation
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    @property
    def expected(self) -> str:
        """What a concrete value must be, as a message says it: 'an integer from 8 to 2048'."""
        return expected(self.annotation)

    @property
    def takes_lists(self) -> bool:
        """Whether a concrete value is a list."""
        return "a list" in self.expected

    def concrete(self, value: Any) -> tuple[Any, list[Mistake]]:
        """Check a concrete value; it comes back as JSON has it."""
        try:
            found = self._adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            own: list[Mistake] = [((), item["msg"]) for item in error.errors() if item["type"] == ERROR_TYPE]
            return None, own or self._mistakes_inside(value) or [((), self._complaint(value))]
        return self._adapter.dump_python(found, mode="json"), []

    def check(self, value: Any) -> tuple[Any, list[Mistake]]:
        """Check a concrete value, a domain or a list of domains; it comes back normalised."""
        if domains.is_domain(value) or domains.is_domain_list(value):
            if self.kinds:
                return domains.check(value, self)
            return None, [((), f"this cannot vary; expected {self.expected}, but got a domain")]
        if isinstance(value, dict) and self.kinds and (message := self._misspelled(value)):
            return None, [message]
        return self.concrete(value)

    def concrete_schema(self) -> dict[str, Any]:
        """JSON Schema of a concrete value."""
        schema = self._adapter.json_schema()
        found: dict[str, Any] = _without_references(schema, schema.pop("$defs", {}))
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return domains.json_schema(self) if self.kinds else self.concrete_schema()

    def _validate(self, value: Any) -> Any:
        normal, mistakes = self.check(value)
        if mistakes:
            raise mistake_errors(mistakes)
        return normal

    def _misspelled(self, value: dict[str, Any]) -> Mistake | None:
        for key in value:
            near = nearest(key, domains.KINDS)
            if near is not None:
                return (key,), f"unknown key; did you mean '{near}'?"
        return (), f"expected {self.expected}, or a domain (a mapping with one of {listed(self.kinds)}), but got {shown(value)}"

    def _mistakes_inside(self, value: Any) -> list[Mistake]:
        """The mistakes key by key, where a value is a mapping and a record may stand here."""
        found: list[Mistake] = []
        record = _record_of(self.annotation)
        if record is None or not isinstance(value, dict):
            return found
        for key, item in value.items():
            info = record.model_fields.get(key)
            if info is None:
                found.append(((key,), unknown_key(key, record.model_fields)))
            else:
                wrong = Field(annotated(info)).concrete(item)[1]
                found += [((key, *path), f"{key}: {message}") for path, message in wrong]
        return found

    def _complaint(self, value: Any) -> str:
        words = [word for word in _literals(self.annotation) if isinstance(word, str)]
        near = nearest(value, words) if value is not None else None
        hint = f"; did you mean '{near}'?" if near is not None else ""
        if value in ("none", "None") and self.expected.endswith("null"):
            hint = "; did you mean null?"
        return f"expected {self.expected}, but got {shown(value)}{hint}"


# --- a type in words -------------------------------------------------------------------------------------------------


def expected(annotation: Any) -> str:
    """A type with its limits in words."""
    base, limits = _unwrapped(annotation)
    origin = typing.get_origin(base)
    if origin is Literal:
        return listed(f"'{word}'" for word in typing.get_args(base))
    if origin in (typing.Union, types.UnionType):
        return listed(word for part in typing.get_args(base) for word in _alternatives(part))
    if origin in (tuple, list):
        inner = expected(typing.get_args(base)[0])
        return f"a list, each entry {inner}"
    if origin is dict:
        return "a mapping"
    if isinstance(base, type) and issubclass(base, BaseModel):
        keys = [f"'{name}' ({expected(annotated(info))})" for name, info in base.model_fields.items()]
        return f"a mapping with {listed(keys, 'and')}"
    words = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return words.get(base, "a value") + _limits(limits)


def _alternatives(annotation: Any) -> list[str]:
    base, _ = _unwrapped(annotation)
    return [f"'{word}'" for word in typing.get_args(base)] if typing.get_origin(base) is Literal else [expected(annotation)]


def annotated(info: FieldInfo, *without: Any) -> Any:
    """The annotation that pydantic took apart, without some of its marks."""
    annotation: Any = info.annotation
    for mark in info.metadata:
        if mark not in without:
            annotation = Annotated[annotation, mark]
    return annotation


def _record_of(annotation: Any) -> type[BaseModel] | None:
    parts = typing.get_args(_unwrapped(annotation)[0])
    return next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None)


def _without_references(schema: Any, parts: dict[str, Any]) -> Any:
    """A schema with each reference to one of its parts replaced by the part."""
    if isinstance(schema, list):
        return [_without_references(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _without_references(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: _without_references(item, parts) for key, item in schema.items()}


def _unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    if typing.get_origin(annotation) is not Annotated:
        return annotation, []
    base, *marks = typing.get_args(annotation)
    limits: list[Any] = []
    for mark in marks:
        limits += mark.metadata if isinstance(mark, FieldInfo) else [mark]
    return base, limits


def _limits(limits: list[Any]) -> str:
    low = high = ""
    for limit in limits:
        if isinstance(limit, annotated_types.Ge):
            low = f"{limit.ge}"
        elif isinstance(limit, annotated_types.Le):
            high = f"{limit.le}"
        elif isinstance(limit, annotated_types.Gt):
            low = f"above {limit.gt}"
        elif isinstance(limit, annotated_types.Lt):
            high = f"below {limit.lt}"
    if not low and not high:
        return ""
    if low and high and not low.startswith("above") and not high.startswith("below"):
        return f" from {low} to {high}"
    low = low if not low or low.startswith("above") else f"of at least {low}"
    high = high if not high or high.startswith("below") else f"of at most {high}"
    return " " + " and ".join(part for part in (low, high) if part)


def _literals(annotation: Any) -> list[Any]:
    base, _ = _unwrapped(annotation)
    origin = typing.get_origin(base)
    if origin is Literal:
        return list(typing.get_args(base))
    if origin in (typing.Union, types.UnionType):
        return [word for part in typing.get_args(base) for word in _literals(part)]
    return []
