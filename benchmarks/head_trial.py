"""Seconds of worker time of a frozen trial after the first, whose features are stored, and what it did: traces, pictures passed.

    python benchmarks/head_trial.py [--pictures 1000] [--trials 20] [--epochs 8]

Random pictures of 10 classes at 224 px on a MobileNet 0.25 with random weights. Prints one line of JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from machine import describe_machine

from automl.data import Dataset, Pictures
from automl.records import TrialConfig
from automl.training import Kept, train

SIZE, CLASSES = 224, 10


def make_pictures(count: int, seed: int) -> Pictures:
    """Random pictures."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return Pictures(images, np.arange(count), random.integers(0, CLASSES, count), tuple(map(str, range(count))))


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000, help="training pictures; a quarter of that validates")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="automl-head-") as temporary:
        os.environ["AUTOML_CACHE_DIR"] = str(Path(temporary) / "cache")
        weights = Path(temporary) / "random.weights.h5"
        keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)).save_weights(weights)
        sides = make_pictures(options.pictures, 1), make_pictures(options.pictures // 4, 2), make_pictures(1, 3)
        dataset = Dataset(tuple(map(str, range(CLASSES))), *sides, "random", SIZE, "stretch")
        kept, seconds = Kept(), []
        for number in range(options.trials):
            config = TrialConfig.model_validate(
                {
                    "study": "heads",
                    "number": number,
                    "seed": number,
                    "data": {"path": "random"},
                    "model": {"backbone": {"name": "MobileNet", "alpha": 0.25}, "weights": str(weights), "head": {"dropout": number / 40}},
                    "train": {"epochs": options.epochs, "learning_rate": 10 ** (-4 + number / 10)},
                }
            )
            folder = Path(temporary) / f"{number:04d}"
            folder.mkdir()
            done = (kept.traces, kept.passed)
            started = time.perf_counter()
            train(config, dataset, folder, kept=kept)
            seconds.append(time.perf_counter() - started)
    row = {
        "benchmark": "head_trial",
        **vars(options),
        "first_seconds": round(seconds[0], 2),
        "later_seconds": round(median(seconds[1:]), 3),
        "slowest_later_seconds": round(max(seconds[1:]), 3),
        "traces_of_last": kept.traces - done[0],
        "pictures_passed_by_last": kept.passed - done[1],
        "machine": describe_machine(),
    }
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
