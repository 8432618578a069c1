"""Commands on a study: leaderboard, show, dashboard, stop."""

from typing import Annotated

import typer

from automl.cli.options import STUDIES, Format, FormatOption, StudiesDir, StudyArgument


def leaderboard(
    study: StudyArgument,
    form: FormatOption = Format.TABLE,
    everything: Annotated[bool, typer.Option("--all", help="Every trial, not only the first 20.")] = False,
    studies_dir: StudiesDir = STUDIES,
) -> None:
    """Rank the trials of a study.

    Value with its 95 % interval, parameters, seconds, size, and why one failed.

    Example: automl leaderboard transfer --format csv
    """
    from automl import api
    from automl.cli import ranking

    opened = api.open_study(study, studies_dir)
    rows = opened.rows()
    ranking.show(rows, opened.metric, form, None if everything else ranking.MOST_ROWS)


def show(
    study: StudyArgument,
    trial: Annotated[int | None, typer.Option("--trial", metavar="N", help="Number of the trial; by default the best.")] = None,
    form: FormatOption = Format.TABLE,
    studies_dir: StudiesDir = STUDIES,
) -> None:
    """Show one trial.

    Its config, its curve, how it ended, and the end of its log.
    JSON holds all of it, CSV and Markdown the curve.

    Example: automl show transfer --trial 7
    """
    from automl import api
    from automl.cli import trial_page

    opened = api.open_study(study, studies_dir)
    trial_page.show(opened.best if trial is None else opened.trial(trial), form)


def dashboard(
    study: StudyArgument,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="By default a free one from 8080 on.")] = None,
    studies_dir: StudiesDir = STUDIES,
) -> None:
    """Serve optuna-dashboard on a study.

    Until Ctrl-C, and reachable from this machine only.

    Example: automl dashboard transfer
    """
    from automl import api
    from automl.cli import waiting

    waiting.serve_dashboard(api.open_study(study, studies_dir), port)


def stop(study: StudyArgument, studies_dir: StudiesDir = STUDIES) -> None:
    """Stop a running search as Ctrl-C does.

    Waits until it has stopped; running trials are continued by the next search.

    Example: automl stop transfer
    """
    from automl import api
    from automl.cli import waiting

    waiting.stop_search(api.open_study(study, studies_dir))
