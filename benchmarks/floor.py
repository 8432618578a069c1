"""The least that a frozen search can cost: one bare process against the whole of `automl search`, in turn, each timed from its start.

    python benchmarks/floor.py --data FOLDER [--runs 3]

FOLDER has train/ and test/, each with one folder a class; a fifth of train/ is cut off as in `peers.py`. The bare process imports
TensorFlow, decodes the pictures, builds both backbones, traces and runs one pass of features for each, trains 12 heads of 8 epochs on
them in one compiled function, saves the best as a whole network, loads it, compares, and reads the test pictures: no driver, no
database, no files of trials. It shares no code with automl. Prints one line of JSON: the medians of both in seconds, and their ratio.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import describe_machine
from peers import split_once
from spaces import EPOCHS, TRIALS, peers_space

BARE = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from PIL import Image
import keras, tensorflow as tf

root, trials, epochs, out = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
size = 224

def read(path):
    return np.asarray(Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))

def load(split):
    names = sorted(folder.name for folder in (root / split).iterdir())
    files = [(path, label) for label, name in enumerate(names) for path in sorted((root / split / name).iterdir())]
    with ThreadPoolExecutor() as pool:
        pictures = np.stack(list(pool.map(read, [path for path, _ in files])))
    return pictures, np.array([label for _, label in files])

def passed(function, pictures):
    return np.concatenate([function(pictures[start : start + 64]).numpy() for start in range(0, len(pictures), 64)])

(x, y), (x_val, y_val), (x_test, y_test) = load("train"), load("val"), load("test")
classes = int(y.max()) + 1
makers = (
    lambda: keras.applications.MobileNet(input_shape=(size, size, 3), alpha=0.25, include_top=False, pooling="avg"),
    lambda: keras.applications.MobileNetV2(input_shape=(size, size, 3), alpha=0.35, include_top=False, pooling="avg"),
)
random = np.random.default_rng(0)
best = (-1.0, None, None)
for index, make in enumerate(makers):
    base = make()
    features = tf.function(lambda pixels: base(tf.cast(pixels, tf.float32) / 127.5 - 1, training=False),
                           input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8)])
    f, f_val = passed(features, x), passed(features, x_val)
    head = keras.layers.Dense(classes, activation="softmax")
    head.build((None, f.shape[1]))
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(head.trainable_variables)

    @tf.function
    def epoch(order, rate, dropout):
        optimizer.learning_rate.assign(rate)
        for start in tf.range(0, len(f), 32):
            rows = order[start : start + 32]
            batch = tf.nn.experimental.stateless_dropout(tf.gather(f, rows), dropout, seed=[start, rows[0]])
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(tf.gather(y, rows), head(batch)))
            optimizer.apply(tape.gradient(loss, head.trainable_variables), head.trainable_variables)

    for trial in range(trials // 2 if index else trials - trials // 2):
        head.kernel.assign(tf.zeros_like(head.kernel.value)); head.bias.assign(tf.zeros_like(head.bias.value))
        for variable in optimizer.variables:
            variable.assign(tf.zeros_like(variable.value))
        rate, dropout = 10 ** random.uniform(-4, -2), random.uniform(0, 0.5)
        for _ in range(epochs):
            epoch(tf.constant(random.permutation(len(f)), tf.int32), tf.constant(rate, tf.float32), tf.constant(dropout, tf.float32))
            accuracy = float((head(f_val).numpy().argmax(axis=1) == y_val).mean())
            if accuracy > best[0]:
                best = (accuracy, base, [weight.numpy() for weight in head.weights], head)
head = best[3]
for weight, value in zip(head.weights, best[2]):
    weight.assign(value)
pixels = keras.Input((size, size, 3), dtype="uint8")
model = keras.Model(pixels, head(best[1](keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels))))
model.save(out)
loaded = keras.models.load_model(out, safe_mode=True)
predict = tf.function(lambda pictures: model(pictures, training=False), input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8)])
assert np.abs(loaded(x_val[:32], training=False).numpy() - passed(predict, x_val)[:32]).max() < 1e-3
print(best[0], float((passed(predict, x_test).argmax(axis=1) == y_test).mean()))
"""


def run_bare(data: Path, work: Path) -> float:
    """Seconds of the bare process."""
    started = time.perf_counter()
    words = [sys.executable, "-c", BARE, data, TRIALS, EPOCHS, work / "model.keras"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"the bare process failed:\n{done.stderr[-2000:]}")
    return seconds


def run_search(data: Path, work: Path) -> float:
    """Seconds of a search that finds nothing in its cache."""
    (work / "frozen.yaml").write_text(json.dumps(peers_space("frozen")), encoding="utf-8")
    program = Path(sys.executable).with_name("automl")
    words = [program, "search", "--space", work / "frozen.yaml", "--data", data, "--studies-dir", work / "studies"]
    started = time.perf_counter()
    environment = {**os.environ, "AUTOML_CACHE_DIR": str(work / "cache")}
    done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"automl failed:\n{done.stderr[-2000:]}")
    return seconds


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    bare, search = [], []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory(prefix="automl-floor-") as temporary:
            data = Path(temporary) / "data"
            split_once(options.data.resolve(), data, None)
            bare.append(run_bare(data, Path(temporary)))
            search.append(run_search(data, Path(temporary)))
    row = {
        "benchmark": "floor",
        "bare_seconds": round(median(bare), 1),
        "search_seconds": round(median(search), 1),
        "ratio": round(median(search) / median(bare), 2),
        "runs": options.runs,
        "machine": describe_machine(),
    }
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
