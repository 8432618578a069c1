"""Commands that only read or plan, and the process that drives a search, never load a deep learning library."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "search_spaces" / "quickstart.yaml")
HEAVY = {"keras", "keras_tuner", "ray", "tensorflow", "torch"}

RUN_AND_DUMP = """
import atexit, json, pathlib, runpy, sys
dump = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: dump.write_text(json.dumps(sorted({name.partition(".")[0] for name in sys.modules}))))
runpy.run_module("automl.cli.main", run_name="__main__", alter_sys=True)
"""

COMMANDS = [
    pytest.param(["--help"], 0, id="help"),
    pytest.param(["--version"], 0, id="version"),
    pytest.param(["search", "--help"], 0, id="search-help"),
    pytest.param(["validate", QUICKSTART], 0, id="validate"),
    pytest.param(["plan", QUICKSTART], 0, id="plan"),
    pytest.param(["spaces", "list"], 0, id="spaces-list"),
    pytest.param(["spaces", "show", "quickstart"], 0, id="spaces-show"),
    pytest.param(["schema"], 0, id="schema"),
    pytest.param(["cache", "list"], 0, id="cache-list"),
    pytest.param(["cache", "clear"], 0, id="cache-clear"),
    pytest.param(["inspect", "no-such-folder"], 2, id="inspect-missing"),
    pytest.param(["leaderboard", "no-such-study"], 2, id="leaderboard-missing"),
]


def run(arguments: list[str], folder: Path, timeout: float) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run one command in `folder`; returns it and the top-level modules that its process had loaded at its end."""
    dump = folder / "modules.json"
    command = [sys.executable, "-c", RUN_AND_DUMP, str(dump), *arguments]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
    return done, set(json.loads(dump.read_text()))


@pytest.mark.parametrize(("arguments", "exit_code"), COMMANDS)
def test_command_loads_nothing_heavy(arguments: list[str], exit_code: int, tmp_path: Path) -> None:
    done, modules = run(arguments, tmp_path, timeout=60)

    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert modules & HEAVY == set()


@pytest.mark.slow
def test_driver_of_a_search_loads_nothing_heavy(tmp_path: Path) -> None:
    options = ["--trials", "1", "--study", "light", "--studies-dir", str(tmp_path), "--set", "train.epochs=1"]
    searched, driver = run(["search", "--space", QUICKSTART, *options], tmp_path, timeout=240)
    assert searched.returncode == 0, searched.stderr
    assert driver & HEAVY == set()

    listed, modules = run(["leaderboard", str(tmp_path / "light"), "--format", "json"], tmp_path, timeout=60)
    assert [row["trial"] for row in json.loads(listed.stdout)] == [0]
    assert modules & HEAVY == set()
