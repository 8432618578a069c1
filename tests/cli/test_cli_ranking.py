import csv
import io
import json

import pytest
from made_studies import complete, failed, write_study

from automl.cli import ranking
from automl.cli.options import Format
from automl.results.leaderboard import leaderboard


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.learning_rate"], ["learning_rate"]),
        (["train.epochs", "model.head.dropout"], ["epochs", "dropout"]),
        (["model.backbone.A.alpha", "model.backbone.B.alpha"], ["A.alpha", "B.alpha"]),
        (["alpha", "model.alpha"], ["alpha", "model.alpha"]),
        ([], []),
    ],
)
def test_short_names_stay_unambiguous(names, expected):
    assert list(ranking.short_names(names).values()) == expected


def test_only_what_varies_is_shown_and_domains_of_one_field_share_a_column():
    rows = leaderboard(
        [
            complete(0, 0.9, params={"train.batch_size": 8, "train.rate[train.optimizer=adam]": 0.1}),
            complete(1, 0.8, params={"train.batch_size": 8, "train.rate[train.optimizer=sgd]": 0.2}),
        ],
        "maximize",
    )
    assert ranking.varying(rows) == {"rate": ["train.rate[train.optimizer=adam]", "train.rate[train.optimizer=sgd]"]}


def test_table(run, tmp_path):
    write_study(tmp_path / "studies" / "flowers", [complete(0, 0.9), complete(1, 0.95), failed(2)], unfinished=[3])
    found = run("leaderboard", "flowers")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0].split() == ["rank", "trial", "state", "val_accuracy", "optimizer", "learning_rate", "seconds", "reason"]
    assert lines[2].split() == ["1", "1", "complete", "0.9500", "[0.930,", "0.970]", "adam", "0.002", "12.5"]
    assert "NaN loss at epoch 1" in lines[4]
    assert "unfinished" in lines[5]
    assert "4 trials: 2 complete, 1 failed, 1 unfinished" in found.stderr


def test_json_is_a_list_of_objects_with_full_names(run, tmp_path):
    write_study(tmp_path / "s", [complete(0, 0.9), failed(1)])
    rows = json.loads(run("leaderboard", tmp_path / "s", "--format", "json").stdout)
    assert {"rank", "trial", "state", "value", "params", "seconds"} <= set(rows[0])
    assert rows[0]["params"] == {"train.optimizer": "adam", "train.learning_rate": 0.001}
    assert (rows[1]["rank"], rows[1]["state"], rows[1]["value"]) == (None, "failed", None)


def test_csv_is_that_of_the_python_interface(run, tmp_path):
    write_study(tmp_path / "s", [complete(0, 0.9), complete(1, 0.8)])
    rows = list(csv.DictReader(io.StringIO(run("leaderboard", tmp_path / "s", "--format", "csv").stdout)))
    assert [row["trial"] for row in rows] == ["0", "1"]
    assert rows[0]["train.learning_rate"] == "0.001"


def test_markdown(run, tmp_path):
    write_study(tmp_path / "s", [complete(0, 0.9)])
    assert run("leaderboard", tmp_path / "s", "--format", "md").stdout.startswith("| rank | trial | state | val_accuracy |")


@pytest.mark.parametrize("form", list(Format))
def test_no_trials(run, tmp_path, form):
    write_study(tmp_path / "s", [])
    found = run("leaderboard", tmp_path / "s", "--format", form)
    assert found.exit_code == 0
    if form is Format.JSON:
        assert json.loads(found.stdout) == []
    if form is Format.TABLE:
        assert (found.stdout, found.stderr) == ("", "no trials yet\n")


def test_only_failed_trials(run, tmp_path):
    write_study(tmp_path / "s", [failed(0), failed(1, "out of memory at batch 64")])
    found = run("leaderboard", tmp_path / "s")
    assert found.exit_code == 0
    assert "out of memory at batch 64" in found.stdout


def test_ten_thousand_trials(capsys):
    rows = leaderboard((complete(n, n / 10_000) for n in range(10_000)), "maximize")
    ranking.show(rows, "val_accuracy", Format.TABLE)
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 22
    assert "10,000 trials: 10,000 complete; the first 20 are shown, --all shows every one" in shown.err
    ranking.show(rows, "val_accuracy", Format.TABLE, most=None)
    assert len(capsys.readouterr().out.splitlines()) == 10_002
