"""The pydantic models of the space file, derived from the records: a field that `Varies` there accepts a domain here.

There is one list of fields, in records.py and settings.py; nothing here names a single one of them.
"""

import functools
import json
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from automl.records import Backbone, TrialConfig, Varies
from automl.space import domains
from automl.space.backbones import BackboneField
from automl.space.fields import Field, annotated
from automl.space.problems import Path
from automl.space.settings import ExportConfig, SearchConfig
from automl.space.strategies import Options, Strategy, StrategyField

_FORBID = ConfigDict(extra="forbid", protected_namespaces=())


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in (Backbone, Strategy)


def _field(info: FieldInfo) -> Field:
    if info.annotation is Backbone:
        return BackboneField()
    options = next((mark for mark in info.metadata if isinstance(mark, Options)), None)
    if options is not None:
        return StrategyField(options.table)
    varies = next((mark for mark in info.metadata if isinstance(mark, Varies)), None)
    return Field(annotated(info, varies), varies.kinds if varies else ())


def _default(info: FieldInfo) -> Any:
    if info.is_required():
        return ...
    default = info.get_default(call_default_factory=True, validated_data={})
    return default.model_dump(mode="json") if isinstance(default, BaseModel) else list(default) if isinstance(default, tuple) else default


def _derived(record: type[BaseModel]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, info in record.model_fields.items():
        if _is_section(info.annotation):
            fields[name] = _section(info.annotation, info.description)
        else:
            fields[name] = (Annotated[Any, _field(info)], pydantic.Field(_default(info), description=info.description))
    return pydantic.create_model(record.__name__, __config__=_FORBID, __doc__=record.__doc__, **fields)


def _section(record: Any, description: str | None = None) -> tuple[Any, Any]:
    model = _derived(record)
    if any(info.is_required() for info in model.model_fields.values()):
        return model, pydantic.Field(description=description)
    return model, pydantic.Field(default_factory=model, description=description)


@functools.cache
def space_model() -> type[BaseModel]:
    """The model of a whole space file; its fields' annotations are `Field` or further models."""
    sections = {name: info.annotation for name, info in TrialConfig.model_fields.items() if _is_section(info.annotation)}
    sections |= {"search": SearchConfig, "export": ExportConfig}
    study = pydantic.Field(None, description="Name of the study and of its folder. Default: the file's name without its ending.")
    fields: dict[str, Any] = {"study": (Annotated[Any, Field(str | None)], study)}
    fields |= {name: _section(record) for name, record in sections.items()}
    text = "What may vary, on which pictures, and how the search goes."
    return pydantic.create_model("SpaceFile", __config__=_FORBID, __doc__=text, **fields)


@functools.cache
def leaves() -> dict[Path, tuple[Field, FieldInfo]]:
    """Every field of the space file by its path, in the order of the records."""
    return dict(_walk(space_model(), ()))


@functools.cache
def sections() -> dict[Path, type[BaseModel]]:
    """Every section by its path, the whole file under ()."""
    found: dict[Path, type[BaseModel]] = {(): space_model()}
    for path, model in list(found.items()):
        found |= _inner(path, model)
    return found


def _inner(path: Path, model: type[BaseModel]) -> dict[Path, type[BaseModel]]:
    found: dict[Path, type[BaseModel]] = {}
    for name, info in model.model_fields.items():
        if _is_section(info.annotation):
            inner: Any = info.annotation
            found[(*path, name)] = inner
            found |= _inner((*path, name), inner)
    return found


def _walk(model: type[BaseModel], path: Path) -> list[tuple[Path, tuple[Field, FieldInfo]]]:
    found: list[tuple[Path, tuple[Field, FieldInfo]]] = []
    for name, info in model.model_fields.items():
        if _is_section(info.annotation):
            inner: Any = info.annotation
            found += _walk(inner, (*path, name))
        else:
            mark = next(mark for mark in info.metadata if isinstance(mark, Field))
            found.append(((*path, name), (mark, info)))
    return found


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the space file, for editors and for `automl schema`."""
    schema = space_model().model_json_schema()
    schema["$defs"] |= {"Backbone": BackboneField().backbone_schema(), "When": domains.WHEN_SCHEMA}
    for part in [schema, *schema.get("$defs", {}).values()]:
        for item in part.get("properties", {}).values():
            item.pop("title", None)
    shared: dict[str, dict[str, Any]] = {}
    schema = _with_references(schema, shared)
    schema["$defs"] |= {f"Domain{number}": part for number, part in enumerate(shared.values(), 1)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "automl space file"}


def _with_references(schema: Any, shared: dict[str, dict[str, Any]]) -> Any:
    """The schema with the marks of `domains` made into references; pydantic itself refuses those that it did not make."""
    if isinstance(schema, list):
        return [_with_references(item, shared) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if domains.REFERENCE in schema:
        return {"$ref": f"#/$defs/{schema[domains.REFERENCE]}"}
    if domains.SHARED in schema:
        part = _with_references(schema[domains.SHARED], shared)
        key = json.dumps(part, sort_keys=True)
        shared.setdefault(key, part)
        return {"$ref": f"#/$defs/Domain{list(shared).index(key) + 1}"}
    return {key: _with_references(item, shared) for key, item in schema.items()}
