"""Chooses how a search is shown: drawn on a terminal, told in plain lines anywhere else."""

import sys

from automl.cli.console import message_console
from automl.cli.live import LiveView
from automl.cli.plainly import PlainLines
from automl.cli.scoreboard import Scoreboard
from automl.searches.folder import StudyFolder
from automl.searches.ranking import ranked
from automl.space import SearchSpace


def watch(space: SearchSpace, folder: StudyFolder) -> LiveView | PlainLines:
    """A view of a search that begins; a context manager and a listener.

    Args:
        space: What is searched.
        folder: The study, whose earlier trials count for the best so far.
    """
    direction = space.search.resolved_direction
    earlier = ranked(folder.results(), direction)
    board = Scoreboard(space.search.metric, direction, earlier[0] if earlier else None)
    console = message_console()
    # A terminal that cannot move its cursor ("dumb") gets lines too.
    return LiveView(board, console) if sys.stderr.isatty() and not console.is_dumb_terminal else PlainLines(board)
