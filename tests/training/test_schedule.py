import pytest

from automl.training.schedule import learning_rate_at


def test_constant_stays():
    assert {learning_rate_at(step, steps=10, peak=0.1, schedule="constant") for step in range(10)} == {0.1}


def test_cosine_falls_from_the_peak_towards_nothing():
    rates = [learning_rate_at(step, steps=10, peak=0.1, schedule="cosine") for step in range(12)]
    assert rates[0] == 0.1
    assert rates[5] == pytest.approx(0.05)
    assert rates[:11] == sorted(rates, reverse=True)[:11]
    assert rates[10] == rates[11] == pytest.approx(0)
