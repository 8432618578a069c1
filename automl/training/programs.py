"""The two compiled programs of a trial: the training step and the prediction of one batch, each traced once.

What would be baked into the trace of `TrainProgram` is what its constructor takes; the learning rate is a variable.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.data import Pictures
from automl.training.batches import PREDICTION_BATCH, Batch, iterate


class TrainProgram:
    """One optimizer step on the variables of a model that are trainable when it is made.

    Args:
        model: uint8 (n, size, size, 3) -> probabilities (n, classes).
        optimizer: Fresh; its variables are made here, before the trace, which otherwise would happen twice.
        label_smoothing: Share of each target that is spread over all classes.
    """

    def __init__(self, model: Any, optimizer: Any, *, label_smoothing: float) -> None:
        self._model = model
        self._optimizer = optimizer
        self._label_smoothing = label_smoothing
        self._variables = list(model.trainable_variables)
        optimizer.build(self._variables)
        pictures = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)
        self._compiled = tf.function(self._step, input_signature=[pictures, tf.TensorSpec((None,), tf.int64)])

    @property
    def traces(self) -> int:
        """How often the step was traced."""
        return int(self._compiled.experimental_get_tracing_count())

    def step(self, batch: Batch, learning_rate: float) -> tuple[float, int]:
        """Train on one batch: its mean loss before the step, and how many pictures were classified rightly."""
        self._optimizer.learning_rate = learning_rate
        loss, hits = self._compiled(*batch)
        return float(loss), int(hits)

    def _step(self, pictures: Any, labels: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            probabilities = self._model(pictures, training=True)
            loss = tf.add_n([self._cross_entropy(labels, probabilities), *self._model.losses])
        gradients = tape.gradient(loss, self._variables)
        self._optimizer.apply(gradients, self._variables)
        hits = tf.reduce_sum(tf.cast(tf.argmax(probabilities, axis=-1) == labels, tf.int64))
        return loss, hits

    def _cross_entropy(self, labels: Any, probabilities: Any) -> Any:
        classes = probabilities.shape[-1]
        targets = tf.one_hot(labels, classes) * (1 - self._label_smoothing) + self._label_smoothing / classes
        # Keras finds the softmax's logits behind the probabilities, so that no logarithm of 0 is taken.
        return tf.reduce_mean(keras.ops.categorical_crossentropy(targets, probabilities))


class PredictProgram:
    """The probabilities of pictures, for a model that is used, not trained.

    Args:
        model: uint8 (n, size, size, 3) -> probabilities (n, classes).
    """

    def __init__(self, model: Any) -> None:
        def predict(pictures: Any) -> Any:
            return model(pictures, training=False)

        self._compiled: Callable[[Any], Any] = tf.function(
            predict, input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)]
        )

    def predict(self, pictures: Pictures) -> NDArray[np.float32]:
        """One pass over all pictures in their order: float32 (n, classes)."""
        batches: Iterable[Batch] = iterate(pictures, np.arange(len(pictures)), PREDICTION_BATCH)
        return np.concatenate([np.asarray(self._compiled(images), dtype=np.float32) for images, _ in batches])
