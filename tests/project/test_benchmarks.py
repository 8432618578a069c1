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


def measured(tool, name):
    """Test accuracy and seconds of a tool on a set, as the tables show them."""
    import peers

    lines = peers.render_table(peers.read_results(), [name]).splitlines()
    return cells(next(line for line in lines if line.startswith(f"| {tool} |")))


def cells(line):
    """The cells of a table's line but the first."""
    return line.strip("| ").split(" | ")[1:]


def test_the_comparison_in_the_readme_is_what_was_measured(scripts):
    import peers

    readme = (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")
    assert peers.render_table(peers.read_results(), ["hymenoptera", "cats_dogs"]) in readme
    ours, theirs = (measured(f"{tool}, frozen", "cifar10_mini, 100 a class") for tool in ("automl", "KerasTuner"))
    seconds = f"automl's frozen search took {ours[1]} s, KerasTuner's {int(theirs[1]):,} s"
    accuracy = f"(medians of three runs, test accuracy {ours[0]} and {theirs[0]})"
    assert f"{seconds} {accuracy}" in " ".join(readme.split())


@pytest.mark.parametrize("name", ["hymenoptera", "cats_dogs"])
def test_what_views_cost_is_what_was_measured(scripts, name):
    lines = (BENCHMARKS.parent / "docs" / "space-file.md").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"| {name}, "))
    assert cells(line) == measured("automl, mixed", name) + measured("automl, mixed, 4 views", name)
