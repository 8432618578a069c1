"""The sections of a space file that are about the search and the export; all their values are concrete."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from automl.records import METRICS, Direction, Record
from automl.space.fields import ERROR_TYPE
from automl.space.problems import nearest, shown
from automl.space.strategies import PRUNERS, SAMPLERS, Options, Strategy

BUILTINS = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")
"""Data sets that `data.path` may name; they come with scikit-learn and Keras."""

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


_TIME_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}, {"type": "null"}]}


def seconds(value: Any) -> Any:
    """A duration such as 2h, 90m, 1h30m or 45s, or a number of seconds, as seconds."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        found = value
    else:
        match = _DURATION.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
        if match is None or not any(match.groups()):
            raise PydanticCustomError(ERROR_TYPE, "{message}", {"message": _expected_time(value)})
        hours, minutes, rest = (float(part or 0) for part in match.groups())
        found = hours * 3600 + minutes * 60 + rest
    if found is not None and not 0 < found <= 10**9:
        raise PydanticCustomError(ERROR_TYPE, "{message}", {"message": _expected_time(value)})
    return found


def _expected_time(value: Any) -> str:
    return f"expected a time like 2h, 90m, 1h30m or 45s, or seconds above 0, but got {shown(value)}"


def _metric(value: Any) -> Any:
    if isinstance(value, str) and value in METRICS:
        return value
    near = f"val_{value}" if f"val_{value}" in METRICS else nearest(value, METRICS)
    hint = f"; did you mean '{near}'?" if near else ""
    message = f"expected {', '.join(METRICS)}, but got {shown(value)}{hint}"
    raise PydanticCustomError(ERROR_TYPE, "{message}", {"message": message})


def _url(value: Any) -> Any:
    if value is None or (isinstance(value, str) and re.match(r"[A-Za-z][\w+.-]*://", value)):
        return value
    message = f"expected an SQLAlchemy URL such as sqlite:///study.db, but got {shown(value)}"
    raise PydanticCustomError(ERROR_TYPE, "{message}", {"message": message})


def _once(value: Any) -> Any:
    if isinstance(value, list) and any(value.count(item) > 1 for item in value):
        message = f"expected each entry once, but got {shown(value)}"
        raise PydanticCustomError(ERROR_TYPE, "{message}", {"message": message})
    # After a Python function pydantic's strict mode no longer takes a list for a tuple.
    return tuple(value) if isinstance(value, list) else value


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


_Gpus = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), BeforeValidator(_once)]


class SearchConfig(Record):
    """How many trials, chosen and pruned by what, on which devices."""

    metric: Annotated[str, BeforeValidator(_metric), WithJsonSchema({"enum": list(METRICS)})] = Field(
        "val_accuracy", description="What is optimized: " + ", ".join(METRICS) + "."
    )
    direction: Direction | None = Field(None, description="maximize or minimize. Default: what is better for the metric.")
    trials: int = Field(50, ge=1, le=1_000_000, description="The total: running again continues to it, never beyond.")
    time: Annotated[float | None, BeforeValidator(seconds), WithJsonSchema(_TIME_SCHEMA)] = Field(
        None, description="Search time summed over runs: 2h, 90m, 1h30m, 45s or seconds; none for no limit."
    )
    sampler: Annotated[Strategy, BeforeValidator(_named), Options(SAMPLERS)] = Field(
        Strategy(name="tpe"), description="A name, or a mapping of a name and options with Optuna's argument names."
    )
    pruner: Annotated[Strategy, BeforeValidator(_named), Options(PRUNERS)] = Field(
        Strategy(name="median"), description="A name, or a mapping of a name and options with Optuna's argument names."
    )
    start: tuple[dict[str, Any], ...] = Field(
        (), description="Values that are tried first: mappings of parameter names to values; what is left out is sampled."
    )
    devices: Literal["auto", "cpu"] | _Gpus = Field("auto", description="auto, cpu, or a list of GPU numbers.")
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = Field("auto", description="Trials that run at the same time.")
    threads_per_worker: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = Field("auto", description="CPU threads of each worker.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Decides the split, the proposals and each trial's seed.")
    keep: int = Field(5, ge=1, description="Best trials whose weights are kept.")
    deterministic: bool = Field(False, description="Equal figures on a GPU too; slower.")
    storage: Annotated[str | None, BeforeValidator(_url)] = Field(
        None, description="SQLAlchemy URL of the study's database. Default: study.db in the study's folder."
    )

    @property
    def resolved_direction(self) -> Direction:
        """The direction, from the metric where the file does not give one."""
        return self.direction or METRICS[self.metric]


class ExportConfig(Record):
    """What is made of the winner."""

    formats: Annotated[tuple[Literal["keras", "saved_model", "onnx", "litert"], ...], BeforeValidator(_once)] = Field(
        ("keras",), description="File formats: keras, saved_model, onnx, litert."
    )


__all__ = ["BUILTINS", "ExportConfig", "SearchConfig", "seconds"]
