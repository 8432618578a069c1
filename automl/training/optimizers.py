"""The optimizer of one phase; its rate is assigned before every step, so no schedule is compiled into it."""

from typing import Any

import keras

from automl.records import TrainConfig


def build_optimizer(config: TrainConfig) -> Any:
    """A fresh optimizer as `config` describes it; weight decay is decoupled from the gradient for each of them."""
    decay = config.weight_decay or None
    rate = config.learning_rate
    if config.optimizer == "adamw":
        # Keras would take 0.004 for want of a value.
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=config.momentum, weight_decay=decay)
    if config.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, weight_decay=decay)
    return keras.optimizers.Adam(rate, weight_decay=decay)
