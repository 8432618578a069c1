"""What a finished or interrupted search leaves on the screen: the best trials, the test reading, and what to do next."""

import json
from pathlib import Path
from typing import Any

from automl.api import Study
from automl.cli import ranking
from automl.cli.console import print_line, say, with_interval
from automl.cli.options import Format, command_line
from automl.searches.outcome import Outcome

TOP = 5
ENDINGS = {
    "trials": "all trials are done",
    "time": "search.time is used up",
    "exhausted": "every combination has been tried",
    "interrupted": "interrupted; nothing that finished is lost",
}


def show(outcome: Outcome, study: Study, again: str) -> int:
    """Show how a search ended.

    Args:
        outcome: As the search gave it.
        study: The study, with all its runs.
        again: The command line that continues it.

    Returns:
        The exit code.
    """
    rows = study.rows()
    print_line(f"study {study.name}: {ENDINGS[outcome.ending]}")
    ranking.show(rows, study.metric, Format.TABLE, most=TOP)
    if outcome.best is None and outcome.ending != "interrupted":
        say("error: no trial is complete, so there is no winner")
    elif outcome.best is not None and outcome.ending != "interrupted":
        _show_winner(outcome, study)
    for line in _next(outcome, study, again):
        print_line(line)
    if outcome.ending == "interrupted":
        return 130
    return 1 if outcome.best is None or outcome.export_problem is not None else 0


def _show_winner(outcome: Outcome, study: Study) -> None:
    if outcome.export_problem is not None:
        say(f"error: the winner could not be exported: {outcome.export_problem}")
        return
    content = read_metrics(study.folder / "best")
    print_line(describe_test(content, study.metric))
    print_line(
        f"model: {study.folder / 'best' / 'model.keras'}"
        if (study.folder / "best" / "model.keras").exists()
        else f"model: {study.folder / 'best'}"
    )


def read_metrics(folder: Path) -> dict[str, Any]:
    """The content of an exported folder's metrics.json; empty when there is none."""
    try:
        content: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return content


def describe_test(content: dict[str, Any], metric: str) -> str:
    """The winner's reading of the test pictures in one line."""
    test = content.get("test")
    if not test:
        return "test pictures: none were read (data.test is 0), so the value above is optimistic: the validation pictures chose the winner"
    name = metric.removeprefix("val_")
    value = with_interval(test["metrics"].get(name), test["interval"])
    return f"test pictures: {name} {value} on {test['pictures']:,} pictures, read only for the winner"


def _next(outcome: Outcome, study: Study, again: str) -> list[str]:
    where = study.name if study.folder == Path("studies", study.name).absolute() else study.folder
    steps = []
    if outcome.ending == "interrupted":
        steps.append((again, "continue"))
    elif outcome.export_problem is not None:
        steps.append((again, "try the export again; no trial is repeated"))
    steps.append((command_line("leaderboard", where), "all trials"))
    if outcome.best is None and outcome.ending != "interrupted" and study.trials:
        steps.append((command_line("show", where, "--trial", study.trials[-1].number), "what became of one of them"))
    if outcome.best is not None:
        steps.append((command_line("predict", where, "PICTURE.jpg"), "use the winner"))
    steps.append((command_line("dashboard", where), "look at it in a browser"))
    widest = max(len(command) for command, _ in steps)
    return ["", "next:", *(f"  {command:<{widest}}  # {what}" for command, what in steps)]
