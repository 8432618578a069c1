"""A frozen search without a search: imports, decodes, passes, trains the heads, saves and checks, in one process; see `floor.py`.

    python benchmarks/bare.py DATA TRIALS EPOCHS OUT

DATA holds train/, val/ and test/, each with one folder a class; OUT is the model's file. Prints validation and test accuracy.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

SIZE, BATCH, PASSED = 224, 32, 64
NETWORKS = (
    lambda: keras.applications.MobileNet(input_shape=(SIZE, SIZE, 3), alpha=0.25, include_top=False, pooling="avg"),
    lambda: keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), alpha=0.35, include_top=False, pooling="avg"),
)


def read(path: Path) -> NDArray[np.uint8]:
    """One picture."""
    return np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def load(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The pictures of one side of the split, and their classes."""
    names = sorted(inside.name for inside in folder.iterdir())
    files = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).iterdir())]
    with ThreadPoolExecutor() as pool:
        pictures = np.stack(list(pool.map(read, [path for path, _ in files])))
    return pictures, np.array([label for _, label in files])


def compiled(function: Callable[[Any], Any]) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A function of pictures, traced once and applied block by block."""
    traced = tf.function(function, input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8)], autograph=False)
    return lambda pictures: np.concatenate([traced(pictures[at : at + PASSED]).numpy() for at in range(0, len(pictures), PASSED)])


def make_epoch(head: Any, optimizer: Any, features: NDArray[np.float32], labels: NDArray[np.int64]) -> Callable[..., None]:
    """All steps of an epoch as one call."""

    def step(rows: Any, dropout: Any) -> None:
        batch = tf.nn.experimental.stateless_dropout(tf.gather(features, rows), dropout, seed=tf.stack([rows[0], rows[-1]]))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(tf.gather(labels, rows), head(batch)))
        variables = head.trainable_variables
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)

    @tf.function(autograph=False)
    def epoch(order: Any, rate: Any, dropout: Any) -> None:
        optimizer.learning_rate.assign(rate)

        def one(start: Any) -> Any:
            step(order[start : start + BATCH], dropout)
            return start + BATCH

        tf.while_loop(lambda start: start < len(features), lambda start: (one(start),), (tf.constant(0),))

    return epoch  # type: ignore[no-any-return]


def search(folder: Path, trials: int, epochs: int, out: Path) -> tuple[float, float]:
    """Validation and test accuracy of the best head."""
    (x, y), (x_val, y_val), (x_test, y_test) = (load(folder / side) for side in ("train", "val", "test"))
    classes = int(y.max()) + 1
    random = np.random.default_rng(0)
    best: tuple[float, Any, Any, list[Any]] = (-1.0, None, None, [])
    for index, make in enumerate(NETWORKS):
        network = make()
        features = compiled(lambda pixels, network=network: network(tf.cast(pixels, tf.float32) / 127.5 - 1, training=False))
        train, validation = features(x), features(x_val)
        head = keras.layers.Dense(classes, activation="softmax")
        head.build((None, train.shape[1]))
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(head.trainable_variables)
        epoch = make_epoch(head, optimizer, train, y)
        fresh = [variable.numpy() for variable in optimizer.variables]
        for _ in range(trials // 2 if index else trials - trials // 2):
            for variable in head.weights:
                variable.assign(np.zeros(variable.shape))
            for variable, value in zip(optimizer.variables, fresh, strict=True):
                variable.assign(value)
            rate, dropout = 10 ** random.uniform(-4, -2), random.uniform(0, 0.5)
            for _ in range(epochs):
                epoch(
                    tf.constant(random.permutation(len(train)), tf.int32), tf.constant(rate, tf.float32), tf.constant(dropout, tf.float32)
                )
                accuracy = float((head(validation).numpy().argmax(axis=1) == y_val).mean())
                if accuracy > best[0]:
                    best = (accuracy, network, head, [weight.numpy() for weight in head.weights])
    accuracy, network, head, values = best
    for weight, value in zip(head.weights, values, strict=True):
        weight.assign(value)
    pixels = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    model = keras.Model(pixels, head(network(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels))))
    model.save(out)
    loaded = keras.models.load_model(out, safe_mode=True)
    predict = compiled(lambda pictures: model(pictures, training=False))
    difference = np.abs(loaded(x_val[:BATCH], training=False).numpy() - predict(x_val[:BATCH])).max()
    if difference > 1e-3:
        sys.exit(f"the model that was loaded back differs by {difference}")
    return accuracy, float((predict(x_test).argmax(axis=1) == y_test).mean())


if __name__ == "__main__":
    found = search(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    sys.stdout.write(f"{found[0]} {found[1]}\n")
