"""A finished model on held-out pictures: predictions, metrics, an interval; the same computation as in training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.data import Pictures
from automl.training import metrics

BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """What a model gets on some pictures.

    Attributes:
        metrics: All metrics of `training.metrics`, without the prefix val_.
        interval: 95 % interval of the monitored metric, where it has one.
        pictures: How many there were.
        probabilities: float32, shape (pictures, classes).
    """

    metrics: dict[str, float]
    interval: tuple[float, float] | None
    pictures: int
    probabilities: npt.NDArray[np.float32]


def predict_pictures(model: Any, pictures: Pictures) -> npt.NDArray[np.float32]:
    """Probabilities of all pictures, float32, shape (pictures, classes), batch by batch from the store."""
    starts = range(0, len(pictures), BATCH)
    return np.concatenate([predict(model, pictures.batch(np.arange(start, min(start + BATCH, len(pictures))))[0]) for start in starts])


def predict(model: Any, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Probabilities of a few pictures, at least one; in batches of one size, so that Keras traces the model once."""
    parts = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        filled = np.resize(np.arange(len(batch)), BATCH)
        parts.append(np.asarray(model.predict_on_batch(batch[filled]), dtype=np.float32)[: len(batch)])
    return np.concatenate(parts)


def evaluate(model: Any, pictures: Pictures, metric: str) -> Evaluation:
    """Evaluate a model.

    Args:
        model: Takes uint8 (n, size, size, 3), gives probabilities.
        pictures: At least one.
        metric: The study's metric; the prefix val_ is ignored.
    """
    probabilities = predict_pictures(model, pictures)
    name = metric.removeprefix("val_")
    return Evaluation(
        metrics=metrics.compute(pictures.labels, probabilities),
        interval=metrics.interval(name, pictures.labels, probabilities),
        pictures=len(pictures),
        probabilities=probabilities,
    )
