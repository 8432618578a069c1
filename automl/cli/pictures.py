"""`automl inspect`."""

from typing import Annotated

import typer

from automl.cli.options import Format, FormatOption


def inspect(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder, manifest.csv, arrays.npz, or a built-in's name.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Say what is in the data.

    Counts, sizes, unreadable files, duplicates, leaks between splits.

    Example: automl inspect photos/
    """
    from automl import api
    from automl.cli import audit

    audit.show(api.inspect(path), form)
