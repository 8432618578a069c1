"""A trial goes where its program is warm, and never waits for that."""

import pytest
from drive import space_mapping
from fake_executor import ScriptedExecutor

from automl.searches.affinity import WarmPrograms
from automl.searches.folder import StudyFolder
from automl.searches.rules import REMEMBERED_PROGRAMS
from automl.searches.session import run_search
from automl.space import from_mapping


@pytest.fixture
def train(tmp_path):
    """Run trials with these optimizers one after the other on so many workers; returns each one's worker, in order."""

    def run(optimizers, workers=2, lost=()):
        executor = ScriptedExecutor(workers, lost)
        start = [{"train.optimizer": optimizer, "train.learning_rate": 10.0**-n} for n, optimizer in enumerate(optimizers, start=1)]
        run_search(
            from_mapping(space_mapping({"trials": len(optimizers), "start": start}), base=tmp_path),
            StudyFolder(tmp_path / "kills"),
            executor,
            prepare_data=lambda: None,
            attach=lambda ledger, direction: lambda event: None,
            listen=lambda event: None,
            formats=("keras",),
        )
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
