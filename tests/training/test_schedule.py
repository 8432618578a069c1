import pytest

from automl.training.schedule import learning_rate_at


def rates_of(schedule, *, steps=10, warmup_steps=0, shown=None):
    return [learning_rate_at(step, steps=steps, warmup_steps=warmup_steps, peak=0.1, schedule=schedule) for step in range(shown or steps)]


def test_constant_stays():
    assert set(rates_of("constant")) == {0.1}


def test_cosine_falls_from_the_peak_towards_nothing():
    rates = rates_of("cosine", shown=12)
    assert rates[0] == 0.1
    assert rates[5] == pytest.approx(0.05)
    assert rates[:11] == sorted(rates, reverse=True)[:11]
    assert rates[10] == rates[11] == pytest.approx(0)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_rate_rises_linearly_to_its_peak(schedule):
    rates = rates_of(schedule, warmup_steps=4)
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert max(rates) == rates[3]


def test_cosine_falls_over_what_the_rise_leaves():
    assert rates_of("cosine", warmup_steps=4)[3:] == pytest.approx(rates_of("cosine", steps=7))


def test_a_rise_over_the_whole_phase_ends_at_the_peak():
    assert rates_of("cosine", warmup_steps=10)[-1] == pytest.approx(0.1)
