import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.records import METRICS
from automl.training import metrics


def draw(seed, count=200, classes=4, confidence=2.0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    labels[:classes] = np.arange(classes)
    logits = random.normal(size=(count, classes))
    logits[np.arange(count), labels] += confidence
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities.astype(np.float32)


def test_the_metrics_are_those_that_a_space_may_name():
    assert {f"val_{name}" for name in metrics.compute(*draw(0))} == set(METRICS)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("decimals", [1, 8])
def test_metrics_agree_with_scikit_learn(classes, decimals):
    from sklearn import metrics as reference

    labels, probabilities = draw(classes, classes=classes)
    probabilities = np.round(probabilities.astype(np.float64), decimals) + 1e-9  # one decimal: many ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    computed = metrics.compute(labels, probabilities)
    assert computed["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))
    assert computed["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
    assert computed["f1_macro"] == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    assert computed["auc"] == pytest.approx(reference.roc_auc_score(labels, scores, multi_class="ovr"))
    clipped = np.clip(probabilities, 1e-7, 1)
    assert computed["loss"] == pytest.approx(-np.log(clipped[np.arange(len(labels)), labels]).mean())
    if classes > 5 and decimals == 8:
        assert computed["top5_accuracy"] == pytest.approx(reference.top_k_accuracy_score(labels, probabilities, k=5))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**16), count=st.integers(7, 60), classes=st.integers(2, 7))
def test_metrics_stay_in_range_and_do_not_depend_on_the_order(seed, count, classes):
    labels, probabilities = draw(seed, count, classes)
    computed = metrics.compute(labels, probabilities)
    order = np.random.default_rng(seed).permutation(count)
    assert metrics.compute(labels[order], probabilities[order]) == pytest.approx(computed, nan_ok=True)
    assert all(0 <= value <= 1 for name, value in computed.items() if name != "loss" and not np.isnan(value))


def test_classes_that_are_absent():
    labels, probabilities = draw(1, classes=4)
    kept = labels != 2
    computed = metrics.compute(labels[kept], probabilities[kept])
    assert np.isnan(computed["auc"])
    assert not np.isnan(computed["balanced_accuracy"])
    assert "none with the labels 2" in (metrics.explain_undefined("val_auc", labels[kept], 4) or "")
    assert metrics.interval("val_auc", labels[kept], probabilities[kept]) is None
    assert metrics.explain_undefined("val_auc", labels, 4) is None


def test_top5_needs_more_than_five_classes():
    labels, probabilities = draw(1, classes=5)
    assert np.isnan(metrics.compute(labels, probabilities)["top5_accuracy"])
    assert metrics.explain_undefined("top5_accuracy", labels, 5) == "the top-5 accuracy needs more than 5 classes, but there are 5"


def test_a_certain_mistake_costs_a_finite_loss():
    assert metrics.compute([0], [[0.0, 1.0]])["loss"] == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [([0, 1], [[0.5, 0.5]], "expected labels"), ([0], [[np.nan, 1.0]], "finite"), ([0], [0.5], "expected labels")],
)
def test_what_is_not_a_prediction_is_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        metrics.compute(labels, probabilities)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (29, 29, 0.8830, 1.0)],
)
def test_wilson_agrees_with_published_values(right, count, low, high):
    """Method 3 in table I of R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998)."""
    assert metrics.wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_accuracy_has_wilsons_interval():
    labels, probabilities = draw(2)
    share = metrics.compute(labels, probabilities)["accuracy"]
    assert metrics.interval("val_accuracy", labels, probabilities) == metrics.wilson(share, len(labels))


@pytest.mark.parametrize("name", ["val_balanced_accuracy", "f1_macro", "val_auc", "val_loss"])
def test_other_intervals_hold_the_value_shrink_with_data_and_are_the_same_each_time(name):
    few, many = draw(3, 60), draw(3, 2000)
    low, high = metrics.interval(name, *few) or (0, 0)
    narrow_low, narrow_high = metrics.interval(name, *many) or (0, 0)
    assert low < metrics.compute(*few)[name.removeprefix("val_")] < high
    assert 0 < narrow_high - narrow_low < (high - low) / 3
    assert metrics.interval(name, *few) == (low, high)


def test_an_unknown_metric_has_no_interval():
    assert metrics.interval("val_kappa", *draw(1)) is None
