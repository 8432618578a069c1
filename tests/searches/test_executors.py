"""The conformance suite: what every executor must do."""

import os
import signal
import sys
import time
from pathlib import Path

import fake_trainer
import psutil
import pytest

from automl.records import Answer, Epoch, Failed, Finished, Interrupted, PrepareJob, Progress, Ready, TrainJob, TrialConfig
from automl.searches.executors.base import Lost, Received, SuccessorLost, SuccessorReady
from automl.searches.executors.inline import InlineExecutor
from automl.searches.executors.local import LocalExecutor

FAKE_WORKER = (sys.executable, str(Path(fake_trainer.__file__)))


def inline(folder):
    return InlineExecutor(fake_trainer.HANDLERS)


def local(folder):
    return LocalExecutor([{}], folder / "logs", FAKE_WORKER)


@pytest.fixture(params=[inline, local])
def executor(request, tmp_path):
    made = request.param(tmp_path)
    made.start()
    yield made
    made.close()


def job(tmp_path, number=0, attempt=1, epochs=3):
    config = TrialConfig.model_validate(
        {"study": "s", "number": number, "seed": 1, "data": {"path": "digits"}, "model": {"backbone": "cnn"}, "train": {"epochs": epochs}}
    )
    return TrainJob(config=config, folder=str(tmp_path / f"{number:04d}"), attempt=attempt)


def until(executor, kind, answers=()):
    """All events up to the first message or loss of this kind; epochs are answered."""
    answers, seen = list(answers), []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for event in executor.wait(1.0):
            seen.append(event)
            if isinstance(event, Received) and isinstance(event.message, Epoch):
                executor.answer(event.worker, Answer(decision=answers.pop(0) if answers else "continue"))
        if any(isinstance(event, kind) or (isinstance(event, Received) and isinstance(event.message, kind)) for event in seen):
            return seen
    raise AssertionError(f"no {kind.__name__} within 30 s, only {seen}")


def until_ready(executor, events):
    """Wait for the Ready that follows a job, unless it came along with the job's end."""
    if not messages(events, Ready):
        until(executor, Ready)


def messages(events, kind):
    return [event.message for event in events if isinstance(event, Received) and isinstance(event.message, kind)]


def test_ready_then_epochs_then_result_then_ready(executor, tmp_path):
    assert executor.workers == 1
    until(executor, Ready)
    executor.submit(0, job(tmp_path))
    events = until(executor, Finished)
    assert [epoch.step for epoch in messages(events, Epoch)] == [1, 2, 3]
    assert len(messages(events, Progress)) == 3
    assert messages(events, Finished)[0].result.outcome == "complete"
    assert (tmp_path / "0000" / "result.json").is_file()
    until_ready(executor, events)


def test_pruning_ends_the_trial(executor, tmp_path):
    until(executor, Ready)
    executor.submit(0, job(tmp_path))
    events = until(executor, Finished, ["continue", "prune"])
    result = messages(events, Finished)[0].result
    assert (result.outcome, result.epochs) == ("pruned", 2)


def test_interrupting_leaves_no_result(executor, tmp_path):
    until(executor, Ready)
    executor.submit(0, job(tmp_path))
    events = until(executor, Interrupted, ["interrupt"])
    assert messages(events, Interrupted)[0].number == 0
    assert not (tmp_path / "0000" / "result.json").exists()


