"""The whole way on built-in pictures, as a user goes it: one small search, then every command and the Python interface on it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import automl
from automl.errors import DataError
from automl.searches.folder import StudyFolder

pytestmark = pytest.mark.slow

SPACES = Path(__file__).parents[2] / "search_spaces"
SMALLER = (
    "--set",
    "train.epochs=4",
    "--set",
    "model.backbone.blocks=3",
    "--set",
    "train.learning_rate=0.003",
    "--set",
    "data.image_size=16",
)


def run(*arguments, cwd, code=0, **environment):
    """Run the command line; its standard output and error."""
    command = [str(Path(sys.executable).with_name("automl")), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder in which the quickstart, made smaller, was searched with three trials; a file there has the name of a library."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "keras.py").write_text("raise RuntimeError('a user's own file was taken for Keras')\n")
    out, err = run("search", "--space", SPACES / "quickstart.yaml", "--trials", "3", *SMALLER, cwd=folder)
    assert "3/3" in err
    assert "test pictures: accuracy" in out
    return folder


@pytest.fixture(scope="module")
def study(home):
    return automl.open_study("quickstart", home / "studies")


@pytest.fixture(scope="module")
def digit_files(tmp_path_factory):
    """Pictures of digits from scikit-learn's set, one a class."""
    from sklearn.datasets import load_digits

    digits, folder = load_digits(), tmp_path_factory.mktemp("digits")
    files = []
    for label in range(10):
        position = int(np.flatnonzero(digits.target == label)[-1])
        files.append(folder / f"{label}.png")
        Image.fromarray((digits.images[position] * 255 / 16).astype(np.uint8)).resize((64, 64)).save(files[-1])
    return files


def test_the_study_folder_holds_what_is_promised(home):
    study = home / "studies" / "quickstart"
    for name in ("space.yaml", "split.json", "study.db", "owner.json", "manifest.json", "leaderboard.csv"):
        assert (study / name).is_file()
    assert {path.name for path in (study / "best").iterdir()} == {"model.keras", "labels.txt", "metrics.json"}
    for trial in ("0000", "0001", "0002"):
        kept = {path.name for path in (study / "trials" / trial).iterdir()}
        assert kept >= {"config.json", "history.csv", "result.json", "validation.npz", "log.txt"}
    manifest = json.loads((study / "manifest.json").read_text())
    assert {"versions", "seed", "fingerprint", "machine", "seconds", "runs", "test_readings", "exported"} <= set(manifest)
    assert len(manifest["test_readings"]) == 1


def test_the_winner_reads_digits(home, digit_files):
    out, _ = run("predict", "quickstart", *digit_files, "--format", "json", cwd=home)
    read = [row["label"] for row in json.loads(out)]
    assert sum(label == path.stem for label, path in zip(read, digit_files, strict=True)) >= 9
    metrics = json.loads((home / "studies" / "quickstart" / "best" / "metrics.json").read_text())
    assert metrics["test"]["metrics"]["accuracy"] > 0.9
    low, high = metrics["test"]["interval"]
    assert low < metrics["test"]["metrics"]["accuracy"] < high


def test_nothing_happens_when_all_trials_are_done(home):
    before = (home / "studies" / "quickstart" / "leaderboard.csv").read_bytes()
    run("search", "--space", SPACES / "quickstart.yaml", "--trials", "3", *SMALLER, cwd=home)
    assert (home / "studies" / "quickstart" / "leaderboard.csv").read_bytes() == before


def test_leaderboard_and_show(home):
    out, _ = run("leaderboard", "quickstart", "--format", "json", cwd=home)
    rows = json.loads(out)
    assert {"rank", "trial", "state", "value", "params", "seconds"} <= set(rows[0])
    assert [row["rank"] for row in rows if row["rank"]] == list(range(1, sum(row["rank"] is not None for row in rows) + 1))
    out, _ = run("show", "quickstart", "--trial", rows[0]["trial"], cwd=home)
    assert "train.batch_size" in out
    assert "val_accuracy" in out


