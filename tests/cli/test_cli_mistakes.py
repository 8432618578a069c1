"""Mistakes of a user's: an exit code of 2 (or 1), a message, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_studies import SPACE, complete, failed, write_study

MISTAKES = [
    (["validate", "missing.yaml"], 2, "missing.yaml: cannot read the space file"),
    (
        ["validate", "wrong.yaml"],
        2,
        "wrong.yaml has 2 problems:\n  line 5: model.unfreez: unknown key; did you mean 'unfreeze'?\n  line 8: ",
    ),
    (["validate", "flowers.yaml", "--set", "train.epochs"], 2, "--set train.epochs: expected NAME=VALUE"),
    (["validate", "flowers.yaml", "--trials", "0"], 2, "search.trials: expected an integer from 1"),
    (["validate", "flowers.yaml", "--trials", "many"], 2, "Invalid value for '--trials'"),
    (["validate", "flowers.yaml", "--time", "soon"], 2, "expected a time like 2h"),
    (["plan", "flowers.yaml", "--data", "nowhere/"], 2, "nowhere does not exist"),
    (["plan", "flowers.yaml", "--set", "search.devices=[7]"], 2, "search.devices: expected GPUs of this machine"),
    (["search", "--space", "missing.yaml"], 2, "missing.yaml: cannot read the space file"),
    (["search", "--space", "flowers.yaml", "--studies-dir", "a-file"], 1, "error: "),
    (["search"], 2, "Missing option '--space'"),
    (["inspect", "nowhere"], 2, "nowhere does not exist"),
    (
        ["leaderboard", "nowhere"],
        2,
        "error: nowhere: expected a study's folder or its name under studies, but found none; studies here: made",
    ),
    (["leaderboard", "made", "--format", "xml"], 2, "'xml' is not one of"),
    (["show", "made", "--trial", "99"], 2, "expected the number of one of its trials (0 to 1), but got 99"),
    (["show", "hopeless"], 2, "expected a study's folder"),
    (["stop", "made"], 2, "expected a running search, but none holds this study"),
    (["dashboard", "nowhere"], 2, "expected a study's folder"),
    (["export", "made", "--formats", "keras,tflite"], 2, "--formats: expected some of keras, saved_model, onnx, litert, but got tflite"),
    (["export", "made", "--formats", ","], 2, "but got none"),
    (["export", "made", "--trial", "99"], 2, "expected the number of one of its trials"),
    (["predict", "nowhere", "a.png"], 2, "expected a study's folder"),
    (["predict", "x.keras", "a.png"], 2, "x.keras: expected an exported model"),
    (["predict", "empty", "a.png"], 2, "empty: expected an exported model"),
    (["train", "missing.json"], 2, "missing.json: expected a trial's config.json, but it cannot be read"),
    (["train", "wrong.yaml"], 2, "wrong.yaml: expected a trial's config.json"),
    (["spaces", "show", "quikstart"], 2, "expected the name of a shipped space, but got 'quikstart'; did you mean 'quickstart'?"),
    (["spaces", "copy", "quickstart", "flowers.yaml"], 2, "flowers.yaml: exists already; choose another name"),
    (["nonsense"], 2, "No such command"),
]


@pytest.fixture
def workplace(tmp_path):
    (tmp_path / "flowers.yaml").write_text(SPACE)
    (tmp_path / "wrong.yaml").write_text(
        "data: {path: digits}\nmodel:\n  backbone: cnn\n  weights: none\n  unfreez: 1\n"
        "train:\n  epochs: 2\n  learning_rate: {float: [0.01, 0.0001]}\n"
    )
    (tmp_path / "a-file").write_text("")
    (tmp_path / "empty").mkdir()
    write_study(tmp_path / "studies" / "made", [complete(0, 0.9), failed(1)])
    return tmp_path


@pytest.mark.parametrize(("words", "code", "message"), MISTAKES, ids=[" ".join(words) for words, _, _ in MISTAKES])
def test_mistake(run, workplace, words, code, message):
    found = run(*words)
    assert found.exit_code == code, found.output
    assert message in found.stderr
    assert found.stdout == ""
    assert "Traceback" not in found.output


@pytest.mark.parametrize("words", [["search", "--space", "flowers.yaml"], ["cache", "list"]], ids=" ".join)
def test_a_limit_of_the_cache_that_is_no_number(run, workplace, monkeypatch, words):
    monkeypatch.setenv("AUTOML_FEATURES_GB", "lots")
    found = run(*words)
    assert found.exit_code == 2
    assert "AUTOML_FEATURES_GB: expected a number of gigabytes, 0 or more, but got 'lots'" in found.stderr
    assert not (workplace / "studies" / "flowers").exists(), "no study is begun"


def call(folder: Path, *words: str, **more):
    command = [sys.executable, "-m", "automl.cli.main", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "AUTOML_CACHE_DIR": str(folder / "cache")}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=60, check=False, **more)


@pytest.mark.parametrize(
    ("words", "code"),
    [(["validate", "wrong.yaml"], 2), (["leaderboard", "nowhere"], 2), (["predict", "x.keras", "a.png"], 2), (["--help"], 0)],
)
def test_exit_code_of_the_process(workplace, words, code):
    done = call(workplace, *words)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(workplace):
    command = [sys.executable, "-m", "automl.cli.main", "schema"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    process.stdout.close()
    stderr = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert stderr == ""


def test_text_that_the_terminal_cannot_show_is_no_error(workplace):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONIOENCODING": "ascii",
        "AUTOML_CACHE_DIR": str(workplace),
    }
    command = [sys.executable, "-m", "automl.cli.main", "leaderboard", "studies/made"]
    done = subprocess.run(command, cwd=workplace, capture_output=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_help_loads_nothing_that_is_heavy(workplace):
    code = (
        "import sys, automl.cli.main as main; "
        "print(sorted(set(sys.modules) & {'pandas', 'keras', 'tensorflow', 'optuna', 'numpy', 'pydantic', 'rich', 'sqlalchemy'}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
