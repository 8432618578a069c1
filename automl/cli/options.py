"""The options that several commands share, so that one word means one thing everywhere. Importing this costs next to nothing."""

import dataclasses
import functools
import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Format(StrEnum):
    """The forms of a listing."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"


FormatOption = Annotated[Format, typer.Option("--format", help="table, json, csv or md.")]
StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A study's folder, or its name under the studies' folder.")]
StudiesDir = Annotated[Path, typer.Option("--studies-dir", help="Folder of the studies.")]
SpaceFile = Annotated[Path, typer.Argument(metavar="FILE", help="The space file.")]
STUDIES = Path("studies")


@dataclass(frozen=True)
class Given:
    """What `search`, `validate` and `plan` may put in the place of what the space file says."""

    data: Annotated[str | None, typer.Option("--data", metavar="PATH", help="Pictures instead of data.path, or a built-in's name.")] = None
    study: Annotated[str | None, typer.Option("--study", metavar="NAME", help="Name of the study; by default the file's name.")] = None
    studies_dir: StudiesDir = STUDIES
    trials: Annotated[int | None, typer.Option("--trials", help="Total number of trials, over all runs.")] = None
    time: Annotated[str | None, typer.Option("--time", help="Total search time, over all runs: 2h, 90m, 1h30m, 45s.")] = None
    workers: Annotated[int | None, typer.Option("--workers", help="Trials that run at the same time.")] = None
    overrides: Annotated[list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any other value, as often as needed.")] = field(
        default_factory=list
    )

    def budget(self) -> dict[str, Any]:
        """The options as the Python interface takes them, without the pictures and the studies' folder."""
        return {name: getattr(self, name) for name in ("study", "trials", "time", "workers", "overrides")}

    def arguments(self) -> list[str]:
        """The options as they were written."""
        found: list[str] = []
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name == "overrides":
                found += [part for override in value for part in ("--set", override)]
            elif value is not None and value != item.default:
                found += [f"--{item.name.replace('_', '-')}", str(value)]
        return found


def takes_given(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command have the options of `Given` beside its own parameters, and hand them to it as its parameter `given`."""
    hints = inspect.get_annotations(Given, eval_str=True)
    shared = [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[item.name], default=_default(item))
        for item in dataclasses.fields(Given)
    ]
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "given"
    ]

    @functools.wraps(command)
    def call(**values: Any) -> None:
        given = Given(**{parameter.name: values.pop(parameter.name) for parameter in shared})
        command(given=given, **values)

    merged = sorted([*own, *shared], key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    call.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in merged}
    return call


def _default(item: "dataclasses.Field[Any]") -> Any:
    return item.default if item.default is not dataclasses.MISSING else []


def command_line(*words: object) -> str:
    """A command as one would type it."""
    return shlex.join(["automl", *map(str, words)])
