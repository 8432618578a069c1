"""The leaderboard as a table: only parameters that differ, under names as short as they can be."""

from collections.abc import Sequence
from typing import Any

from automl.cli.console import Column, Row, markdown, out_console, plural, print_line, say, scalar, size, table, to_json, with_interval
from automl.cli.options import Format
from automl.results.leaderboard import to_csv

MOST_ROWS = 20


def show(rows: list[dict[str, Any]], metric: str, form: Format, most: int | None = MOST_ROWS) -> None:
    """Show a leaderboard on stdout.

    Args:
        rows: As `results.leaderboard.leaderboard` gives them.
        metric: Heads the values.
        form: JSON and CSV hold all rows and full names.
        most: How many rows the table shows; None for all.
    """
    if form is Format.JSON:
        print_line(to_json(rows))
    elif form is Format.CSV:
        print_line(to_csv(rows).rstrip("\n"))
    elif form is Format.MD:
        print_line(markdown(rows, columns_of(rows, metric)))
    elif not rows:
        say("no trials yet")
    else:
        console = out_console()
        shown = rows[:most]
        console.print(table(shown, columns_of(shown, metric), console.width))
        say(counts(rows) + (f"; the first {len(shown)} are shown, --all shows every one" if len(shown) < len(rows) else ""))


def counts(rows: Sequence[Row]) -> str:
    """How many trials there are in each state."""
    states = list(dict.fromkeys(row["state"] for row in rows))
    return f"{plural(len(rows), 'trial')}: " + ", ".join(f"{sum(row['state'] == state for row in rows):,} {state}" for state in states)


def columns_of(rows: Sequence[Row], metric: str) -> list[Column]:
    """The columns that say something about these rows."""
    found = [
        Column("rank", lambda row: scalar(row["rank"]), True, 10),
        Column("trial", lambda row: str(row["trial"]), True, 10),
        Column("state", lambda row: str(row["state"]), False, 8),
        Column(metric, lambda row: with_interval(row["value"], (row["low"], row["high"])), False, 10),
    ]
    found += [_parameter(title, names) for title, names in varying(rows).items()]
    found.append(Column("seconds", lambda row: "" if row["seconds"] is None else f"{row['seconds']:.1f}", True, 4))
    if any(row["model_bytes"] is not None for row in rows):
        found.append(Column("size", lambda row: size(row["model_bytes"]), True, 3))
    if any(row["reason"] for row in rows):
        found.append(Column("reason", lambda row: row["reason"] or "", False, 9, wraps=True))
    return found


def _parameter(title: str, names: Sequence[str]) -> Column:
    def text(row: Row) -> str:
        return next((scalar(row["params"][name]) for name in names if name in row["params"]), "")

    return Column(title, text, importance=6)


def varying(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The parameters that differ between rows: a short title, and the names that share its column.

    Several domains of one field, of which only one is active at a time, are one column.
    """
    columns: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for row in rows for name in row["params"]):
        columns.setdefault(name.partition("[")[0], []).append(name)
    differing = {field: names for field, names in columns.items() if len(rows) == 1 or len({_value(row, names) for row in rows}) > 1}
    titles = short_names(list(differing))
    return {titles[field]: names for field, names in differing.items()}


def _value(row: Row, names: Sequence[str]) -> str:
    return next((repr(row["params"][name]) for name in names if name in row["params"]), "")


def short_names(names: Sequence[str]) -> dict[str, str]:
    """For each dotted name its shortest ending that no other name has."""
    found = {}
    for name in names:
        parts = name.split(".")
        endings = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        others = [other for other in names if other != name]
        found[name] = next((e for e in endings if not any(o == e or o.endswith(f".{e}") for o in others)), name)
    return found
