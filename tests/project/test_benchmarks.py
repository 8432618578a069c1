"""Each benchmark runs through at a size that tells nothing, so that none is broken when it is wanted; its figures are no test's."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def last_line(script, *options, environment=None):
    """What a benchmark prints at its end."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{script}.py"), *map(str, options)],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("augmentation", ["--runs", 1, "--batch", 2, "--size", 32]),
        ("driver", ["--sizes", 20, "--trials", 3, "--samplers", "random"]),
        ("head_trial", ["--pictures", 40, "--trials", 3, "--epochs", 1]),
        ("memory", ["--trials", 6]),
        ("peers", ["--table"]),
    ],
)
def test_a_benchmark_runs(script, options):
    row = last_line(script, *options)
    assert row["benchmark"] == script
    assert row["machine"]["cores"] == os.cpu_count()


@pytest.mark.slow
@pytest.mark.real_data
def test_the_floor_and_the_search_beside_it(real_data_folder, tmp_path):
    for side in ("train", "test"):
        for folder in (real_data_folder / "data" / "hymenoptera" / side).iterdir():
            (tmp_path / side / folder.name).mkdir(parents=True)
            for picture in sorted(folder.iterdir())[:10]:
                shutil.copy(picture, tmp_path / side / folder.name)
    row = last_line("floor", "--data", tmp_path, "--runs", 1, environment={"KERAS_HOME": str(real_data_folder / "keras")})
    assert row["bare_seconds"] > 0
    assert row["search_seconds"] > 0


@pytest.fixture
def scripts(monkeypatch):
    """Makes the benchmarks importable."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_the_table_shows_the_results(scripts):
    import table

    lines = (BENCHMARKS / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["benchmark"]: row for row in map(json.loads, lines)}
    assert table.render(rows) in (BENCHMARKS / "README.md").read_text(encoding="utf-8")


def test_the_comparison_in_the_readme_is_what_was_measured(scripts):
    import peers

    shown = peers.render_table(peers.read_results(), ["hymenoptera", "cats_dogs"])
    assert shown in (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["hymenoptera", "cats_dogs"])
def test_what_views_cost_is_what_was_measured(scripts, name):
    import peers

    shown = peers.render_table(peers.read_results(), [name]).splitlines()
    exact, views = (
        next(line for line in shown if line.startswith(f"| {tool} |")).split(" | ", 1)[1]
        for tool in ("automl, mixed", "automl, mixed, 4 views")
    )
    lines = (BENCHMARKS.parent / "docs" / "space-file.md").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"| {name}, "))
    assert line.split(" | ", 1)[1] == f"{exact.removesuffix(' |')} | {views}"
