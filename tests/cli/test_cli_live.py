"""Both views of a search, fed with scripted events."""

import io

import pytest
from made_studies import complete, config_of, failed
from rich.console import Console

from automl.cli.live import LiveView, render
from automl.cli.plainly import PlainLines
from automl.cli.scoreboard import Scoreboard
from automl.records import Epoch, Progress, TrialResult
from automl.searches import events


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    return Scoreboard("val_accuracy", "maximize", clock=clock)


def drawn(board, width=80):
    recorder = Console(record=True, width=width, file=io.StringIO(), markup=False)
    recorder.print(render(board.snapshot(), width))
    return recorder.export_text()


def epoch(number, step, value, speed=350.0):
    metrics = {"val_accuracy": value}
    return Epoch(number=number, step=step, phase="whole", phase_step=step, metrics=metrics, pictures_per_second=speed)


def begin(board, total=10, workers=2):
    board(events.SearchStarted(0, total, workers, 0.0))
    for worker in range(workers):
        board(events.TrialStarted(config_of(worker), worker, 1))


def test_before_the_trials_the_step_and_its_count_are_shown(board):
    board(events.Preparing("decode", 1200, 5000))
    assert drawn(board) == "decoding the pictures 1,200 of 5,000 ...\n"


def test_workers_best_counts_and_times(board, clock):
    begin(board)
    board(events.Reported(1, epoch(1, 3, 0.75), 0.75))
    board(events.Progressed(1, Progress(number=1, epoch=4, step=50, steps=100, pictures_per_second=1234.0)))
    clock.now = 60.0
    board(events.Told(complete(0, 0.9), 1))
    board(events.TrialStarted(config_of(2), 0, 2))
    text = drawn(board)
    assert "1/10 trials (1 complete)" in text
    assert "1:00 so far, about 9:00 to go" in text
    assert "best: val_accuracy 0.9000 (trial 0) optimizer adam, learning_rate 0.001" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["worker", "trial", "epoch", "val_accuracy", "pictures/s"] in lines
    assert ["0", "2", "(attempt", "2)", "0/8"] in lines
    assert ["1", "1", "3/8", "+50%", "0.7500", "1,234"] in lines


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_nothing_is_wider_than_the_terminal(board, width):
    begin(board, workers=20)
    board(events.Told(complete(0, 0.9, params={f"section.parameter_{i}": "value" * 5 for i in range(20)}), 1))
    board(events.Stopping("interrupted by Ctrl-C"))
    text = drawn(board, width)
    assert max(map(len, text.splitlines())) <= width
    assert "and 7 more workers" in text


def test_a_worse_or_uncounted_trial_is_not_the_best(board):
    begin(board)
    board(events.Told(complete(0, 0.8), 1))
    board(events.Told(complete(1, 0.7), 2))
    board(events.Told(complete(2, 0.9, counted=False), 2))
    assert board.snapshot().best.number == 0


def test_minimize():
    board = Scoreboard("val_loss", "minimize", best=complete(0, 0.5))
    board(events.Told(complete(1, 0.4), 2))
    board(events.Told(complete(2, 0.6), 3))
    assert board.snapshot().best.number == 1


def test_what_earlier_runs_did_does_not_shorten_the_expectation(clock):
    board = Scoreboard("val_accuracy", "maximize", clock=clock)
    board(events.SearchStarted(5, 10, 1, 300.0))
    clock.now = 20.0
    assert board.snapshot().expected_seconds is None
    board(events.Told(complete(5, 0.5), 6))
    assert board.snapshot().expected_seconds == pytest.approx(80.0)
    assert "20 s so far (5:00 in earlier runs), about 1:20 to go" in drawn(board)


def test_plain_lines_have_no_control_characters(board, capsys):
    with PlainLines(board) as listen:
        for done in range(3):
            listen(events.Preparing("read", done, 2))
        listen(events.SearchStarted(0, 3, 1, 0.0))
        listen(events.TrialStarted(config_of(0), 0, 1))
        listen(events.Progressed(0, Progress(number=0, epoch=1, step=1, steps=9)))
        listen(events.Reported(0, epoch(0, 1, 0.4), 0.4))
        listen(events.Told(complete(0, 0.9), 1))
        listen(events.Told(failed(1, "NaN \x1b[31mloss\nsecond line"), 2))
        listen(events.Told(TrialResult(number=2, outcome="pruned", value=0.5, best_epoch=2, epochs=3, seconds=3.0), 3))
        listen(events.WorkerLost(0, 4, "it was killed"))
        listen(events.Notice("2 pictures cannot be read"))
        listen(events.Stopping("interrupted by Ctrl-C"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "reading the pictures",
        "0 of 3 trials done; 1 worker",
        "1/3 trial 0 complete, val_accuracy 0.9000 at epoch 5 of 8, 12.5 s; best 0.9000 (trial 0)",
        "2/3 trial 1 failed, 1.0 s: NaN \\x1b[31mloss; best 0.9000 (trial 0)",
        "3/3 trial 2 pruned, val_accuracy 0.5000 at epoch 2 of 3, 3.0 s; best 0.9000 (trial 0)",
        "worker 0 ended with trial 4, which will be run again: it was killed",
        "2 pictures cannot be read",
        "stopping: interrupted by Ctrl-C",
    ]


def test_the_live_view_prints_notices_above_itself_and_cleans_up(board):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, markup=False)
    with LiveView(board, console) as listen:
        listen(events.SearchStarted(0, 3, 1, 0.0))
        listen(events.Notice("2 pictures cannot be [read]"))
        listen(events.Told(failed(0, "it diverged"), 1))
    text = file.getvalue()
    assert "2 pictures cannot be [read]" in text
    assert "trial 0 failed, 1.0 s: it diverged" in text
    assert text.count("\x1b[?25h") == 1, "the cursor is shown again"
