"""The live view of a search: one block on stderr that is drawn again a few times a second, with notices above it."""

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl.cli.console import duration, printable
from automl.cli.plainly import describe_message
from automl.cli.scoreboard import Scoreboard, Snapshot, WorkerLine, describe_end, describe_step
from automl.searches import events

REFRESHES_PER_SECOND = 4
BAR_WIDTH = 24
MOST_WORKERS = 12
NARROW = 60


class LiveView:
    """Draws a scoreboard.

    Args:
        board: Hears each event first.
        console: Of a terminal; everything goes there.
    """

    def __init__(self, board: Scoreboard, console: Console) -> None:
        self._board, self._console = board, console
        self._live = Live(
            console=console, get_renderable=self.draw, refresh_per_second=REFRESHES_PER_SECOND, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def __call__(self, event: events.SearchEvent) -> None:
        """Hear an event."""
        self._board(event)
        line = describe_message(event)
        if isinstance(event, events.Told) and event.result.outcome == "failed":
            line = describe_end(event.result, self._board.snapshot().metric)
        if line is not None:
            self._console.print(Text(printable(line)))

    def draw(self) -> RenderableType:
        """The block as it looks now."""
        return render(self._board.snapshot(), self._console.width)


def render(now: Snapshot, width: int) -> RenderableType:
    """One moment of a search.

    Args:
        now: The scoreboard.
        width: Columns of the terminal.
    """
    parts: list[RenderableType] = []
    if now.total:
        parts += [_bar(now), Text(_times(now), overflow="ellipsis", no_wrap=True), Text(_best(now), overflow="ellipsis", no_wrap=True)]
    if now.stopping is not None:
        again = "; Ctrl-C again ends at once" if now.workers else ""
        parts.append(Text(f"stopping: {now.stopping}{again}", style="yellow", no_wrap=True, overflow="ellipsis"))
    if now.workers:
        parts.append(_workers(now, width))
    if now.step is not None:
        count = f" {now.step.done:,} of {now.step.total:,}" if now.step.total else ""
        parts.append(Text(f"{describe_step(now.step)}{count} ...", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def _bar(now: Snapshot) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(now.ended.items()) if count)
    text = f"{now.done}/{now.total} trials" + (f" ({counts})" if counts else "")
    grid.add_column(width=BAR_WIDTH)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_row(ProgressBar(total=max(1, now.total), completed=min(now.done, now.total), width=BAR_WIDTH), Text(text))
    return grid


def _times(now: Snapshot) -> str:
    text = f"{duration(now.seconds)} so far"
    if now.seconds_before >= 1:
        text += f" ({duration(now.seconds_before)} in earlier runs)"
    return text if now.expected_seconds is None else f"{text}, about {duration(now.expected_seconds)} to go"


def _best(now: Snapshot) -> str:
    if now.best is None or now.best.value is None:
        return "best: none yet"
    values = ", ".join(f"{name.rpartition('.')[2]} {_short(value)}" for name, value in now.best.params.items())
    return printable(f"best: {now.metric} {now.best.value:.4f} (trial {now.best.number}) {values}")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _workers(now: Snapshot, width: int) -> RenderableType:
    grid = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    titles = ["worker", "trial", "epoch", now.metric, "pictures/s"]
    for title in titles if width >= NARROW else titles[:4]:
        grid.add_column(title, justify="right", no_wrap=True, overflow="ellipsis")
    for worker, line in list(now.workers.items())[:MOST_WORKERS]:
        cells = _cells(worker, line)
        grid.add_row(*(cells if width >= NARROW else cells[:4]))
    hidden = len(now.workers) - MOST_WORKERS
    return Group(grid, Text(f"and {hidden} more workers")) if hidden > 0 else grid


def _cells(worker: int, line: WorkerLine) -> list[str]:
    again = f" (attempt {line.attempt})" if line.attempt > 1 else ""
    inside = f" +{line.fraction:.0%}" if 0 < line.fraction < 1 else ""
    value = "" if line.value is None else f"{line.value:.4f}"
    speed = f"{line.pictures_per_second:,.0f}" if line.pictures_per_second else ""
    return [str(worker), f"{line.trial}{again}", f"{line.epoch}/{line.epochs}{inside}", value, speed]
