"""The ranked trials of a study, from their results on disk; needs neither Optuna nor pandas."""

import csv
import io
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from automl.records import Direction, TrialConfig, TrialResult, write_atomically
from automl.searches.events import SearchEnded, SearchEvent, SearchStarted, Told
from automl.searches.folder import StudyFolder
from automl.searches.ranking import ranked

COLUMNS = (
    "rank", "trial", "state", "value", "low", "high", "epochs", "best_epoch", "seconds",
    "parameters", "trained_parameters", "model_bytes", "attempt", "retry_of", "reason",
)  # fmt: skip
COLUMNS_BEFORE_PARAMS = 6
MIN_SECONDS_BETWEEN_WRITES = 1.0
LARGEST_SHARE_OF_TIME = 0.005


def leaderboard(results: Iterable[TrialResult], direction: Direction, unfinished: Iterable[TrialConfig] = ()) -> list[dict[str, Any]]:
    """One row a trial: complete ones by rank, then pruned, failed and unfinished ones by number.

    Each row has the keys of `COLUMNS` and `params`, a dict of the suggested values under their dotted names. `low` and `high`
    bound the value's 95 % interval over the validation pictures. Only complete trials have a rank; a trial that was run again
    with a smaller batch is not among them.
    """
    rows = [_row(result, rank) for rank, result in _in_order(results, direction)]
    return [*rows, *map(_unfinished_row, unfinished)]


def _in_order(results: Iterable[TrialResult], direction: Direction) -> list[tuple[int | None, TrialResult]]:
    """The results as they stand on the leaderboard, with their ranks."""
    results = list(results)
    best_first = ranked(results, direction)
    with_rank = {result.number for result in best_first}
    order = {"complete": 0, "pruned": 1, "failed": 2}
    rest = sorted((r for r in results if r.number not in with_rank), key=lambda r: (order[r.outcome], r.number))
    return [*enumerate(best_first, start=1), *((None, result) for result in rest)]


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
    names = _parameter_names(row["params"] for row in rows)
    return _header(names), [_line(row, names) for row in rows]


def _parameter_names(params: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for one in params for name in one))


def _header(names: list[str]) -> list[str]:
    return [*COLUMNS[:COLUMNS_BEFORE_PARAMS], *names, *COLUMNS[COLUMNS_BEFORE_PARAMS:]]


def _line(row: Mapping[str, Any], names: list[str]) -> list[Any]:
    fixed = [row[column] for column in COLUMNS]
    return [*fixed[:COLUMNS_BEFORE_PARAMS], *map(row["params"].get, names), *fixed[COLUMNS_BEFORE_PARAMS:]]


def to_csv(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV; what a row does not have is left empty."""
    header, lines = flat(rows)
    return _csv_text([header, *lines])


def _csv_text(lines: Iterable[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
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
        self._names: list[str] = []
        self._lines: dict[int, tuple[TrialResult, str]] = {}
        self._without_weights: set[int] = set()

    def __call__(self, event: SearchEvent) -> None:
        """Write after a trial has ended, but so that writing stays a small share of the time however many trials there are.

        What a driver that was killed has left behind is written again when the study is opened.
        """
        if isinstance(event, SearchEnded) or (isinstance(event, SearchStarted) and self._results):
            self.write()
        elif isinstance(event, Told) and time.monotonic() >= self._next_write:
            start = time.monotonic()
            self.write()
            cost = time.monotonic() - start
            self._next_write = start + max(MIN_SECONDS_BETWEEN_WRITES, cost / LARGEST_SHARE_OF_TIME)

    def write(self) -> None:
        """Write the leaderboard, then delete the weights beyond the best."""
        ordered = _in_order(self._results.values(), self._direction)
        names = _parameter_names(result.params for _, result in ordered)
        if names != self._names:
            self._names, self._lines = names, {}
        lines = "".join(f"{'' if rank is None else rank}{self._after_rank(result)}" for rank, result in ordered)
        write_atomically(self._folder.leaderboard, _csv_text([_header(names)]) + lines)
        beyond = {result.number for rank, result in ordered if rank is not None and rank > self._keep}
        for number in beyond - self._without_weights:
            weights_file(self._folder, number).unlink(missing_ok=True)
        self._without_weights |= beyond

    def _after_rank(self, result: TrialResult) -> str:
        """A trial's line without its rank, which alone changes when others end."""
        known, line = self._lines.get(result.number, (None, ""))
        if known is not result:
            line = _csv_text([_line(_row(result, None), self._names)])
            self._lines[result.number] = result, line
        return line


def weights_file(folder: StudyFolder, number: int) -> Path:
    """Where a trial's trained weights lie while they are kept."""
    return folder.trial(number) / "weights.h5"
