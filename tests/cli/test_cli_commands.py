import json
import threading
import time

import pytest
from made_studies import complete, failed, write_study

from automl.cli import models, trial_page
from automl.cli.main import app
from automl.doctor import Check
from automl.records import TrialResult
from automl.searches.owner import Owner

HISTORY = "epoch,phase,learning_rate,loss,val_accuracy,val_loss,seconds\n"


def commands(typer_app):
    found = [command.callback for command in typer_app.registered_commands]
    return found + [callback for group in typer_app.registered_groups for callback in commands(group.typer_instance)]


@pytest.mark.parametrize("command", commands(app), ids=lambda command: command.__name__)
def test_the_docstring_is_the_help_with_one_example(command):
    assert command.__doc__.count("Example: automl ") == 1


def test_validate_says_what_it_read(run, space_file):
    found = run("validate", space_file, "--trials", 7, "--time", "90m", "--set", "train.epochs=3")
    assert found.exit_code == 0
    assert found.stdout == "flowers.yaml is fine: 2 parameters, 7 trials of 3 epochs, at most 1:30:00\n"


def test_plan_page(run, space_file):
    found = run("plan", space_file, "--set", "data.test=0")
    assert found.exit_code == 0
    assert "study        flowers is new, in " in found.stdout
    assert "1,797 in digits, at 16 px; 10 classes: 0, 1, 2, 3, 4, ...; about 270 for validation" in found.stdout
    assert "warning: data.test is 0" in found.stdout
    assert not (space_file.parent / "studies").exists(), "a plan makes nothing"


def test_a_plan_says_what_is_kept_of_frozen_backbones(run, space_file):
    assert "features     nothing to keep of frozen backbones\n" in run("plan", space_file).stdout
    found = run("plan", space_file, "--set", "model.backbone=MobileNet", "--set", "data.image_size=96")
    assert "features     6.3 MB of frozen backbones at most, in " in found.stdout
    listed = json.loads(run("plan", space_file, "--set", "train.cache=none", "--format", "json").stdout)
    assert listed["features"]["bytes"] == 0


def test_many_sizes_are_a_span_in_a_plan(run, space_file):
    found = run("plan", space_file, "--set", "data.image_size={int: [16, 32]}", "--set", "export.formats=[]")
    assert "at 17 sizes from 16 to 32 px;" in found.stdout
    assert "export       nothing\n" in found.stdout


def test_plan_in_other_forms(run, space_file):
    plan = json.loads(run("plan", space_file, "--format", "json", "--trials", 4).stdout)
    assert (plan["trials"], plan["total_epochs"], plan["pictures"]["total"]) == (4, 32, 1797)
    assert run("plan", space_file, "--format", "csv").stdout.startswith("name,domain,conditions,values\n")
    assert run("plan", space_file, "--format", "md").stdout.startswith("| parameter | values | when |\n")


def test_schema_is_json(run):
    assert json.loads(run("schema").stdout)["title"] == "automl space file"


def test_spaces(run, tmp_path):
    listed = {row["name"]: row["purpose"] for row in json.loads(run("spaces", "list", "--format", "json").stdout)}
    assert listed["quickstart"].startswith("see the whole tool work")
    text = run("spaces", "show", "quickstart").stdout
    assert "study: quickstart" in text
    assert run("spaces", "copy", "quickstart", "mine.yaml").stdout == "mine.yaml\n"
    assert (tmp_path / "mine.yaml").read_text() == text
    assert (tmp_path / "space.schema.json").is_file()
    assert run("spaces", "copy", "quickstart", "mine.yaml").exit_code == 2


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("problem", 1)])
def test_doctor(run, monkeypatch, status, code):
    monkeypatch.setattr("automl.doctor.examine", lambda folder: [Check("disk", status, "it is [full]", "make room")])
    found = run("doctor")
    assert found.exit_code == code
    assert "it is [full]; make room" in found.stdout
    assert json.loads(run("doctor", "--format", "json").stdout)[0]["status"] == status


def test_inspect(run):
    found = run("inspect", "digits")
    assert found.exit_code == 0
    assert "digits: builtin, 1,797 pictures, 10 classes" in found.stdout
    assert json.loads(run("inspect", "digits", "--format", "json").stdout)["pictures"] == 1797
    assert run("inspect", "digits", "--format", "csv").stdout.splitlines()[:2] == ["class,undivided", "0,178"]


def test_show(run, tmp_path):
    folder = write_study(tmp_path / "studies" / "s", [complete(0, 0.9, metrics={"val_accuracy": 0.9}), failed(1)])
    rows = [f"{n},whole,0.001,{2 / n},{0.5 + n / 100},{1 / n},0.1\n" for n in range(1, 41)]
    (folder.trial(0) / "history.csv").write_text(HISTORY + "".join(rows))
    (folder.trial(0) / "log.txt").write_text("a line [with] brackets\n")
    page = run("show", "s").stdout
    assert "trial 0: complete, 8 epochs in 12 s" in page
    assert "val_accuracy 0.9000 [0.880, 0.920] at epoch 5" in page
    assert "train.epochs" in page
    assert "  a line [with] brackets" in page
    assert "val_accuracy over 40 epochs" in page
    shown = [line.split()[0] for line in page.splitlines() if "whole" in line]
    assert {"1", "5", "40"} <= set(shown)
    assert len(shown) < 20
    assert len(run("show", "s", "--format", "csv").stdout.splitlines()) == 41
    assert json.loads(run("show", "s", "--format", "json").stdout)["result"]["value"] == 0.9
    assert "reason: NaN loss at epoch 1" in run("show", "s", "--trial", 1).stdout


