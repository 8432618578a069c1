"""A search told in plain lines, for a file or a pipe: no control characters, one line a finished trial."""

from automl.cli.console import duration, say
from automl.cli.scoreboard import Scoreboard, describe_end, describe_step
from automl.searches import events


class PlainLines:
    """Prints what matters of a search on stderr.

    Args:
        board: Hears each event first.
    """

    def __init__(self, board: Scoreboard) -> None:
        self._board = board
        self._step = ""

    def __enter__(self) -> "PlainLines":
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to restore."""

    def __call__(self, event: events.SearchEvent) -> None:
        """Hear an event."""
        self._board(event)
        if isinstance(event, events.Preparing):
            self._begin(describe_step(event))
        elif isinstance(event, events.SearchStarted):
            before = f", {duration(event.seconds_before)} searched before" if event.seconds_before >= 1 else ""
            say(f"{event.done} of {event.total} trials done{before}; {event.workers} worker{'' if event.workers == 1 else 's'}")
        elif isinstance(event, events.TrialStarted) and event.attempt > 1:
            say(f"trial {event.config.number} is continued (attempt {event.attempt})")
        elif isinstance(event, events.Told):
            self._ended(event)
        else:
            line = describe_message(event)
            if line is not None:
                say(line)

    def _begin(self, step: str) -> None:
        if step != self._step:
            self._step = step
            say(step)

    def _ended(self, event: events.Told) -> None:
        now = self._board.snapshot()
        line = f"{event.done}/{now.total} {describe_end(event.result, now.metric)}"
        if now.best is not None and now.best.value is not None:
            line += f"; best {now.best.value:.4f} (trial {now.best.number})"
        say(line)


def describe_message(event: events.SearchEvent) -> str | None:
    """The line about something that a person should read in any view; None for the rest."""
    if isinstance(event, events.Notice):
        return event.text
    if isinstance(event, events.WorkerLost):
        which = "" if event.number is None else f" with trial {event.number}, which will be run again"
        return f"worker {event.worker} ended{which}: {event.reason}"
    if isinstance(event, events.Stopping):
        return f"stopping: {event.reason}"
    return None
