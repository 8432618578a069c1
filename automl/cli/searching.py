"""`automl search`."""

from pathlib import Path
from typing import Annotated

import typer

from automl.cli.options import Given, command_line, takes_given


@takes_given
def search(space: Annotated[Path, typer.Option("--space", metavar="FILE", help="The space file.")], given: Given) -> None:
    """Search for the best model, and export it.

    Trials run to their total, continuing what the study already holds.
    Progress goes to stderr, the result to stdout. Ctrl-C stops cleanly; the same command continues.

    Example: automl search --space transfer.yaml --data photos/ --trials 20 --set train.epochs=3
    """
    from automl import api
    from automl.cli import summary, watching
    from automl.searches.folder import StudyFolder

    loaded = api.load_space(space, given.data, **given.budget())
    folder = StudyFolder(given.studies_dir / loaded.study)
    with watching.watch(loaded, folder) as listener:
        outcome = api.run(loaded, folder, listener)
    again = command_line("search", "--space", space, *given.arguments())
    code = summary.show(outcome, api.Study(folder), again)
    if code:
        raise typer.Exit(code)
