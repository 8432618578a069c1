"""`automl search` with a scripted search behind it, and once for real."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_studies import complete, write_study

from automl.errors import SearchFailedError, WeightsError
from automl.searches import events
from automl.searches.session import Outcome

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """Lets `api.run` leave a study behind and end as told."""

    def prepare(outcome, results, metrics=None):
        def run(space, folder, listen):
            write_study(folder.path, results)
            if metrics is not None:
                folder.best.mkdir()
                (folder.best / "metrics.json").write_text(json.dumps(metrics))
                (folder.best / "model.keras").write_text("")
            listen(events.SearchStarted(0, space.search.trials, 1, 0.0))
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr("automl.api.run", run)

    return prepare


TEST = {"test": {"metrics": {"accuracy": 0.912}, "interval": [0.88, 0.94], "pictures": 269}}


def test_done(run, scripted, space_file):
    best = complete(1, 0.95)
    scripted(Outcome("trials", best, {}), [complete(0, 0.9), best], TEST)
    found = run("search", "--space", space_file)
    assert found.exit_code == 0
    assert "study flowers: all trials are done" in found.stdout
    assert "test pictures: accuracy 0.9120 [0.880, 0.940] on 269 pictures" in found.stdout
    assert "best/model.keras" in found.stdout
    assert "automl leaderboard flowers " in found.stdout
    assert "automl predict flowers PICTURE.jpg" in found.stdout
    assert "0 of 30 trials done" in found.stderr
    assert "\x1b" not in found.output


def test_without_test_pictures_that_is_said(run, scripted, space_file):
    scripted(Outcome("trials", complete(0, 0.9), {}), [complete(0, 0.9)], {})
    assert "none were read (data.test is 0)" in run("search", "--space", space_file).stdout


def test_interrupted_says_how_to_go_on(run, scripted, space_file):
    scripted(Outcome("interrupted", None), [])
    words = [
        "--data",
        "digits",
        "--trials",
        5,
        "--time",
        "2h",
        "--set",
        "train.epochs=3",
        "--set",
        "data.resize=pad",
        "--studies-dir",
        "my studies",
    ]
    found = run("search", "--space", space_file, *words)
    assert found.exit_code == 130
    again = "--data digits --studies-dir 'my studies' --trials 5 --time 2h --set train.epochs=3 --set data.resize=pad"
    assert f"automl search --space {space_file} {again}" in found.stdout
    assert f"automl leaderboard '{space_file.parent / 'my studies' / 'flowers'}'" in found.stdout


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (Outcome("trials", None), 1, "error: no trial is complete"),
        (Outcome("time", complete(0, 0.9), None, "the disk is full"), 1, "error: the winner could not be exported: the disk is full"),
        (SearchFailedError("3 trials failed alike"), 1, "error: 3 trials failed alike"),
        (WeightsError("no weights\nat all", ["no weights", "at all"]), 2, "error: no weights\nat all"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_exit_codes(run, scripted, space_file, outcome, code, message):
    scripted(outcome, [complete(0, 0.9)])
    found = run("search", "--space", space_file)
    assert found.exit_code == code
    assert message in found.stderr


def test_a_bug_is_not_hidden(run, scripted, space_file):
    scripted(ZeroDivisionError("a bug"), [])
    with pytest.raises(AssertionError, match="a bug"):
        run("search", "--space", space_file)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_real_search_and_the_same_command_finishes_it(tmp_path, sent):
    (tmp_path / "tiny.yaml").write_text(
        "data: {path: digits, image_size: 16}\nmodel:\n  backbone: {name: cnn, filters: 4, blocks: 2}\n"
        "train:\n  epochs: 60\n  learning_rate: {float: [1e-4, 1e-1], log: true}\nsearch: {trials: 1}\n"
    )
    command = [sys.executable, "-m", "automl.cli.main", "search", "--space", "tiny.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUTOML_CACHE_DIR": str(tmp_path / "cache")}
    with (tmp_path / "err.txt").open("w") as err:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=err, text=True)
    history = tmp_path / "studies" / "tiny" / "trials" / "0000"
    deadline = time.monotonic() + 120
    while not history.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(sent)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, (tmp_path / "err.txt").read_text()
    assert "automl search --space tiny.yaml" in out
    assert "Traceback" not in (tmp_path / "err.txt").read_text()
    assert "\x1b" not in (tmp_path / "err.txt").read_text()
    if sent == signal.SIGINT:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        assert "trial 0 is continued (attempt 2)" in done.stderr
        assert "best/model.keras" in done.stdout