def test_replay_gives_the_same_figures(home, study, tmp_path):
    trial = study.trial(1)
    out, _ = run("train", trial.folder / "config.json", cwd=home)
    assert "equal to the recorded value" in out
    result = automl.train(trial.folder / "config.json", out=tmp_path / "again")
    assert (result.value, result.metrics) == (trial.result.value, trial.result.metrics)
    with np.load(trial.folder / "validation.npz") as then, np.load(tmp_path / "again" / "validation.npz") as now:
        np.testing.assert_array_equal(then["probabilities"], now["probabilities"])


def test_export_in_every_format(home, study, digit_files, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    run("export", "quickstart", "--formats", "keras,saved_model,onnx,litert", "--out", tmp_path / "out", cwd=home)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.keras", "saved_model", "model.onnx", "model.tflite", "labels.txt", "metrics.json",
    }  # fmt: skip
    expected = [prediction.probabilities for prediction in automl.predict(tmp_path / "out" / "model.keras", digit_files)]
    for name in ("saved_model", "model.onnx", "model.tflite"):
        found = [prediction.probabilities for prediction in automl.predict(tmp_path / "out" / name, digit_files)]
        for one, other in zip(expected, found, strict=True):
            assert one == pytest.approx(other, abs=1e-4)


def test_a_trial_whose_weights_were_deleted_is_replayed(study, tmp_path):
    worst = max((trial for trial in study.trials if trial.value is not None), key=lambda trial: -trial.value)
    (worst.folder / "weights.h5").unlink()
    out = worst.export(tmp_path / "out")
    assert json.loads((out / "metrics.json").read_text())["replayed"] is True
    assert (worst.folder / "weights.h5").is_file()


def test_a_damaged_trial_is_not_exported(home, study, tmp_path):
    copy = tmp_path / "studies" / "quickstart"
    shutil.copytree(study.folder, copy)
    best = automl.open_study(copy).best
    with np.load(best.folder / "validation.npz") as stored:
        arrays = dict(stored)
    arrays["probabilities"] = np.roll(arrays["probabilities"], 1, axis=1)
    np.savez(best.folder / "validation.npz", **arrays)
    _, err = run("export", copy, "--trial", best.number, "--out", tmp_path / "out", cwd=home, code=1)
    assert "does not predict as the trained one did" in err
    assert not (tmp_path / "out" / "model.keras").exists()


def test_study_in_python_and_in_a_notebook(study):
    frame = study.leaderboard()
    assert frame["trial"].tolist()[0] == study.best.number
    html = study._repr_html_()
    assert "<table" in html
    assert "best val_accuracy" in html
    assert len(study.best.history()) == study.best.result.epochs
    assert repr(study).startswith("Study(")


def test_arrays_from_python(tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = (digits.images[:600] * 255 / 16).astype(np.uint8), digits.target[:600]
    space = {
        "study": "arrays", "data": {"image_size": 8}, "model": {"backbone": {"name": "cnn", "blocks": 1}},
        "train": {"epochs": 1, "learning_rate": {"choice": [0.01, 0.001]}}, "search": {"trials": 1},
    }  # fmt: skip
    study = automl.search(space, (x, y), studies_dir=tmp_path)
    assert study.best.result.outcome == "complete"
    again = automl.search(space, (x, y), studies_dir=tmp_path, trials=2)
    assert again.leaderboard()["trial"].tolist() in ([0, 1], [1, 0])
    assert StudyFolder(again.folder).result(0) == study.trial(0).result
    with pytest.raises(DataError, match="started with other arrays"):
        automl.search(space, (x, (y + 1) % 10), studies_dir=tmp_path, trials=3)


def test_weights_that_cannot_be_had_are_one_error_before_the_first_trial(tmp_path):
    empty = tmp_path / "keras-home"
    empty.mkdir()
    settings = ("--set", "model.backbone=MobileNet", "--set", "data.image_size=32", "--study", "unknown")
    _, err = run("search", "--space", SPACES / "quickstart.yaml", *settings, cwd=tmp_path, code=2, KERAS_HOME=str(empty))
    assert "KERAS_HOME" in err
    assert "weights" in err
    trials = tmp_path / "studies" / "unknown" / "trials"
    assert not trials.exists() or not list(trials.iterdir())
