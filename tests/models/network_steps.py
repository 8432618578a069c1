"""Networks whose weights look learned, one training step on them, and what it changed."""

import numpy as np


def look_learned(network, name, pictures):
    """Give a random network of keras.applications the statistics of some pictures, so that their features differ."""
    import keras

    from automl.models.preprocessing import build_preprocessing

    layers = network._flatten_layers()
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    drops = [(layer, layer.rate) for layer in layers if isinstance(layer, keras.layers.Dropout)]
    for layer in layers:
        if type(layer).__name__ == "LayerScale":
            layer.gamma.assign(np.full(layer.gamma.shape, 0.2))
    for norm in norms:
        norm.momentum = 0.0
    for drop, _ in drops:
        drop.rate = 0.0
    network(build_preprocessing(name)(pictures), training=True)
    for norm in norms:
        norm.momentum = 0.99
    for drop, rate in drops:
        drop.rate = rate


def give_opinion(built):
    """Random weights for a head that begins with zeros, so that what the backbone does matters."""
    kernel = built.dense[-1].kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape) / kernel.shape[0] ** 0.5)
    return built


def enter(built, pictures):
    """What goes into the part of a network that trains: the output of its frozen part, or the pictures themselves."""
    if built.depth == "all":
        return pictures
    return np.asarray(built.base.frozen(built.depth, built.head[0])(pictures.astype("float32")))


def answer(built, pictures, *, training):
    """The probabilities, as they are computed in a trial."""
    return np.asarray(built.answer(enter(built, pictures), training=training))


def take_step(built, pictures, labels):
    """One step of gradient descent on what trains."""
    import tensorflow as tf

    from automl.records import TrainConfig
    from automl.training.programs import HotValues, PhaseProgram

    x = enter(built, pictures)
    tf.config.run_functions_eagerly(True)  # one step costs less than its trace
    try:
        program = PhaseProgram(built, TrainConfig(optimizer="sgd"), x.shape[1:], x.dtype.name)
        program.reset(program.values(), HotValues(0.0, 0.0, 0.0, (0,) * len(built.dense)), seed=0)
        program.train(x, np.asarray(labels), np.array([0.1], np.float32), len(labels))
    finally:
        tf.config.run_functions_eagerly(False)


def snapshot(variables):
    """The values of some variables."""
    return [np.array(variable.numpy()) for variable in variables]


def changed(variables, before):
    """Identities of the variables that have other values than before."""
    return {id(variable) for variable, array in zip(variables, before, strict=True) if not np.array_equal(variable.numpy(), array)}
