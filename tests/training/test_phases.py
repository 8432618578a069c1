import pytest

from automl.records import TrainConfig
from automl.training.phases import plan_phases


def plan(epochs, fraction, *, is_whole=False, is_frozen=False):
    config = TrainConfig(epochs=epochs, learning_rate=0.01, fine_tune={"epochs_fraction": fraction, "learning_rate_factor": 0.1})
    return [(phase.name, phase.epochs, phase.learning_rate) for phase in plan_phases(config, is_whole=is_whole, is_frozen=is_frozen)]


@pytest.mark.parametrize(
    ("epochs", "fraction", "expected"),
    [
        (20, 0.5, [("head", 10), ("fine_tune", 10)]),
        (20, 0.25, [("head", 15), ("fine_tune", 5)]),
        (3, 0.5, [("head", 1), ("fine_tune", 2)]),
        (5, 0.0, [("head", 5)]),
        (5, 1.0, [("fine_tune", 5)]),
        (1, 0.5, [("head", 1)]),
        (1, 0.9, [("fine_tune", 1)]),
        (4, 0.1, [("head", 4)]),
    ],
)
def test_epochs_are_divided(epochs, fraction, expected):
    phases = plan(epochs, fraction)
    assert [phase[:2] for phase in phases] == expected
    assert sum(phase[1] for phase in phases) == epochs
    assert all(phase[2] == pytest.approx(0.01 if phase[0] == "head" else 0.001) for phase in phases)


def test_a_frozen_backbone_has_one_phase():
    assert plan(6, 0.5, is_frozen=True) == [("head", 6, 0.01)]


@pytest.mark.parametrize("is_frozen", [True, False])
def test_a_network_from_scratch_trains_whole(is_frozen):
    assert plan(6, 0.5, is_whole=True, is_frozen=is_frozen) == [("whole", 6, 0.01)]
