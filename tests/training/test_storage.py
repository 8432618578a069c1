import h5py
import numpy as np
import pytest

from automl.errors import TrialError
from automl.records import TrialResult
from automl.training.progress import Best, ProgressClock
from automl.training.storage import RESULT, VALIDATION, WEIGHTS, load_weights, save_complete, save_history, save_incomplete


class FakeVariable:
    def __init__(self, values, path="head/kernel"):
        self.values = np.asarray(values, dtype=np.float32)
        self.path = path

    @property
    def shape(self):
        return self.values.shape

    def numpy(self):
        return self.values

    def assign(self, values):
        self.values = values


RESULT_OF_3 = TrialResult(number=3, outcome="complete", value=0.5)


def save(folder, colours, variables):
    weights = [(variable.path, variable.numpy()) for variable in variables]
    save_complete(folder, RESULT_OF_3, colours.validation, np.full((45, 3), 1 / 3, np.float32), weights)


def test_what_was_trained_comes_back(tmp_path, colours):
    save(tmp_path, colours, [FakeVariable([[1, 2], [3, 4]]), FakeVariable([5, 6])])
    variables = [FakeVariable(np.zeros((2, 2))), FakeVariable(np.zeros(2))]
    load_weights(tmp_path, variables)
    assert [variable.values.tolist() for variable in variables] == [[[1, 2], [3, 4]], [5, 6]]
    assert sorted(path.name for path in tmp_path.iterdir()) == [RESULT, VALIDATION, WEIGHTS]
    assert TrialResult.load(tmp_path / RESULT) == RESULT_OF_3
    with np.load(tmp_path / VALIDATION, allow_pickle=False) as stored:
        assert stored["probabilities"].dtype == np.float32
        assert stored["labels"].tolist() == colours.validation.labels.tolist()
        assert tuple(stored["names"]) == colours.validation.names


@pytest.mark.parametrize(
    ("shapes", "message"),
    [([(2, 2)], "expected 1 arrays, but got 2"), ([(2, 2), (3,)], r"expected shape \(3,\) for array 1, but got \(2,\)")],
)
def test_weights_of_another_network_are_refused_and_nothing_is_changed(tmp_path, colours, shapes, message):
    save(tmp_path, colours, [FakeVariable([[1, 2], [3, 4]]), FakeVariable([5, 6])])
    variables = [FakeVariable(np.zeros(shape)) for shape in shapes]
    with pytest.raises(TrialError, match=message):
        load_weights(tmp_path, variables)
    assert all(not variable.values.any() for variable in variables)


def test_missing_and_torn_weights(tmp_path, colours):
    with pytest.raises(TrialError, match=r"weights\.h5 is missing.*automl export"):
        load_weights(tmp_path, [])
    save(tmp_path, colours, [FakeVariable(np.ones((50, 50)))])
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:5000])
    with pytest.raises(TrialError, match="cannot be read"):
        load_weights(tmp_path, [FakeVariable(np.ones((50, 50)))])
    with h5py.File(tmp_path / WEIGHTS, "w") as file:
        file["something else"] = [1.0]
    with pytest.raises(TrialError, match="cannot be read"):
        load_weights(tmp_path, [FakeVariable([1.0])])


def test_an_incomplete_trial_keeps_no_weights_of_an_earlier_attempt(tmp_path, colours):
    save(tmp_path, colours, [FakeVariable([1.0])])
    save_incomplete(tmp_path, TrialResult(number=3, outcome="pruned"))
    assert [path.name for path in tmp_path.iterdir()] == [RESULT]


def test_history_is_a_table(tmp_path):
    save_history(tmp_path, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    assert (tmp_path / "history.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"


@pytest.mark.parametrize(
    ("direction", "value", "loss", "beats"),
    [
        ("maximize", 0.6, 0.9, True), ("maximize", 0.5, 0.3, False), ("maximize", 0.5, 0.2, True), ("maximize", 0.4, 0.1, False),
        ("minimize", 0.4, 0.9, True), ("minimize", 0.5, 0.3, False), ("minimize", 0.5, 0.2, True), ("minimize", 0.6, 0.1, False),
    ],
)  # fmt: skip
def test_a_better_value_or_the_same_at_a_lower_loss_is_best(direction, value, loss, beats):
    assert Best(direction).is_beaten_by(value, loss)
    assert Best(direction, value=0.5, loss=0.3).is_beaten_by(value, loss) is beats


def test_progress_is_shown_a_few_times_a_second_and_at_the_end():
    shown = []
    clock = ProgressClock(shown.append, 3)
    for step in range(1, 1001):
        clock.tick(epoch=1, step=step, steps=1000, pictures_per_second=1.0)
    assert [message.step for message in shown] == [1, 1000]
    ProgressClock(None, 3).tick(epoch=1, step=1, steps=1, pictures_per_second=1.0)
