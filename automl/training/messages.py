"""How a running trial speaks to whoever started it."""

from collections.abc import Callable

from automl.records import Decision, Epoch, Progress

Report = Callable[[Epoch], Decision]
ShowProgress = Callable[[Progress], None]


class TrialInterrupted(Exception):  # noqa: N818 - not an error: the trial did as it was told
    """A trial ended without a result because `report` answered "interrupt"; it is to be run again."""


def never_stop(epoch: Epoch) -> Decision:
    """A report that lets every trial run to its end."""
    return "continue"
