"""The search on an inline executor with a trainer that needs no TensorFlow: budgets, pruning, samplers, outcomes."""

import json
import shutil

import fake_trainer
import pytest
from drive import space_mapping
from study_checks import check_study, database_trials

from automl.errors import SearchFailedError, StudyError
from automl.records import FinishJob
from automl.results.leaderboard import LeaderboardWriter
from automl.searches import events
from automl.searches.executors.inline import InlineExecutor
from automl.searches.folder import StudyFolder
from automl.searches.owner import request_stop
from automl.searches.rules import SAMPLER_PACKAGES
from automl.searches.session import run_search
from automl.space import from_mapping


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Run a search in this process; returns how it ended, and keeps the events."""
    folder = StudyFolder(tmp_path / "kills")
    monkeypatch.setenv("FAKE_RUNS", f"{folder.path}.runs")

    def run(script=(), handlers=fake_trainer.HANDLERS, listen=lambda event: None, change=lambda mapping: mapping, **options):
        monkeypatch.setenv("FAKE_SCRIPT", json.dumps(list(script)))
        run.events.clear()

        def hear(event):
            run.events.append(event)
            listen(event)

        return run_search(
            from_mapping(change(space_mapping(options)), base=tmp_path),
            folder,
            InlineExecutor(handlers),
            prepare_data=lambda: None,
            attach=lambda ledger, direction: LeaderboardWriter(folder, direction, 3, ledger.results),
            listen=hear,
            formats=("keras",),
        )

    run.events, run.folder, run.path = [], folder, folder.path
    return run


def outcomes(search):
    return [result.outcome for result in search.folder.results()]


def test_a_search_to_its_total(search):
    outcome = search(trials=5)
    assert (outcome.ending, outcome.export) == ("trials", {"trial": outcome.best.number})
    check_study(search.path, 5)
    assert outcome.best.value == max(result.value for result in search.folder.results())
    assert search.folder.read_manifest()["exported"] == {"trial": outcome.best.number, "formats": ["keras"]}


def test_nothing_is_done_again_when_the_total_is_reached(search):
    search(trials=3)
    assert search(trials=3).export is None
    assert not [event for event in search.events if isinstance(event, events.Asked | events.Preparing)]


def test_one_trial(search):
    assert search(trials=1).best.number == 0
    check_study(search.path, 1)


def test_only_failed_trials(search):
    script = [{"trial": number, "moment": "started", "do": "nan"} for number in range(2)]
    outcome = search(script, trials=2)
    assert (outcome.best, outcome.export) == (None, None)
    check_study(search.path, 2)


def test_the_median_pruner_prunes(search):
    search(trials=25, epochs=8, pruner="median")
    check_study(search.path, 25)
    assert outcomes(search).count("pruned") >= 3
    for result in search.folder.results():
        if result.outcome == "pruned":
            assert 3 <= result.epochs < 8


def test_without_a_pruner_nothing_is_pruned(search):
    search(trials=12, pruner="none")
    assert set(outcomes(search)) == {"complete"}


@pytest.mark.parametrize("pruner", ["percentile", "halving", "hyperband", {"name": "patient", "patience": 1}])
def test_other_pruners_run(search, pruner):
    search(trials=12, epochs=9, pruner=pruner)
    check_study(search.path, 12)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_samplers_run_and_resume(search, sampler):
    for package in SAMPLER_PACKAGES.get(sampler, ()):
        pytest.importorskip(package)
    search(trials=4, sampler=sampler)
    search(trials=8, sampler=sampler)
    check_study(search.path, 8)
    params = [json.dumps(result.params) for result in search.folder.results()]
    assert len(set(params)) == 8


def test_start_comes_first(search):
    start = [{"train.learning_rate": 0.001, "train.optimizer": "sgd"}, {"train.learning_rate": 0.02}]
    search(trials=4, start=start)
    first, second, *_ = search.folder.results()
    assert first.params == start[0]
    assert second.params["train.learning_rate"] == 0.02
    search(trials=6, start=start)
    check_study(search.path, 6)
    assert sum(result.params["train.learning_rate"] == 0.02 for result in search.folder.results()) == 1


def grid(mapping):
    mapping["train"] |= {"learning_rate": {"choice": [0.01, 0.001]}, "optimizer": {"choice": ["adam", "sgd", "rmsprop"]}}
    return mapping


def test_a_grid_is_used_up(search):
    outcome = search(trials=50, sampler="grid", change=grid)
    assert outcome.ending == "exhausted"
    check_study(search.path, 6)
    assert len({json.dumps(result.params) for result in search.folder.results()}) == 6
    assert search(trials=60, sampler="grid", change=grid).ending == "exhausted"
    check_study(search.path, 6)


def test_tpe_leaves_a_region_where_trials_fail(search):
    """Everything above 0.01 fails: TPE must learn it, as it does not from Optuna's FAIL."""

    def train(job, channel):
        if job.config.train.learning_rate > 1e-2:
            failed = fake_trainer.ended(job, outcome="failed", cause="config", reason=f"NaN {job.config.number}")
            return fake_trainer.Finished(result=failed)
        return fake_trainer.train(job, channel)

    start = [{"train.learning_rate": 1e-4}]
    search(trials=40, sampler={"name": "tpe", "n_startup_trials": 8}, start=start, handlers=fake_trainer.HANDLERS | {"train": train})
    late = outcomes(search)[20:]
    assert late.count("failed") <= 3
    assert not [trial for trial in database_trials(search.path) if trial.state.name == "FAIL"]


