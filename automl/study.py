"""A study and its trials as Python objects, read from the study's folder; a running search can be looked at too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import StudyError
from automl.records import Direction, TrialConfig, TrialResult
from automl.results.leaderboard import flat, study_rows, weights_file
from automl.searches.folder import StudyFolder
from automl.searches.owner import is_running, request_stop
from automl.searches.ranking import ranked
from automl.space import SearchSpace, load

if TYPE_CHECKING:
    # Only a name for the reader: importing pandas costs more than a whole `automl validate`.
    import pandas as pd

LOG_TAIL_LINES = 20


class Study:
    """One study.

    Args:
        folder: Its files.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """The study's name, which is its folder's."""
        return self._folder.name

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self._folder.path

    @property
    def space(self) -> SearchSpace:
        """The space that it searches."""
        return load(self._folder.space)

    @property
    def metric(self) -> str:
        """The metric that ranks its trials."""
        return self.space.search.metric

    @property
    def direction(self) -> Direction:
        """In which direction the metric is better."""
        return self.space.search.resolved_direction

    @property
    def manifest(self) -> dict[str, Any]:
        """Versions, seeds, data fingerprint, machine, runs and readings of the test pictures."""
        return self._folder.read_manifest()

    @property
    def is_running(self) -> bool:
        """Whether a search runs on it now."""
        return is_running(self._folder)

    def stop(self) -> None:
        """Ask a running search to stop as Ctrl-C does.

        Raises:
            StudyError: None is running.
        """
        request_stop(self._folder)

    def rows(self) -> list[dict[str, Any]]:
        """The leaderboard as plain rows; see `results.leaderboard.leaderboard`."""
        return study_rows(self._folder, self.direction)

    def leaderboard(self) -> pd.DataFrame:
        """The leaderboard, one row a trial, a column for each parameter."""
        import pandas as pd

        header, lines = flat(self.rows())
        return pd.DataFrame(lines, columns=header)

    @property
    def trials(self) -> list[Trial]:
        """All trials that have a config, by number."""
        return [self.trial(number) for number in self._folder.numbers() if self._folder.config(number) is not None]

    def trial(self, number: int) -> Trial:
        """One trial.

        Raises:
            StudyError: There is none of this number.
        """
        config = self._folder.config(number)
        if config is None:
            numbers = self._folder.numbers()
            known = f"0 to {numbers[-1]}" if numbers else "none yet"
            raise StudyError(f"{self.folder}: expected the number of one of its trials ({known}), but got {number}")
        return Trial(self._folder, config)

    @property
    def best(self) -> Trial:
        """The winner.

        Raises:
            StudyError: No trial is complete.
        """
        order = ranked(self._folder.results(), self.direction)
        if not order:
            raise StudyError(
                f"{self.folder}: expected at least one complete trial, but there is none; `automl leaderboard {self.name}` says why"
            )
        return self.trial(order[0].number)

    def __repr__(self) -> str:
        return f"Study({str(self.folder)!r}: {_summary(self)})"

    def _repr_html_(self) -> str:
        frame = self.leaderboard().drop(columns=["low", "high", "attempt", "retry_of", "parameters", "trained_parameters"], errors="ignore")
        table = frame.to_html(index=False, na_rep="", float_format=lambda value: f"{value:.4g}", max_rows=30)
        return f"<h4>Study {escape(self.name)}</h4><p>{escape(_summary(self))}</p>{table}"


class Trial:
    """One trial of a study.

    Args:
        folder: The study's files.
        config: What the trial was to do.
    """

    def __init__(self, folder: StudyFolder, config: TrialConfig) -> None:
        self._study, self.config = folder, config

    @property
    def number(self) -> int:
        """Its number in the study."""
        return self.config.number

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._study.trial(self.number)

    @property
    def result(self) -> TrialResult | None:
        """How it ended, or None while it has not."""
        return self._study.result(self.number)

    @property
    def value(self) -> float | None:
        """The study's metric at the best epoch."""
        return self.result.value if self.result else None

    @property
    def has_weights(self) -> bool:
        """Whether its trained weights are kept; if not, an export trains it again first."""
        return weights_file(self._study, self.number).is_file()

    def history(self) -> pd.DataFrame:
        """One row an epoch: epoch, phase, learning rate, training and validation metrics, seconds; empty before the first."""
        import pandas as pd

        path = self.folder / "history.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    def log_tail(self) -> list[str]:
        """The last lines of what TensorFlow and the worker printed."""
        path = self.folder / "log.txt"
        return path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if path.is_file() else []

    def export(self, out: str | Path | None = None, formats: Sequence[str] = ("keras",)) -> Path:
        """Write the trained model, checked against the predictions that were stored in training.

        Args:
            out: Folder for the artifacts; by default the trial's own folder `export`.
            formats: Some of keras, saved_model, onnx, litert.

        Returns:
            The folder.

        Raises:
            ExportError: The trial is not complete, or an artifact does not agree with it.
        """
        from automl.export.winner import export_trial

        target = Path(out) if out is not None else self.folder / "export"
        export_trial(self._study, self.number, formats, target, read_test=False)
        return target

    def __repr__(self) -> str:
        result = self.result
        return f"Trial({self.number}: {result.outcome if result else 'unfinished'}, value={self.value}, params={self.config.params})"


def _summary(study: Study) -> str:
    rows = study.rows()
    counts = {state: sum(row["state"] == state for row in rows) for state in ("complete", "pruned", "failed", "unfinished")}
    parts = [f"{count} {state}" for state, count in counts.items() if count] or ["no trials yet"]
    best = next((row for row in rows if row["rank"] == 1), None)
    if best is not None:
        parts.append(f"best {study.metric} {best['value']:.4f} (trial {best['trial']})")
    return ", ".join(parts)
