"""What must not grow with the number of trials, by counting what is done rather than by the clock."""

from collections import Counter

import fake_trainer
import optuna
import pytest
from drive import space_mapping

from automl.results.leaderboard import LeaderboardWriter
from automl.searches import owner, storage
from automl.searches.executors.inline import InlineExecutor
from automl.searches.folder import StudyFolder
from automl.searches.ledger import Ledger
from automl.searches.owner import Owner
from automl.searches.session import run_search
from automl.searches.storage import OneWriterStudy
from automl.space import from_mapping


def counting(monkeypatch, cls, name, key=lambda *arguments: None):
    """Count the calls of a method, by what `key` makes of the arguments."""
    counts, method = Counter(), getattr(cls, name)

    def counted(self, *arguments, **options):
        counts[key(*arguments)] += 1
        return method(self, *arguments, **options)

    monkeypatch.setattr(cls, name, counted)
    return counts


@pytest.fixture
def search(tmp_path):
    """Run a search of so many trials in a folder of its own; returns the folder."""

    def run(trials, change=lambda mapping: mapping, **options):
        folder = StudyFolder(tmp_path / str(trials))
        run_search(
            from_mapping(change(space_mapping({"trials": trials, **options})), base=tmp_path),
            folder,
            InlineExecutor(fake_trainer.HANDLERS),
            prepare_data=lambda: None,
            attach=lambda ledger, direction: LeaderboardWriter(folder, direction, 3, ledger.results),
            listen=lambda event: None,
            formats=("keras",),
        )
        return folder

    return run


def difference(counts, few, many):
    """How many more calls the second makes than the first."""
    few()
    first = counts.total()
    counts.clear()
    many()
    return counts.total() - first


def grid(mapping):
    mapping["train"] |= {"learning_rate": {"choice": [0.01, 0.001, 0.0001]}, "optimizer": {"choice": ["adam", "sgd", "rmsprop"]}}
    return mapping


@pytest.mark.parametrize("options", [{"sampler": "random"}, {"sampler": "grid", "change": grid}, {"sampler": "random", "pruner": "median"}])
def test_the_ledger_lists_no_trials_for_a_trial(search, monkeypatch, options):
    counts = counting(monkeypatch, Ledger, "_trials")
    assert difference(counts, lambda: search(2, **options), lambda: search(8, **options)) == 0


def test_failed_trials_are_not_looked_for_among_all(search, monkeypatch):
    monkeypatch.setenv("FAKE_SCRIPT", '[{"trial": 4, "moment": "started", "do": "nan"}]')
    counts = counting(monkeypatch, Ledger, "_trials")
    assert difference(counts, lambda: search(2), lambda: search(8)) == 0


def test_the_pruner_lists_the_complete_trials_once_a_trial(search, monkeypatch):
    asked, read = Counter(), counting(monkeypatch, OneWriterStudy.__base__, "get_trials")
    get_trials = OneWriterStudy.get_trials
    monkeypatch.setattr(OneWriterStudy, "get_trials", lambda *arguments, **options: asked.update("x") or get_trials(*arguments, **options))
    few, many = (6, 14)
    options = {"epochs": 9, "pruner": "median", "sampler": "random"}
    assert difference(read, lambda: search(few, **options), lambda: search(many, **options)) <= many - few
    assert asked.total() > 3 * (few + many)


def test_enqueued_trials_are_looked_for_now_and_then_not_for_every_trial(search, monkeypatch):
    monkeypatch.setattr(storage, "LOOK_SECONDS", 1e9)
    counts = counting(monkeypatch, optuna.Study, "_pop_waiting_trial_id")
    assert difference(counts, lambda: search(2), lambda: search(8)) == 0
    assert counts.total() == 1


def test_a_trial_that_somebody_else_enqueues_is_taken_up(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "LOOK_SECONDS", 0.0)
    folder = StudyFolder(tmp_path / "study")
    folder.path.mkdir()
    ledger = Ledger(from_mapping(space_mapping({"trials": 3}), base=tmp_path), folder)
    ledger.reconcile()
    first = ledger.next().config.params
    optuna.load_study(study_name=folder.name, storage=f"sqlite:///{folder.database}").enqueue_trial(first)
    assert ledger.next().config.params == first
    assert ledger.next().config.params != first


def test_owner_json_is_not_written_for_every_trial(search, monkeypatch):
    monkeypatch.setattr(owner, "HEARTBEAT_SECONDS", 1e9)
    counts = counting(monkeypatch, Owner, "write")
    assert difference(counts, lambda: search(2), lambda: search(8)) == 0


def test_opening_reads_each_result_once(search, monkeypatch):
    folder = search(6)
    counts = counting(monkeypatch, StudyFolder, "result", key=lambda number: number)
    listings = counting(monkeypatch, StudyFolder, "numbers")
    ledger = Ledger(from_mapping(space_mapping({"trials": 6}), base=folder.path), folder)
    ledger.reconcile()
    assert counts == dict.fromkeys(range(6), 1)
    assert listings.total() == 1
    assert list(ledger.results) == list(range(6))
