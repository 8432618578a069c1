"""The optimizer of one phase; what varies from trial to trial in it is a variable, so a compiled program can be used again."""

from typing import Any

import keras

from automl.records import TrainConfig


def build_optimizer(config: TrainConfig) -> Any:
    """A fresh optimizer as `config` describes it; learning rate and weight decay are variables, set before each step and trial.

    The decay is decoupled from the gradient for each of them. SGD's momentum is a number that the trace contains.
    """
    if config.optimizer == "adamw":
        # Keras would take 0.004 for want of a value.
        optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
    elif config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(config.learning_rate, momentum=config.momentum)
    elif config.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(config.learning_rate)
    else:
        optimizer = keras.optimizers.Adam(config.learning_rate)
    optimizer.weight_decay = keras.Variable(config.weight_decay, trainable=False, dtype="float32", name="weight_decay")
    return optimizer
