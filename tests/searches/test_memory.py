"""A worker that grows too large is replaced between two trials, by a process that has started meanwhile."""

import pytest
from fake_executor import ScriptedExecutor, search_with

from automl.searches.memory import MemoryWatch
from automl.searches.owner import Owner
from automl.searches.rules import LEAST_MEMORY_GROWTH_BYTES, MEMORY_GROWTH_BYTES, memory_limit

GB = 10**9


@pytest.fixture
def named():
    """The processes that stood in owner.json, one list after the other."""
    return []


@pytest.fixture
def calls(tmp_path, monkeypatch, named):
    """Search on one worker of a machine with plenty of memory; returns what the driver asked of its executor."""

    def run(trials, **options):
        monkeypatch.setattr("automl.searches.driver.psutil.virtual_memory", lambda: type("Memory", (), {"total": 100 * GB}))
        monkeypatch.setattr(Owner, "name_workers", lambda self, pids: named.append(pids))
        executor = ScriptedExecutor(1, **options)
        search_with(executor, {"trials": trials}, tmp_path)
        return [call[0] if call[0] != "train" else call[2] for call in executor.calls]

    return run


@pytest.mark.parametrize(
    ("at_first", "share", "limit"),
    [
        (GB, 100 * GB, GB + MEMORY_GROWTH_BYTES),
        (GB, 3 * GB, 2.4 * GB),
        (GB, GB, GB + LEAST_MEMORY_GROWTH_BYTES),
    ],
)
def test_the_limit(at_first, share, limit):
    assert memory_limit(at_first, share) == limit


def test_growth_is_counted_from_the_first_trial_on():
    watch = MemoryWatch(200 * GB, workers=2)
    assert not watch.is_too_large(0, 90 * GB)
    watch.note_trial(0)
    assert [watch.is_too_large(0, memory) for memory in (10 * GB, 11 * GB, 12 * GB, 0)] == [False, False, True, False]
    watch.forget(0)
    watch.note_trial(0)
    assert not watch.is_too_large(0, 12 * GB)


def test_a_worker_that_does_not_grow_is_kept(calls):
    assert calls(4, growth=MEMORY_GROWTH_BYTES // 10) == [0, 1, 2, 3]


def test_a_large_worker_goes_on_until_its_successor_is_ready(calls):
    # After trial 2 it holds twice the growth more than after trial 0.
    assert calls(5, growth=0.6 * MEMORY_GROWTH_BYTES // 1, successors=["ready"]) == [0, 1, 2, "prepare", 3, "replace", 4]


def test_no_trial_waits_for_a_successor(calls):
    grown = calls(5, growth=MEMORY_GROWTH_BYTES + 1, successors=["late", "late", "late"])
    assert [call for call in grown if call != "prepare"] == [0, 1, 2, 3, 4]


def test_a_lost_successor_does_no_harm_and_another_is_prepared(calls):
    growth = MEMORY_GROWTH_BYTES + 1
    assert calls(5, growth=growth, successors=["lost", "ready"]) == [0, 1, "prepare", 2, "prepare", 3, "replace", 4]


def test_the_next_driver_waits_for_successors_too(calls, named):
    calls(4, growth=MEMORY_GROWTH_BYTES + 1, successors=["late", "late"])
    assert [100, 200] in named
    assert named[0] == [100]


def test_none_is_prepared_for_a_search_that_is_over(calls):
    assert calls(2, growth=MEMORY_GROWTH_BYTES + 1) == [0, 1]
