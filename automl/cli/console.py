"""How results and messages look: listings as table, JSON, CSV or Markdown on stdout, everything else on stderr."""

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from automl.cli.options import Format

Row = Mapping[str, Any]
WIDEST_CELL = 60
NARROWEST_TEXT = 20
PIPED_WIDTH = 2000
_GAP = 3


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its heading.
        text: What a row shows there.
        is_number: Whether it is aligned to the right.
        importance: Where there is too little room, columns with a lower importance go first.
        wraps: Whether a long text goes on in the next line instead of being cut.
    """

    title: str
    text: Callable[[Row], str]
    is_number: bool = False
    importance: int = 9
    wraps: bool = False


def out_console() -> Console:
    """stdout; as wide as a line needs when it is not a terminal, so that nothing is cut in a pipe."""
    return _console(sys.stdout, PIPED_WIDTH)


def message_console() -> Console:
    """stderr."""
    return _console(sys.stderr, PIPED_WIDTH)


def _console(file: Any, piped_width: int) -> Console:
    # Values from the user's files are shown as they are, never read as markup.
    width = None if file.isatty() else piped_width
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)


def say(text: str) -> None:
    """One line on stderr."""
    print_line(text, sys.stderr)


def print_line(text: str, file: Any = None) -> None:
    """One line, on stdout unless told otherwise, without control characters that a file's name may hold."""
    stream = file or sys.stdout
    stream.write(printable(text) + "\n")
    stream.flush()


def printable(text: str) -> str:
    """A text in which control characters other than line ends and tabs are spelled out, so that none reaches the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def show(rows: Sequence[Row], columns: Sequence[Column], form: Format, *, records: Sequence[Row] | None = None) -> None:
    """Show a listing on stdout.

    Args:
        rows: What table and Markdown show.
        columns: How.
        form: table, json, csv or md.
        records: What JSON and CSV hold, if that is more than `rows`.
    """
    whole = rows if records is None else records
    if form is Format.JSON:
        print_line(to_json(whole))
    elif form is Format.CSV:
        sys.stdout.write(_csv(whole))
    elif form is Format.MD:
        print_line(markdown(rows, columns))
    elif rows:
        console = out_console()
        console.print(table(rows, columns, console.width))


def to_json(value: Any, indent: int | None = 2) -> str:
    """JSON in which a number that is not finite is null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _csv(records: Sequence[Row]) -> str:
    text = io.StringIO()
    names = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for record in records:
        cells = [record.get(name) for name in names]
        writer.writerow([to_json(cell, indent=None) if isinstance(cell, Mapping | list | tuple) else cell for cell in cells])
    return text.getvalue()


def markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """A table in Markdown."""
    lines = [[column.title for column in columns], ["---:" if column.is_number else "---" for column in columns]]
    lines += [[column.text(row).replace("|", "\\|").replace("\n", " ") for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table(rows: Sequence[Row], columns: Sequence[Column], width: int) -> RenderableType:
    """A table that fits: where the columns together are too wide, the least important are left out, and a last line says so."""
    texts = [[printable(column.text(row)) for row in rows] for column in columns]
    widths = [
        min(NARROWEST_TEXT if c.wraps else WIDEST_CELL, max(map(len, [c.title, *cells]))) for c, cells in zip(columns, texts, strict=True)
    ]
    kept = fitting(widths, [column.importance for column in columns], width)
    left_out = [column.title for index, column in enumerate(columns) if index not in kept]
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    for index in kept:
        column = columns[index]
        overflow: Literal["fold", "ellipsis"] = "fold" if column.wraps else "ellipsis"
        drawn.add_column(column.title, justify="right" if column.is_number else "left", no_wrap=not column.wraps, overflow=overflow)
    for position in range(len(rows)):
        drawn.add_row(*(texts[index][position].replace("\n", " ") for index in kept))
    return Group(drawn, Text(f"not shown for lack of room: {', '.join(left_out)}")) if left_out else drawn


def fitting(widths: Sequence[int], importance: Sequence[int], width: int) -> list[int]:
    """Positions of the columns that are kept so that they fit; the first one always stays."""
    kept = list(range(len(widths)))
    while len(kept) > 1 and sum(widths[index] for index in kept) + _GAP * len(kept) > width:
        kept.remove(min(kept[1:], key=lambda index: (importance[index], -index)))
    return kept


# --- values as texts -------------------------------------------------------------------------------------------------


def number(value: Any, form: str = ".4g") -> str:
    """A number, or nothing where there is none."""
    return "" if value is None else format(value, form)


def scalar(value: Any) -> str:
    """A parameter's value."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def with_interval(value: float | None, interval: Sequence[float | None] | None) -> str:
    """A value with its 95 % interval: `0.9314 [0.902, 0.953]`."""
    if value is None:
        return ""
    low, high = interval or (None, None)
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f} [{low:.3f}, {high:.3f}]"


def size(count: int | None) -> str:
    """Bytes in a unit that leaves up to three digits before the point."""
    if count is None:
        return ""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" or amount >= 100 else f"{amount:.1f} {units[0]}"


def duration(seconds: float) -> str:
    """Seconds as 45 s, 3:05 or 2:03:05."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plural(count: int, word: str) -> str:
    """A count with its word: 1 trial, 2 trials."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
