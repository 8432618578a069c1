"""Commands on space files: validate, plan, schema, and the ones that come along."""

from pathlib import Path
from typing import Annotated

import typer

from automl.cli.options import Format, FormatOption, Given, SpaceFile, takes_given

shipped = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The space files that come along, to copy and edit.")


@takes_given
def validate(file: SpaceFile, given: Given) -> None:
    """Check a space file.

    The options are those of `search`; all mistakes are listed at once.

    Example: automl validate transfer.yaml --set train.epochs=3
    """
    from automl.cli import planning

    planning.validate(file, given)


@takes_given
def plan(file: SpaceFile, given: Given, form: FormatOption = Format.TABLE) -> None:
    """Say what a search would do.

    Parameters, budget, devices, disk, what is missing, and what looks like a mistake; nothing is done.

    Example: automl plan transfer.yaml --data photos/ --trials 20
    """
    from automl import api
    from automl.cli import planning

    planning.show(api.plan(file, given.data, studies_dir=given.studies_dir, **given.budget()), form)


def schema() -> None:
    """Print the JSON Schema of a space file.

    With it an editor completes keys, backbones and domains.

    Example: automl schema > automl.schema.json
    """
    from automl.cli.console import print_line, to_json
    from automl.space.schema import json_schema

    print_line(to_json(json_schema()))


@shipped.command(name="list")
def list_spaces(form: FormatOption = Format.TABLE) -> None:
    """List the space files that come along.

    Example: automl spaces list
    """
    from automl.cli.console import Column, show
    from automl.space import shipped as files

    columns = [Column("name", lambda row: row["name"]), Column("purpose", lambda row: row["purpose"], wraps=True)]
    show([{"name": space.name, "purpose": space.purpose} for space in files.list_spaces()], columns, form)


@shipped.command(name="show")
def show_space(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Print one of them.

    Example: automl spaces show quickstart
    """
    from automl.cli.console import print_line
    from automl.space import shipped as files

    print_line(files.read_space(name).rstrip("\n"))


@shipped.command(name="copy")
def copy_space(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    to: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="By default NAME.yaml in this folder.")] = None,
) -> None:
    """Copy one of them to edit it; nothing is overwritten.

    Example: automl spaces copy quickstart mine.yaml
    """
    from automl.cli.console import print_line
    from automl.space import shipped as files

    print_line(str(files.copy_space(name, to if to is not None else Path())))
