"""The compiled programs of what trains in one phase: steps of the optimizer and predictions, each traced once.

A program outlives its trial. What differs between the trials that share it, the fields of `records.HOT_FIELDS`, is in
variables or is given with each call; everything else is what it was made of.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.models.network import Network
from automl.models.seeds import derive_seed
from automl.records import TrainConfig, TrialConfig
from automl.training.optimizers import build_optimizer


@dataclass(frozen=True)
class HotValues:
    """What the hot fields of a trial say to a program.

    Attributes:
        dropout: Rate before each dense layer of the head.
        seeds: Of the dropout before each dense layer.
    """

    dropout: float
    label_smoothing: float
    weight_decay: float
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, config: TrialConfig) -> "HotValues":
        """Those of a config."""
        count = len(config.model.head.units) + 1
        seeds = tuple(derive_seed(config.seed, "dropout", index) for index in range(count))
        return cls(config.model.head.dropout, config.train.label_smoothing, config.train.weight_decay, seeds)


class PhaseProgram:
    """Trains the part of a network that a phase unfreezes, and predicts with it.

    Args:
        network: Its `depth` is the phase's.
        config: The optimizer is read.
        shape: Of one picture's input: (width,) behind a frozen part, else (size, size, 3).
        kind: float32, or uint8 for pixels as they are stored.
    """

    def __init__(self, network: Network, config: TrainConfig, shape: Sequence[int], kind: str = "float32") -> None:
        self.network = network
        self.variables = network.trained_variables()
        self._trainable = [variable for variable in self.variables if variable.trainable]
        self._sizes = [math.prod(variable.shape) for variable in self._trainable]
        self._optimizer = build_optimizer(config)
        # The optimizer sees one long vector: its twenty operations a variable would be most of the trace.
        self._vector = keras.Variable(np.zeros(sum(self._sizes), np.float32), dtype="float32", name="trained")
        # Before the trace, which otherwise happens twice.
        self._optimizer.build([self._vector])
        self._fresh = [np.array(variable.numpy()) for variable in self._optimizer.variables]
        inputs, label, number = tf.TensorSpec((None, *shape), kind), tf.TensorSpec((None,), tf.int64), tf.TensorSpec((), tf.float32)
        several = [tf.TensorSpec((None,), tf.float32), tf.TensorSpec((), tf.int32), number, number, tf.TensorSpec((None,), tf.int32)]
        self._kind = kind
        self._train = tf.function(self._steps, input_signature=[inputs, label, *several], autograph=False)
        self._predict = tf.function(lambda x: network.answer(x, training=False), input_signature=[inputs], autograph=False)
        self._hot = HotValues(0.0, 0.0, 0.0, ())

    @property
    def traces(self) -> int:
        """How often steps and predictions were traced, together."""
        return int(self._train.experimental_get_tracing_count() + self._predict.experimental_get_tracing_count())

    def reset(self, values: Sequence[NDArray[Any]], hot: HotValues, *, seed: int) -> None:
        """Make it as good as new for a trial's phase: weights, optimizer, random numbers and hot fields.

        Args:
            values: Of `variables`.
            hot: The trial's hot fields.
            seed: The trial's.
        """
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        self._vector.assign(np.concatenate([variable.numpy().ravel() for variable in self._trainable]))
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        # After the optimizer's variables, of which it is one.
        self._optimizer.weight_decay.assign(hot.weight_decay)
        if self.network.normalizes:
            self.network.reset_generators(seed)
        self._hot = hot

    def values(self) -> list[NDArray[Any]]:
        """The values of the trained variables now."""
        return [np.array(variable.numpy()) for variable in self.variables]

    def train(self, x: NDArray[Any], labels: NDArray[np.int64], rates: NDArray[np.float32], batch_size: int) -> tuple[Any, int]:
        """Several steps in one call: the mean loss of each batch before its step, and how many pictures were classified rightly.

        Args:
            x: The inputs of all steps, in order.
            labels: Their classes (n,).
            rates: The learning rate of each step.
            batch_size: Pictures a step; the last may have fewer.
        """
        hot = self._hot
        losses, hits = self._train(
            tf.cast(x, self._kind),
            tf.convert_to_tensor(labels),
            tf.constant(rates, tf.float32),
            tf.constant(batch_size, tf.int32),
            tf.constant(hot.dropout, tf.float32),
            tf.constant(hot.label_smoothing, tf.float32),
            tf.constant(hot.seeds, tf.int32),
        )
        return losses.numpy(), int(hits)

    def predict(self, chunks: Iterable[NDArray[Any]]) -> NDArray[np.float32]:
        """The probabilities (n, classes) of inputs that come in chunks."""
        return np.concatenate([np.asarray(self._predict(tf.cast(chunk, self._kind)), np.float32) for chunk in chunks])

    def _steps(self, x: Any, labels: Any, rates: Any, batch_size: Any, dropout: Any, smoothing: Any, seeds: Any) -> tuple[Any, Any]:
        count = tf.shape(rates)[0]

        def one(step: Any, losses: Any, hits: Any) -> tuple[Any, Any, Any]:
            begin, end = step * batch_size, (step + 1) * batch_size
            loss, right = self._step(x[begin:end], labels[begin:end], rates[step], dropout, smoothing, seeds)
            return step + 1, losses.write(step, loss), hits + right

        start = (tf.constant(0), tf.TensorArray(tf.float32, size=count), tf.constant(0, tf.int64))
        _, losses, hits = tf.while_loop(lambda step, *_: step < count, one, start, parallel_iterations=1)
        return losses.stack(), hits

    def _step(self, x: Any, labels: Any, rate: Any, dropout: Any, smoothing: Any, seeds: Any) -> tuple[Any, Any]:
        done = tf.cast(tf.convert_to_tensor(self._optimizer.iterations), tf.int32)

        def drop(values: Any, number: int) -> Any:
            kept = tf.random.stateless_uniform(tf.shape(values), seed=tf.stack([seeds[number], done])) >= dropout
            return tf.where(kept, values / (1 - dropout), 0)

        with tf.GradientTape() as tape:
            probabilities = self.network.answer(x, training=True, dropout=drop)
            loss = tf.add_n([_cross_entropy(labels, probabilities, smoothing), *self.network.regularization()])
        values = [variable.value for variable in self._trainable]
        gradients = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self._optimizer.learning_rate.assign(rate)
        self._optimizer.apply([tf.concat([tf.reshape(gradient, (-1,)) for gradient in gradients], axis=0)], [self._vector])
        for variable, part in zip(self._trainable, tf.split(tf.convert_to_tensor(self._vector), self._sizes), strict=True):
            variable.assign(tf.reshape(part, variable.shape))
        return loss, tf.reduce_sum(tf.cast(tf.argmax(probabilities, axis=-1) == labels, tf.int64))


def _cross_entropy(labels: Any, probabilities: Any, smoothing: Any) -> Any:
    classes = probabilities.shape[-1]
    targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    # Keras finds the softmax's logits behind the probabilities, so that no logarithm of 0 is taken.
    return tf.reduce_mean(keras.ops.categorical_crossentropy(targets, probabilities))