def test_a_raising_job_is_reported_and_the_worker_lives_on(executor, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SCRIPT", '[{"trial": 0, "moment": "epoch:1", "do": "raise"}]')
    executor.replace(0)
    until(executor, Ready)
    executor.submit(0, job(tmp_path))
    events = until(executor, Failed)
    failed = messages(events, Failed)[0]
    assert (failed.error, failed.message) == ("RuntimeError", "scripted bug")
    assert "scripted bug" in failed.traceback
    until_ready(executor, events)
    executor.submit(0, job(tmp_path, number=1))
    until(executor, Finished)


def test_other_jobs(executor):
    until(executor, Ready)
    executor.submit(0, PrepareJob(backbones=({"name": "MobileNet"},), weights="imagenet", image_sizes=(224,)))
    assert messages(until(executor, Finished), Finished)[0].result is None


def test_waiting_for_nothing_takes_its_time_and_gives_nothing(executor):
    until(executor, Ready)
    assert executor.wait(0.01) == []


def test_a_successor_takes_over_between_two_jobs(executor, tmp_path):
    until(executor, Ready)
    executor.prepare_successor(0)
    executor.submit(0, job(tmp_path))
    events = until(executor, Finished)
    until_ready(executor, events)
    if not [event for event in events if isinstance(event, SuccessorReady)]:
        until(executor, SuccessorReady)
    executor.replace(0)
    until(executor, Ready)
    executor.submit(0, job(tmp_path, number=1))
    until(executor, Finished)


def test_replacing_before_the_successor_is_ready(executor, tmp_path):
    until(executor, Ready)
    executor.prepare_successor(0)
    executor.replace(0)
    until(executor, Ready)
    executor.submit(0, job(tmp_path))
    until(executor, Finished)


def test_closing_twice(executor):
    executor.close()
    executor.close()


@pytest.mark.parametrize(("do", "words"), [("kill", "signal 9"), ("exit", "exit code 3")])
def test_lost_worker_is_replaced(tmp_path, monkeypatch, do, words):
    monkeypatch.setenv("FAKE_SCRIPT", f'[{{"trial": 0, "attempt": 1, "moment": "epoch:1", "do": "{do}"}}]')
    executor = local(tmp_path)
    executor.start()
    try:
        until(executor, Ready)
        (pid,) = executor.pids()
        executor.submit(0, job(tmp_path))
        lost = next(event for event in until(executor, Lost) if isinstance(event, Lost))
        assert words in lost.reason
        assert lost.was_ready
        until(executor, Ready)
        assert executor.pids() != [pid]
        executor.submit(0, job(tmp_path, attempt=2))
        until(executor, Finished)
    finally:
        executor.close()


@pytest.fixture
def local_executor(tmp_path):
    executor = local(tmp_path)
    executor.start()
    until(executor, Ready)
    yield executor
    executor.close()


DISTRUSTED_WORKER = """
import os, sys, time
from automl.records import Ready, encode
channel = int(sys.argv[1])
parent = os.getpid()
if os.fork() == 0:  # its last words arrive after it was killed, as they do when the driver was late to read
    while os.getppid() == parent:
        time.sleep(0.01)
    os.write(channel, encode(Ready(pid=2, memory_bytes=1)))
    os._exit(0)
os.write(channel, encode(Ready(pid=1, memory_bytes=1)) + bytes([0]) + b" not a message\\n")
time.sleep(60)
"""


def test_what_a_worker_says_after_rubbish_is_not_heard(tmp_path):
    executor = LocalExecutor([{}], tmp_path, (sys.executable, "-c", DISTRUSTED_WORKER))
    executor.start()
    try:
        events = until(executor, Lost)
        assert [message.pid for message in messages(events, Ready)] == [1]
    finally:
        executor.close()


def test_a_worker_says_how_much_memory_it_holds(tmp_path):
    executor = local(tmp_path)
    executor.start()
    try:
        assert messages(until(executor, Ready), Ready)[0].memory_bytes > 1_000_000
    finally:
        executor.close()


def test_one_successor_is_prepared_and_named(local_executor):
    (worker,) = local_executor.pids()
    local_executor.prepare_successor(0)
    local_executor.prepare_successor(0)
    first, successor = local_executor.pids()
    assert first == worker
    until(local_executor, SuccessorReady)
    local_executor.replace(0)
    assert local_executor.pids() == [successor]
    assert messages(until(local_executor, Ready), Ready)[0].pid == successor


def test_a_successor_that_is_killed_while_it_starts_does_no_harm(local_executor, tmp_path):
    local_executor.prepare_successor(0)
    worker, successor = local_executor.pids()
    local_executor.submit(0, job(tmp_path))
    os.kill(successor, signal.SIGKILL)
    events = until(local_executor, SuccessorLost)
    if not messages(events, Finished):
        events += until(local_executor, Finished)
    assert not [event for event in events if isinstance(event, Lost)]
    until_ready(local_executor, events)
    assert local_executor.pids() == [worker]
    local_executor.submit(0, job(tmp_path, number=1))
    until(local_executor, Finished)


def test_a_successor_takes_the_place_of_a_worker_that_dies(local_executor, tmp_path):
    local_executor.prepare_successor(0)
    until(local_executor, SuccessorReady)
    worker, successor = local_executor.pids()
    os.kill(worker, signal.SIGKILL)
    until(local_executor, Lost)
    assert local_executor.pids() == [successor]
    until(local_executor, Ready)
    local_executor.submit(0, job(tmp_path))
    until(local_executor, Finished)


def test_successors_end_with_the_executor(local_executor):
    local_executor.prepare_successor(0)
    pids = local_executor.pids()
    local_executor.close()
    assert not any(map(psutil.pid_exists, pids))


def test_each_worker_has_its_own_environment_and_log(tmp_path):
    code = "import os; print('device', os.environ['CUDA_VISIBLE_DEVICES']); import runpy; runpy.run_path(%r, run_name='__main__')"
    command = (sys.executable, "-c", code % FAKE_WORKER[1])
    executor = LocalExecutor([{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}], tmp_path / "logs", command)
    executor.start()
    try:
        ready = set()
        while len(ready) < 2:
            ready |= {event.worker for event in executor.wait(5.0) if isinstance(event, Received)}
    finally:
        executor.close()
    for worker in (0, 1):
        assert f"device {worker}" in (tmp_path / "logs" / f"worker-{worker}.log").read_text()


def test_trial_output_goes_to_its_log(tmp_path, monkeypatch):
    executor = local(tmp_path)
    monkeypatch.setenv("FAKE_SCRIPT", '[{"trial": 0, "moment": "epoch:1", "do": "raise"}]')
    executor.start()
    try:
        until(executor, Ready)
        executor.submit(0, job(tmp_path))
        until(executor, Failed)
    finally:
        executor.close()
    assert "scripted bug" in (tmp_path / "0000" / "log.txt").read_text()
    assert "scripted bug" not in (tmp_path / "logs" / "worker-0.log").read_text()


def test_workers_do_not_get_the_terminals_signals(tmp_path):
    executor = local(tmp_path)
    executor.start()
    try:
        until(executor, Ready)
        assert os.getsid(executor.pids()[0]) != os.getsid(0)
    finally:
        executor.close()
