"""The checks round an export, without a model."""

import json

import numpy as np
import pytest

from automl import api
from automl.errors import ExportError
from automl.export import winner
from automl.records import TrialResult
from automl.results.evaluation import Evaluation
from automl.searches.folder import StudyFolder

SPACE = "study: s\ndata: {path: digits, image_size: 16}\nmodel: {backbone: cnn}\n"


@pytest.fixture
def study(tmp_path):
    """Two complete trials; best/ holds the export of trial 0."""
    folder = StudyFolder(tmp_path / "s")
    folder.best.mkdir(parents=True)
    folder.space.write_text(SPACE)
    for number, value in enumerate([0.8, 0.9]):
        folder.trial(number).mkdir(parents=True)
        config = {"study": "s", "number": number, "seed": 0, "data": {"path": "digits"}, "model": {"backbone": "cnn"}}
        (folder.trial(number) / "config.json").write_text(json.dumps(config))
        TrialResult(number=number, outcome="complete", value=value).save(folder.trial(number) / "result.json")
    (folder.best / "metrics.json").write_text(json.dumps({"trial": 0}))
    return folder


def test_an_earlier_winner_is_not_used(study, monkeypatch):
    exported = []
    monkeypatch.setattr("automl.study.Trial.export", lambda self, out: exported.append((self.number, out)))
    assert api._exported(study.path, "studies") == study.best
    assert exported == [(1, study.best)]
    (study.best / "metrics.json").write_text(json.dumps({"trial": 1}))
    assert api._exported(study.path, "studies") == study.best
    assert len(exported) == 1


@pytest.mark.parametrize("content", [None, "{broken", "[]", '{"trial": null}'])
def test_a_folder_that_does_not_say_what_it_holds(tmp_path, content):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    assert winner.exported_trial(tmp_path) is None


def test_another_trials_artifacts_go(tmp_path):
    for name in ("model.keras", "model.onnx", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "saved_model").mkdir()
    winner._remove_artifacts(tmp_path, except_for=["keras"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "notes.txt"]


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_stored_predictions_that_cannot_be_read(tmp_path, content):
    if content is not None:
        (tmp_path / "validation.npz").write_bytes(content)
    with pytest.raises(ExportError, match=r"validation\.npz: expected the predictions .* makes them again"):
        winner._stored_predictions(tmp_path)


def test_stored_predictions_of_another_form(tmp_path):
    np.savez(tmp_path / "validation.npz", labels=np.zeros(3))
    with pytest.raises(ExportError, match=r"validation\.npz: expected the predictions"):
        winner._stored_predictions(tmp_path)


def test_what_the_labels_do_not_define_is_left_out_of_the_reading(study, monkeypatch):
    found = Evaluation({"accuracy": 0.5, "top5_accuracy": float("nan")}, (0.1, 0.9), 4, np.zeros((4, 2), np.float32))
    monkeypatch.setattr(winner, "evaluate", lambda model, pictures, metric: found)
    dataset = type("Dataset", (), {"test": [0] * 4})()
    reading = winner._read_test(None, dataset, study.config(1), study)
    assert reading["metrics"] == {"accuracy": 0.5}
    assert "NaN" not in study.manifest.read_text()
