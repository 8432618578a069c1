"""The least that a frozen search can cost: one bare process against the whole of `automl search`, in turn, each timed from its start.

    python benchmarks/floor.py --data FOLDER [--runs 3]

FOLDER has train/ and test/, each with one folder a class; a fifth of train/ is cut off as in `peers.py`. The bare process, `bare.py`,
imports TensorFlow, decodes the pictures, builds both backbones, traces and runs one pass of features for each, trains 12 heads of 8
epochs on them in one compiled function, saves the best as a whole network, loads it, compares, and reads the test pictures: no driver,
no database, no files of trials. It shares no code with automl. Prints one line of JSON: the medians of both in seconds, and their ratio.
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

BARE = Path(__file__).with_name("bare.py")


def run_bare(data: Path, work: Path) -> float:
    """Seconds of the bare process."""
    started = time.perf_counter()
    words = [sys.executable, BARE, data, TRIALS, EPOCHS, work / "model.keras"]
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