def test_half_of_the_last_twenty_failing_alike_stops_the_search(search):
    script = [{"trial": number, "moment": "started", "do": "nan"} for number in range(12, 40)]
    with pytest.raises(SearchFailedError, match="11 of its last 20 trials failed alike: the loss became NaN"):
        search(script, trials=60)
    assert len(outcomes(search)) == 23


def test_three_alike_failures_at_first_stop_the_search(search):
    script = [{"trial": number, "moment": "started", "do": "nan"} for number in range(9)]
    with pytest.raises(SearchFailedError, match=r"log\.txt"):
        search(script, trials=60)
    assert len(outcomes(search)) == 3


def test_time_is_summed_over_runs(search, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("automl.searches.owner.time.monotonic", lambda: clock[0])

    def pass_time(event):
        clock[0] += 10.0 if isinstance(event, events.Reported) else 0.0

    assert search(trials=50, time=100, listen=pass_time).ending == "time"
    assert sum(result.counted for result in search.folder.results()) == 2
    assert search(trials=50, time=100, listen=pass_time).ending == "time"
    assert sum(result.counted for result in search.folder.results()) == 2
    assert search(trials=50, time=160, listen=pass_time).ending == "time"
    assert [trial.state.name for trial in database_trials(search.path)] == ["COMPLETE"] * 3 + ["RUNNING"]
    assert search(trials=4, time=1000, listen=pass_time).ending == "trials"
    check_study(search.path, 4)


def test_stop_request(search):
    def stop(event):
        if isinstance(event, events.Reported) and event.epoch.number == 1:
            request_stop(search.folder)

    assert search(trials=5, listen=stop).ending == "interrupted"
    with pytest.raises(StudyError, match="nothing to stop"):
        request_stop(search.folder)
    assert search(trials=5).ending == "trials"
    check_study(search.path, 5)


def test_export_that_fails_is_said(search):
    def finish(job: FinishJob, channel):
        raise RuntimeError("no export today")

    outcome = search(trials=2, handlers=fake_trainer.HANDLERS | {"finish": finish})
    assert (outcome.export, outcome.export_problem) == (None, "no export today")
    assert search(trials=2).export is not None


def test_a_lost_trial_folder_is_written_again_from_the_database(search):
    search(trials=3)
    config, result = search.folder.config(1), search.folder.result(1)
    shutil.rmtree(search.folder.trial(1))
    search(trials=4)
    assert search.folder.config(1) == config
    again = search.folder.result(1)
    assert (again.value, again.params, again.seed) == (result.value, result.params, result.seed)
    assert "was lost" in again.reason
    check_study(search.path, 4)


def test_events_of_a_trial_in_order(search):
    search(trials=1, epochs=2)
    kinds = [type(event).__name__ for event in search.events]
    assert kinds == [
        "SearchStarted", "Asked", "TrialStarted", "Progressed", "Reported", "Progressed", "Reported",
        "ResultReceived", "Told", "SearchEnded", "Preparing",
    ]  # fmt: skip


def test_every_trial_has_its_seed(search):
    search(trials=3)
    assert len({result.seed for result in search.folder.results()}) == 3
