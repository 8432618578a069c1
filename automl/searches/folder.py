"""A study on disk: where each of its files lies. Reading it needs no Optuna, because `result.json` says what is finished."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from automl.errors import StudyError
from automl.records import TrialConfig, TrialResult, write_atomically


class StudyFolder:
    """The files of one study.

    Args:
        path: The study's folder; its name is the study's name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.name = self.path.name
        self.space = self.path / "space.yaml"
        self.split = self.path / "split.json"
        self.database = self.path / "study.db"
        self.owner = self.path / "owner.json"
        self.manifest = self.path / "manifest.json"
        self.leaderboard = self.path / "leaderboard.csv"
        self.best = self.path / "best"
        self.trials = self.path / "trials"
        self.logs = self.path / "logs"
        self.stop_request = self.path / "stop"

    @classmethod
    def find(cls, study: str | Path, studies_dir: str | Path = "studies") -> "StudyFolder":
        """The study of this path or, under `studies_dir`, of this name.

        Raises:
            StudyError: There is none.
        """
        given = Path(study)
        for candidate in (given, Path(studies_dir) / given):
            if (candidate / "space.yaml").is_file():
                return cls(candidate.resolve())
        found = sorted(path.parent.name for path in Path(studies_dir).glob("*/space.yaml"))
        none_yet = f"there is no study under {studies_dir} yet; start one with `automl search`"
        known = f"studies here: {', '.join(found)}" if found else none_yet
        raise StudyError(f"{study}: expected a study's folder or its name under {studies_dir}, but found none; {known}")

    def trial(self, number: int) -> Path:
        """The folder of one trial."""
        return self.trials / f"{number:04d}"

    def numbers(self) -> list[int]:
        """Numbers of all trials that have a folder, in order."""
        try:
            with os.scandir(self.trials) as entries:
                return sorted(int(entry.name) for entry in entries if entry.name.isdigit() and entry.is_dir())
        except FileNotFoundError:
            return []

    def result(self, number: int) -> TrialResult | None:
        """How a trial ended, or None while it has not."""
        try:
            return TrialResult.load(self.trial(number) / "result.json")
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StudyError(
                f"{self.trial(number) / 'result.json'}: expected a trial's result, but it was changed or damaged "
                f"({error.errors()[0]['msg']}); delete this file and the search takes what its database knows of the trial"
            ) from None

    def config(self, number: int) -> TrialConfig | None:
        """What a trial was to do, or None when that was never written."""
        path = self.trial(number) / "config.json"
        try:
            return TrialConfig.load(path)
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StudyError(f"{path}: expected a trial's config, but got {error.errors()[0]['msg']}") from None

    def results(self) -> Iterator[TrialResult]:
        """Every finished trial, in the order of the numbers."""
        for number in self.numbers():
            result = self.result(number)
            if result is not None:
                yield result

    def read_manifest(self) -> dict[str, Any]:
        """What is known of the runs of this study; empty before the first."""
        try:
            content = json.loads(self.manifest.read_text())
        except FileNotFoundError:
            return {}
        except json.JSONDecodeError as error:
            raise StudyError(f"{self.manifest}: expected JSON, but got {error}; restore or delete this file") from None
        return content if isinstance(content, dict) else {}

    def update_manifest(self, **entries: Any) -> None:
        """Replace the named entries of the manifest."""
        write_atomically(self.manifest, json.dumps(self.read_manifest() | entries, indent=2) + "\n")
