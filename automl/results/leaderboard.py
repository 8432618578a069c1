"""The ranked trials of a study, from their results on disk; needs neither Optuna nor pandas."""

import csv
import io
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from automl.records import Direction, TrialConfig, TrialResult, write_atomically
from automl.searches.events import SearchEnded, SearchEvent, Told
from automl.searches.folder import StudyFolder
from automl.searches.ranking import ranked

COLUMNS = (
    "rank", "trial", "state", "value", "low", "high", "epochs", "best_epoch", "seconds",
    "parameters", "trained_parameters", "model_bytes", "attempt", "retry_of", "reason",
)  # fmt: skip
MIN_SECONDS_BETWEEN_WRITES = 2.0


def leaderboard(results: Iterable[TrialResult], direction: Direction, unfinished: Iterable[TrialConfig] = ()) -> list[dict[str, Any]]:
    """One row a trial: complete ones by rank, then pruned, failed and unfinished ones by number.

    Each row has the keys of `COLUMNS` and `params`, a dict of the suggested values under their dotted names. `low` and `high`
    bound the value's 95 % interval over the validation pictures. Only complete trials have a rank; a trial that was run again
    with a smaller batch is not among them.
    """
    results = list(results)
    best_first = ranked(results, direction)
    ranks = {result.number: rank for rank, result in enumerate(best_first, start=1)}
    order = {"complete": 0, "pruned": 1, "failed": 2}
    rest = sorted((r for r in results if r.number not in ranks), key=lambda r: (order[r.outcome], r.number))
    rows = [_row(result, ranks.get(result.number)) for result in [*best_first, *rest]]
    return [*rows, *map(_unfinished_row, unfinished)]


def _unfinished_row(config: TrialConfig) -> dict[str, Any]:
    known = {"trial": config.number, "state": "unfinished", "retry_of": config.retry_of, "params": config.params}
    return {**dict.fromkeys(COLUMNS), **known}


def _row(result: TrialResult, rank: int | None) -> dict[str, Any]:
    low, high = result.interval or (None, None)
    return {
        "rank": rank,
        "trial": result.number,
        "state": result.outcome,
        "value": result.value,
        "low": low,
        "high": high,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "seconds": round(result.seconds, 3),
        "parameters": result.parameters,
        "trained_parameters": result.trained_parameters,
        "model_bytes": result.model_bytes,
        "attempt": result.attempt,
        "retry_of": result.retry_of,
        "reason": result.reason,
        "params": result.params,
    }


def study_rows(folder: StudyFolder, direction: Direction) -> list[dict[str, Any]]:
    """The leaderboard of a study as it stands on disk, a running search's included."""
    results, unfinished = [], []
    for number in folder.numbers():
        result = folder.result(number)
        if result is not None:
            results.append(result)
        elif (config := folder.config(number)) is not None:
            unfinished.append(config)
    return leaderboard(results, direction, unfinished)


def flat(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """The rows as a table with a column for each parameter: its header and its lines."""
    names = list(dict.fromkeys(name for row in rows for name in row["params"]))
    fixed_head, fixed_tail = COLUMNS[:6], COLUMNS[6:]
    header = [*fixed_head, *names, *fixed_tail]
    lines = [[*(row[c] for c in fixed_head), *(row["params"].get(n) for n in names), *(row[c] for c in fixed_tail)] for row in rows]
    return header, lines


def to_csv(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV; what a row does not have is left empty."""
    text = io.StringIO()
    header, lines = flat(rows)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()


class LeaderboardWriter:
    """Keeps leaderboard.csv up to date while a search runs, and deletes the weights that have fallen out of the best.

    Args:
        folder: The study's folder.
        direction: In which the value is better.
        keep: How many of the best trials keep their weights.
        results: All finished trials; the search adds to it.
    """

    def __init__(self, folder: StudyFolder, direction: Direction, keep: int, results: Mapping[int, TrialResult]) -> None:
        self._folder, self._direction, self._keep, self._results = folder, direction, keep, results
        self._next_write = 0.0
        self._deleted: set[int] = set()

    def __call__(self, event: SearchEvent) -> None:
        """Write after a trial has ended, but so that writing stays a small share of the time however many trials there are."""
        if isinstance(event, SearchEnded):
            self.write()
        elif isinstance(event, Told) and time.monotonic() >= self._next_write:
            start = time.monotonic()
            self.write()
            cost = time.monotonic() - start
            self._next_write = start + max(MIN_SECONDS_BETWEEN_WRITES, 50 * cost)

    def write(self) -> None:
        """Write the leaderboard, then delete the weights beyond the best."""
        write_atomically(self._folder.leaderboard, to_csv(leaderboard(self._results.values(), self._direction)))
        for result in ranked(self._results.values(), self._direction)[self._keep :]:
            if result.number not in self._deleted:
                weights_file(self._folder, result.number).unlink(missing_ok=True)
                self._deleted.add(result.number)


def weights_file(folder: StudyFolder, number: int) -> Path:
    """Where a trial's trained weights lie while they are kept."""
    return folder.trial(number) / "weights.h5"
