"""A trial goes where its program is warm, and never waits for that."""

import pytest
from fake_executor import ScriptedExecutor, search_with

from automl.searches.affinity import WarmPrograms
from automl.searches.rules import REMEMBERED_PROGRAMS


@pytest.fixture
def train(tmp_path):
    """Run trials with these optimizers one after the other on so many workers; returns each one's worker, in order."""

    def run(optimizers, workers=2, lost=()):
        executor = ScriptedExecutor(workers, lost)
        start = [{"train.optimizer": optimizer, "train.learning_rate": 10.0**-n} for n, optimizer in enumerate(optimizers, start=1)]
        search_with(executor, {"trials": len(optimizers), "start": start}, tmp_path)
        return [call[1:] for call in executor.calls if call[0] == "train"]

    return run


def test_a_trial_goes_where_its_program_is_warm(train):
    assert train(["adam", "sgd", "sgd", "adam"]) == [(0, 0), (1, 1), (1, 2), (0, 3)]


def test_a_trial_does_not_wait_for_the_warm_worker(train):
    assert train(["adam", "adam"]) == [(0, 0), (1, 1)]


def test_a_lost_worker_is_not_warm_any_more(train):
    # Trial 1 is lost with worker 1 and run again first; sgd is then warm where that happens.
    assert train(["adam", "sgd", "sgd"], lost=[1]) == [(0, 0), (0, 1), (1, 2)]


def test_worker_that_was_idle_first_takes_a_cold_program():
    warm = WarmPrograms()
    warm.note(1, "a")
    assert [warm.choose([2, 1, 0], key) for key in "ab"] == [1, 2]


def test_the_programs_of_long_ago_are_forgotten():
    warm = WarmPrograms()
    for key in ["a", "b", "a", *map(str, range(REMEMBERED_PROGRAMS - 1))]:
        warm.note(1, key)
    assert [warm.choose([0, 1], key) for key in "ab"] == [1, 0]
    warm.forget(1)
    assert warm.choose([0, 1], "a") == 0