def test_show_an_unfinished_trial(run, tmp_path):
    write_study(tmp_path / "s", [], unfinished=[0])
    assert "trial 0: not finished" in run("show", tmp_path / "s", "--trial", 0).stdout


@pytest.mark.parametrize(("values", "expected"), [([], ""), ([None], ""), ([1.0], "▁"), ([0.0, 1.0], "▁█"), ([0.0, None, 1.0], "▁·█")])
def test_sparkline(values, expected, monkeypatch):
    monkeypatch.setattr(trial_page, "_ASCII_BARS", trial_page._BARS)
    assert trial_page.sparkline(values) == expected


def test_stop_waits_until_the_owner_lets_go(run, tmp_path):
    folder = write_study(tmp_path / "studies" / "s", [complete(0, 0.9)])
    held = threading.Event()

    def search():
        with Owner(folder):
            held.set()
            while not folder.stop_request.exists():
                time.sleep(0.01)
            time.sleep(0.5)

    driver = threading.Thread(target=search)
    driver.start()
    held.wait(10)
    found = run("stop", "s")
    driver.join(10)
    assert found.exit_code == 0
    assert found.stdout == "s has stopped\n"
    assert "asked the search of s to stop" in found.stderr


def test_dashboard_ends_quietly_on_ctrl_c(run, tmp_path, monkeypatch):
    write_study(tmp_path / "studies" / "s", [complete(0, 0.9)])

    def interrupted(folder, storage, port):
        raise KeyboardInterrupt

    monkeypatch.setattr("automl.searches.dashboard.serve_dashboard", interrupted)
    monkeypatch.setattr("automl.cli.waiting.serve", interrupted, raising=False)
    found = run("dashboard", "s")
    assert found.exit_code == 0
    assert found.stdout.startswith("http://127.0.0.1:80")
    assert "plain `optuna-dashboard sqlite:///" in found.stderr


def test_predict_prints_one_line_a_picture(run, tmp_path, monkeypatch):
    from automl.api import Prediction

    given = [Prediction("a.png", "cat", 0.9, {"cat": 0.9, "dog": 0.1}), Prediction("long/b.png", "dog", 0.75, {"cat": 0.25, "dog": 0.75})]
    monkeypatch.setattr("automl.api.predict", lambda model, images, studies_dir: given)
    found = run("predict", "made", "a.png", "long/b.png")
    assert found.stdout == "a.png       cat  0.9000\nlong/b.png  dog  0.7500\n"
    assert json.loads(run("predict", "made", "a.png", "--format", "json").stdout)[1]["probabilities"] == {"cat": 0.25, "dog": 0.75}


def test_export_of_the_winner_goes_to_best(run, tmp_path, monkeypatch):
    folder = write_study(tmp_path / "studies" / "s", [complete(0, 0.8), complete(1, 0.9)])
    targets = []
    monkeypatch.setattr("automl.study.Trial.export", lambda self, out, formats: targets.append((self.number, out, list(formats))) or out)
    assert run("export", "s").stdout == f"{folder.best / 'model.keras'}\n"
    run("export", "s", "--trial", 0, "--formats", "saved_model, keras")
    run("export", "s", "--trial", 1, "--out", "there")
    assert [(number, str(out), formats) for number, out, formats in targets] == [
        (1, str(folder.best), ["keras"]),
        (0, str(folder.trial(0) / "export"), ["saved_model", "keras"]),
        (1, "there", ["keras"]),
    ]


def test_export_says_that_it_trains_again(run, tmp_path, monkeypatch):
    folder = write_study(tmp_path / "studies" / "s", [complete(0, 0.8)])
    monkeypatch.setattr("automl.study.Trial.export", lambda self, out, formats: out)
    assert "its weights were not kept (search.keep), so it is trained again first" in run("export", "s").stderr
    (folder.trial(0) / "weights.h5").write_text("")
    assert "trained again" not in run("export", "s").stderr


def test_export_without_a_complete_trial(run, tmp_path):
    write_study(tmp_path / "s", [failed(0)])
    found = run("export", tmp_path / "s")
    assert found.exit_code == 2
    assert "expected at least one complete trial" in found.stderr


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (complete(0, 0.9), "equal to the recorded value"),
        (complete(0, 0.8), "recorded was 0.8: differs by 0.1"),
        (TrialResult(number=0, outcome="pruned", epochs=3), "the recorded trial was pruned after epoch 3"),
        (None, "there is no result.json beside the config"),
    ],
)
def test_a_replay_is_compared_with_what_was_recorded(tmp_path, recorded, expected):
    path = tmp_path / "result.json"
    if recorded is not None:
        recorded.save(path)
    assert " ".join(models.compare(complete(0, 0.9), path)).startswith(expected)
