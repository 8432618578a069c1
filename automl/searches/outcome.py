"""How a run of a search ended; apart from the session, so that who only shows it does not import Optuna."""

from dataclasses import dataclass
from typing import Literal

from automl.records import TrialResult

Ending = Literal["trials", "time", "exhausted", "interrupted"]
"""The total is reached, the time is used up, a grid is, or somebody stopped it."""


@dataclass(frozen=True)
class Outcome:
    """How a run of a search ended.

    Attributes:
        best: The winner, or None when no trial is complete.
        export: Content of best/metrics.json when the winner was exported in this run.
        export_problem: Why it was not, if it should have been.
    """

    ending: Ending
    best: TrialResult | None
    export: dict[str, object] | None = None
    export_problem: str | None = None
