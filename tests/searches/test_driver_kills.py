"""Drivers killed with SIGKILL at named moments, or stopped; nothing may be lost, run twice or counted twice."""

import json
import os
import signal
import sqlite3
import time

import psutil
import pytest
from study_checks import TOTAL, check_study, database_trials, drive, runs, start_drive


@pytest.mark.parametrize("moment", ["before config", "asked", "mid epoch", "result", "told", "leaderboard"])
@pytest.mark.parametrize("trial", [0, 4])
def test_killed_driver_loses_nothing(tmp_path, reference, moment, trial):
    folder = tmp_path / "kills"
    code, _ = drive(folder, trials=TOTAL, kill={"moment": moment, "trial": trial})
    assert code == -signal.SIGKILL
    code, said = drive(folder, trials=TOTAL)
    assert (code, said["ending"]) == (0, "trials")
    check_study(folder, TOTAL)
    assert [t.params for t in database_trials(folder)] == reference


def test_driver_killed_again_and_again(tmp_path, reference):
    folder = tmp_path / "kills"
    for trial, moment in enumerate(["asked", "mid epoch", "result", "told", "before config"]):
        assert drive(folder, trials=TOTAL, kill={"moment": moment, "trial": trial})[0] == -signal.SIGKILL
    assert drive(folder, trials=TOTAL)[0] == 0
    check_study(folder, TOTAL)
    assert [t.params for t in database_trials(folder)] == reference


@pytest.mark.parametrize("moment", ["asked", "mid epoch", "told"])
def test_killed_driver_of_two_workers(tmp_path, moment):
    folder = tmp_path / "kills"
    assert drive(folder, trials=8, workers=2, kill={"moment": moment, "trial": 3})[0] == -signal.SIGKILL
    assert drive(folder, trials=8, workers=2)[0] == 0
    check_study(folder, 8)


def test_lost_database_is_told_again(tmp_path, reference):
    folder = tmp_path / "kills"
    assert drive(folder, trials=4)[0] == 0
    for file in folder.glob("study.db*"):
        file.unlink()
    assert drive(folder, trials=TOTAL)[0] == 0
    check_study(folder, TOTAL)
    assert len(runs(folder)) == 2 * TOTAL


def test_last_trials_lost_from_database_are_told_again(tmp_path, reference):
    folder = tmp_path / "kills"
    assert drive(folder, trials=4)[0] == 0
    with sqlite3.connect(folder / "study.db") as database:
        (last,) = database.execute("select max(trial_id) from trials").fetchone()
        for table in ("trial_params", "trial_values", "trial_intermediate_values", "trial_user_attributes", "trials"):
            database.execute(f"delete from {table} where trial_id = ?", (last,))
    database.close()
    assert drive(folder, trials=TOTAL)[0] == 0
    check_study(folder, TOTAL)
    assert [t.params for t in database_trials(folder)] == reference


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "stop"])
def test_clean_stop_and_resume(tmp_path, reference, how):
    folder, marker = tmp_path / "kills", tmp_path / "marker"
    process = start_drive(folder, trials=TOTAL, pause=str(marker))
    while not marker.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    if how == "stop":
        (folder / "stop").touch()
    else:
        os.kill(process.pid, how)
    marker.unlink()
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["ending"] == "interrupted", err
    assert [t.state.name for t in database_trials(folder)] == ["RUNNING"]
    assert not (folder / "stop").exists()
    assert drive(folder, trials=TOTAL)[0] == 0
    check_study(folder, TOTAL)
    assert [t.params for t in database_trials(folder)] == reference


def test_interrupt_while_the_pictures_are_read_ends_at_once(tmp_path):
    folder, marker = tmp_path / "kills", tmp_path / "marker"
    process = start_drive(folder, trials=2, read_for_ever=str(marker))
    while not marker.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in err
    assert drive(folder, trials=2)[0] == 0
    check_study(folder, 2)


def test_second_driver_is_refused(tmp_path):
    folder, marker = tmp_path / "kills", tmp_path / "marker"
    process = start_drive(folder, trials=2, pause=str(marker))
    while not marker.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    code, said = drive(folder, trials=2)
    assert (code, said["error"]) == (2, "StudyError")
    assert str(process.pid) in said["message"]
    assert "automl stop kills" in said["message"]
    marker.unlink()
    process.communicate(timeout=60)
    check_study(folder, 2)


def test_workers_of_a_killed_driver_end(tmp_path):
    folder, marker = tmp_path / "kills", tmp_path / "marker"
    process = start_drive(folder, trials=TOTAL, workers=2, pause=str(marker))
    while not marker.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    workers = [psutil.Process(worker["pid"]) for worker in json.loads((folder / "owner.json").read_text())["workers"]]
    assert len(workers) == 2
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
