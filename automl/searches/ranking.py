"""The one order of trials, used by the leaderboard, the choice of the winner and the choice of weights to keep."""

from collections.abc import Iterable

from automl.records import Direction, TrialResult


def ranked(results: Iterable[TrialResult], direction: Direction) -> list[TrialResult]:
    """The complete trials, best first; equal values are ordered by validation loss, then by number."""
    sign = -1.0 if direction == "maximize" else 1.0

    def key(result: TrialResult) -> tuple[float, float, int]:
        value = float("inf") if result.value is None else sign * result.value
        return value, result.metrics.get("val_loss", float("inf")), result.number

    return sorted((result for result in results if result.outcome == "complete" and result.counted), key=key)
