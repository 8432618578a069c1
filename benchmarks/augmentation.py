"""Milliseconds of a batch's augmentation, beside the cheapest frozen backbone and other ways to do the same.

    python benchmarks/augmentation.py [--threads 2] [--runs 21] [--batch 32] [--size 224]

Prints one line of JSON. Everything runs in turn, again and again; the figures are medians in milliseconds, and ratios to the frozen
forward pass of MobileNet 0.25 with random weights. No pictures and no weights are needed.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from machine import describe_machine

from automl.models import augmentation

STRENGTH = 0.5
REFERENCE = "frozen forward"


def keras_layers() -> Callable[[Any], Any]:
    """About the same changes by Keras' layers, one pass each."""
    fill, pixels = {"fill_mode": "reflect", "seed": 1}, {"value_range": (0, 255), "seed": 1}
    layers = (
        keras.layers.RandomFlip("horizontal", seed=1),
        keras.layers.RandomRotation(STRENGTH * 30 / 360, **fill),
        keras.layers.RandomZoom(STRENGTH * 0.4, **fill),
        keras.layers.RandomTranslation(STRENGTH * 0.2, STRENGTH * 0.2, **fill),
        keras.layers.RandomContrast(STRENGTH * 0.4, **pixels),
        keras.layers.RandomBrightness(STRENGTH * 0.4, **pixels),
    )

    def change(batch: Any) -> Any:
        for layer in layers:
            batch = layer(batch, training=True)
        return batch

    return change


def projective(places: Any, side: int) -> Callable[[Any], Any]:
    """The same resampling by TensorFlow's operation for it."""
    middle = (side - 1) / 2
    shifts = places[:, :, 2] * side + middle - tf.reduce_sum(places[:, :, :2], axis=2) * middle
    rows = tf.concat([places[:, :, :2], shifts[:, :, None]], axis=2)
    transform = tf.concat([tf.reshape(rows, (-1, 6)), tf.zeros((len(rows), 2))], axis=1)
    return lambda batch: keras.ops.image.affine_transform(batch, transform, fill_mode="reflect")


def candidates(batch: int, side: int) -> dict[str, tuple[Callable[[Any], Any], Any]]:
    """What is measured: a function and its batch under each name."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    floats, whole = tf.constant(pixels, tf.float32), tf.constant(pixels)
    network = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(side, side, 3), pooling="avg")
    flip = keras.layers.RandomFlip("horizontal", seed=1)
    draws = tf.constant(augmentation.draw(batch, seed=1, epoch=1))
    named = dict(zip(augmentation.DRAWS, tf.unstack(draws, axis=-1), strict=True))
    places, colours = augmentation.place_maps(named, STRENGTH, "horizontal"), augmentation.colour_maps(named, STRENGTH)

    def resample(pixels: Any) -> Any:
        return augmentation.resample(pixels, places)

    def recolour(pixels: Any) -> Any:
        return augmentation.recolour(pixels, *colours)

    return {
        REFERENCE: (lambda pixels: network(pixels / 127.5 - 1, training=False), floats),
        "automl": (lambda pixels: augmentation.augment(pixels, draws, STRENGTH, "horizontal"), whole),
        "keras layers": (keras_layers(), floats),
        "keras flip alone": (lambda pixels: flip(pixels, training=True), floats),
        "resampling": (tf.function(resample, jit_compile=True), floats),
        "resampling, bytes": (tf.function(resample, jit_compile=True), whole),
        "resampling, without XLA": (resample, floats),
        "recolouring": (tf.function(recolour, jit_compile=True), floats),
        "recolouring, without XLA": (recolour, floats),
        "projective transform": (projective(places, side), floats),
        "projective transform, bytes": (projective(places, side), whole),
    }


def measure(runs: int, batch: int, side: int) -> dict[str, float]:
    """Median milliseconds under each name."""
    traced = {name: (tf.function(function), pixels) for name, (function, pixels) in candidates(batch, side).items()}
    seconds: dict[str, list[float]] = {name: [] for name in traced}
    for run in range(runs + 1):
        for name, (function, pixels) in traced.items():
            started = time.perf_counter()
            function(pixels)
            if run:  # the first one traces and compiles
                seconds[name].append(time.perf_counter() - started)
    return {name: 1000 * median(values) for name, values in seconds.items()}


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of TensorFlow")
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    milliseconds = measure(options.runs, options.batch, options.size)
    row = {
        "benchmark": "augmentation",
        **vars(options),
        "milliseconds": {name: round(value, 1) for name, value in milliseconds.items()},
        "ratio": {name: round(value / milliseconds[REFERENCE], 2) for name, value in milliseconds.items()},
        "machine": describe_machine(),
    }
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
