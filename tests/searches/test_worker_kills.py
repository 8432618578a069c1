"""Workers that die, run out of memory, fail or cannot start; the total stays exact."""

import signal
from pathlib import Path

import pytest
from study_checks import TOTAL, check_study, database_trials, drive, runs

from automl.searches.folder import StudyFolder


@pytest.mark.parametrize("moment", ["started", "epoch:2", "result"])
@pytest.mark.parametrize("do", ["kill", "exit", "garbage"])
def test_worker_that_dies_once(tmp_path, reference, moment, do):
    folder = tmp_path / "kills"
    code, _ = drive(folder, trials=TOTAL, script=[{"trial": 2, "attempt": 1, "moment": moment, "do": do}])
    assert code == 0
    check_study(folder, TOTAL)
    assert [t.params for t in database_trials(folder)] == reference
    expected = 1 if moment == "result" else 2
    assert StudyFolder(folder).result(2).attempt == expected
    assert runs(folder).count("started 2") == expected


def test_worker_that_always_dies_is_given_up(tmp_path):
    folder = tmp_path / "kills"
    assert drive(folder, trials=4, script=[{"trial": 1, "moment": "epoch:1", "do": "kill"}])[0] == 0
    check_study(folder, 4)
    result = StudyFolder(folder).result(1)
    assert (result.outcome, result.cause, result.attempt) == ("failed", "machine", 3)
    assert "signal 9" in result.reason


def test_out_of_memory_is_tried_again_with_half_the_batch(tmp_path):
    folder = tmp_path / "kills"
    assert drive(folder, trials=4, script=[{"trial": 1, "moment": "epoch:1", "do": "oom"}])[0] == 0
    check_study(folder, 4)
    study = StudyFolder(folder)
    first, retry = study.result(1), next(result for result in study.results() if result.retry_of == 1)
    assert not first.counted
    assert retry.outcome == "complete"
    assert study.config(retry.number).train.batch_size == study.config(1).train.batch_size // 2
    assert retry.params == first.params


@pytest.mark.parametrize("moment", ["result", "told"])
def test_driver_killed_around_an_out_of_memory(tmp_path, moment):
    folder, script = tmp_path / "kills", [{"trial": 1, "moment": "epoch:1", "do": "oom"}]
    assert drive(folder, script=script, trials=4, kill={"moment": moment, "trial": 1})[0] == -signal.SIGKILL
    assert drive(folder, script=script, trials=4)[0] == 0
    check_study(folder, 4)
    assert sum(result.retry_of == 1 for result in StudyFolder(folder).results()) == 1


def test_total_is_exact_however_often_it_is_run(tmp_path):
    folder = tmp_path / "kills"
    for trials in (2, 2, 5, 5, 3):
        code, said = drive(folder, trials=trials, workers=2)
        assert (code, said["ending"]) == (0, "trials")
    check_study(folder, 5)


def test_changed_space_is_refused_with_the_difference(tmp_path):
    folder = tmp_path / "kills"
    assert drive(folder, trials=2)[0] == 0
    code, said = drive(folder, trials=3, epochs=5)
    assert (code, said["error"]) == (2, "StudyError")
    assert "train.epochs" in said["message"]
    check_study(folder, 2)


def test_weights_beyond_keep_are_deleted(tmp_path):
    folder = tmp_path / "kills"
    assert drive(folder, trials=TOTAL, keep=2)[0] == 0
    study = StudyFolder(folder)
    kept = {number for number in study.numbers() if (study.trial(number) / "weights.h5").exists()}
    best = sorted(study.results(), key=lambda result: -result.value)[:2]
    assert kept == {result.number for result in best}


def read_text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_trials_that_fail_alike_stop_the_search(tmp_path):
    folder = tmp_path / "kills"
    script = [{"trial": number, "moment": "started", "do": "nan"} for number in range(10)]
    code, said = drive(folder, script=script, trials=10)
    assert (code, said["error"]) == (1, "SearchFailedError")
    assert "3 trials failed alike" in said["message"]
    assert "the loss became NaN" in said["message"]
    check_study(folder, 3)


def test_bug_in_training_is_a_failure_of_the_machine(tmp_path):
    folder = tmp_path / "kills"
    assert drive(folder, trials=3, script=[{"trial": 0, "moment": "epoch:1", "do": "raise"}])[0] == 0
    check_study(folder, 3)
    assert StudyFolder(folder).result(0).reason == "RuntimeError: scripted bug"
    assert "Traceback" in read_text(folder / "trials" / "0000" / "log.txt")


def test_worker_that_cannot_start(tmp_path, monkeypatch):
    folder = tmp_path / "kills"
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import sys\nif 'fake_trainer' in ' '.join(sys.orig_argv): sys.exit('cannot start')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, said = drive(folder, trials=3)
    assert (code, said["error"]) == (1, "SearchFailedError")
    assert "cannot start" in said["message"]
