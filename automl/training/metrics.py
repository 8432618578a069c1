"""The metrics of a classifier: the one place where any is computed, in training, on the leaderboard and in evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

RESAMPLES = 1000
Z_95 = 1.959963984540054
_SMALLEST = 1e-7
"""Probabilities below it count as it in the loss, as in Keras."""


def compute(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """All metrics of some predictions; one that these labels do not define is NaN.

    Args:
        labels: Class indices, shape (n,).
        probabilities: Shape (n, classes); finite, each row summing to 1.

    Returns:
        `accuracy`; `balanced_accuracy`, the mean recall of the classes that occur; `f1_macro`, over the classes that occur
        or are predicted; `auc`, one against the rest, averaged over the classes, NaN unless each of them occurs;
        `top5_accuracy`, NaN unless there are more than 5 classes; `loss`, the mean cross-entropy in nats.

    Example:
        >>> compute([0, 1], [[0.9, 0.1], [0.8, 0.2]])["accuracy"]
        0.5
    """
    labels, probabilities = _validate(labels, probabilities)
    weights = np.ones(len(labels))
    return {name: float(make(labels, probabilities)(weights)) for name, make in _METRICS.items()}


def explain_undefined(name: str, labels: ArrayLike, classes: int) -> str | None:
    """Why a metric, with or without `val_`, is not defined for these labels; None if it is."""
    name = name.removeprefix("val_")
    if name == "auc":
        absent = sorted(set(range(classes)) - set(np.asarray(labels).tolist()))
        if absent:
            shown = ", ".join(str(label) for label in absent[:5]) + (", ..." if len(absent) > 5 else "")
            return f"the area under the curve needs pictures of every class, but there are none with the labels {shown}"
    if name == "top5_accuracy" and classes <= 5:
        return f"the top-5 accuracy needs more than 5 classes, but there are {classes}"
    return None


def interval(name: str, labels: ArrayLike, probabilities: ArrayLike) -> tuple[float, float] | None:
    """The 95 % interval of a metric over the pictures that it was measured on; None where the metric is not defined.

    For shares (accuracy, top-5 accuracy) it is Wilson's score interval: E. B. Wilson, Probable inference, the law of
    succession, and statistical inference, JASA 22 (1927). For the others it is the percentile bootstrap over pictures,
    drawn within each class (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13) with a fixed seed.

    Args:
        name: A metric of `compute`, with or without `val_`.
        labels: Class indices, shape (n,).
        probabilities: Shape (n, classes).
    """
    name = name.removeprefix("val_")
    labels, probabilities = _validate(labels, probabilities)
    if name not in _METRICS or len(labels) == 0:
        return None
    measure = _METRICS[name](labels, probabilities)
    value = measure(np.ones(len(labels)))
    if np.isnan(value):
        return None
    if name in ("accuracy", "top5_accuracy"):
        return wilson(value, len(labels))
    draws = _resample(labels, np.random.default_rng(0))
    low, high = np.percentile([measure(weights) for weights in draws], [2.5, 97.5])
    return float(low), float(high)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in `count` independent cases."""
    square = Z_95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = Z_95 / (1 + square / count) * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    # At the ends the formula is off by a rounding error.
    return (0.0 if share == 0 else float(centre - half)), (1.0 if share == 1 else float(centre + half))


def _validate(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Labels, Floats]:
    checked_labels = np.asarray(labels, dtype=np.int64)
    checked = np.asarray(probabilities, dtype=np.float64)
    if checked.ndim != 2 or checked_labels.shape != checked.shape[:1]:
        raise ValueError(f"expected labels (n,) and probabilities (n, classes), but got {checked_labels.shape} and {checked.shape}")
    if not np.isfinite(checked).all():
        raise ValueError("expected finite probabilities, but got NaN or infinity among them")
    return checked_labels, checked


def _resample(labels: Labels, random: np.random.Generator) -> Floats:
    """How often each picture is drawn, in each of the resamples; a class keeps its number of pictures."""
    weights = np.zeros((RESAMPLES, len(labels)))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        weights[:, members] = random.multinomial(len(members), np.full(len(members), 1 / len(members)), size=RESAMPLES)
    return weights


# Each metric is prepared once from labels and probabilities and then measured for a weight of each picture, so that the
# thousand resamples of an interval cost a thousand sums, not a thousand sorts.
Measure = Callable[[Floats], float]


def _accuracy(labels: Labels, probabilities: Floats) -> Measure:
    hits = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    return lambda weights: float(hits @ weights / weights.sum())


def _top5_accuracy(labels: Labels, probabilities: Floats) -> Measure:
    if probabilities.shape[1] <= 5:
        return _undefined
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    hits = ((probabilities > own).sum(axis=1) < 5).astype(np.float64)
    return lambda weights: float(hits @ weights / weights.sum())


def _loss(labels: Labels, probabilities: Floats) -> Measure:
    losses = -np.log(np.clip(np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0], _SMALLEST, 1.0))
    return lambda weights: float(losses @ weights / weights.sum())


def _counts(labels: Labels, probabilities: Floats) -> Callable[[Floats], tuple[Floats, Floats, Floats]]:
    """For weights of the pictures: of each class the true, the predicted and the rightly predicted."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    hits = predicted == labels

    def count(weights: Floats) -> tuple[Floats, Floats, Floats]:
        return tally(labels, weights), tally(predicted, weights), tally(labels[hits], weights[hits])

    def tally(members: NDArray[np.integer[Any]], weights: Floats) -> Floats:
        return np.bincount(members, weights, classes).astype(np.float64)

    return count


def _balanced_accuracy(labels: Labels, probabilities: Floats) -> Measure:
    count = _counts(labels, probabilities)

    def measure(weights: Floats) -> float:
        true, _, hit = count(weights)
        occurs = true > 0
        return float((hit[occurs] / true[occurs]).mean())

    return measure


def _f1_macro(labels: Labels, probabilities: Floats) -> Measure:
    count = _counts(labels, probabilities)

    def measure(weights: Floats) -> float:
        true, predicted, hit = count(weights)
        seen = true + predicted > 0
        return float((2 * hit[seen] / (true + predicted)[seen]).mean())

    return measure


def _auc(labels: Labels, probabilities: Floats) -> Measure:
    classes = probabilities.shape[1]
    if len(np.unique(labels)) < classes:
        return _undefined
    # For two classes the curves of both are the same.
    measures = [_binary_auc(labels == label, probabilities[:, label]) for label in (range(classes) if classes > 2 else (1,))]
    return lambda weights: float(np.mean([measure(weights) for measure in measures]))


def _binary_auc(positive: NDArray[np.bool_], scores: Floats) -> Measure:
    """The chance that a positive picture scores above a negative one; equal scores count half (Mann and Whitney, 1947)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    is_positive = positive[order]

    def measure(weights: Floats) -> float:
        ordered = weights[order]
        positives = np.add.reduceat(np.where(is_positive, ordered, 0.0), starts)
        negatives = np.add.reduceat(np.where(is_positive, 0.0, ordered), starts)
        below = np.cumsum(negatives) - negatives
        return float(positives @ (below + negatives / 2) / (positives.sum() * negatives.sum()))

    return measure


def _undefined(weights: Floats) -> float:
    return float("nan")


_METRICS: dict[str, Callable[[Labels, Floats], Measure]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
    "auc": _auc,
    "top5_accuracy": _top5_accuracy,
    "loss": _loss,
}
