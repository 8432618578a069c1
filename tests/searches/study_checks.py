"""What must hold of a study after anything: the total is exact, no trial ran after it had finished, database and folders agree."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import optuna

from automl.searches.folder import StudyFolder

DRIVE = Path(__file__).with_name("drive.py")
TOTAL = 6
STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


def start_drive(folder: Path, script=(), **options) -> subprocess.Popen:
    environment = os.environ | {"FAKE_RUNS": str(folder) + ".runs", "FAKE_SCRIPT": json.dumps(list(script))}
    command = [sys.executable, str(DRIVE), str(folder), json.dumps(options)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def drive(folder: Path, script=(), **options) -> tuple[int, dict]:
    """Run a driver process to its end; its exit code and what it printed."""
    process = start_drive(folder, script, **options)
    out, err = process.communicate(timeout=120)
    assert process.returncode < 0 or out, err
    return process.returncode, json.loads(out) if out else {}


def runs(folder: Path) -> list[str]:
    path = Path(str(folder) + ".runs")
    return path.read_text().splitlines() if path.exists() else []


def database_trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=folder.name, storage=f"sqlite:///{folder}/study.db").get_trials()


def check_study(path: Path, total: int) -> None:
    """Assert all invariants of a study that has reached its total."""
    folder = StudyFolder(path)
    results = {result.number: result for result in folder.results()}
    trials = {trial.number: trial for trial in database_trials(path)}
    assert sum(result.counted for result in results.values()) == total
    assert set(results) == set(trials) == set(folder.numbers())
    for number, trial in trials.items():
        result = results[number]
        state = "PRUNED" if result.outcome == "failed" and result.cause == "config" else STATES[result.outcome]
        assert trial.state.name == state
        assert trial.params == result.params == folder.config(number).params
        if result.outcome == "complete":
            assert trial.value == result.value
            assert sorted(trial.intermediate_values) == list(range(1, result.epochs + 1))
    finished = Counter(line for line in runs(path) if line.startswith("finished"))
    assert all(count == 1 for count in finished.values()), finished
    after_finish = set()
    for line in runs(path):
        what, number = line.split()
        assert not (what == "started" and number in after_finish), f"trial {number} ran again after it had finished"
        if what == "finished":
            after_finish.add(number)
    board = (path / "leaderboard.csv").read_text().splitlines()
    assert len(board) == 1 + len(results)
