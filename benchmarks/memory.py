"""Memory of the driver and of its worker over 200 real trials: the slope of each over the last half, and a plot.

    python benchmarks/memory.py [--trials 200] [--plot docs/images/memory.svg]

A search on the built-in digits with a MobileNet 0.25 of random weights at 32 px, of which frozen and fine-tuned trials with two
optimizers alternate as the sampler likes. Prints one line of JSON; slopes are in MB a trial, by least squares.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
from machine import describe_machine

SIZE, WIDTH, HEIGHT, MARGIN = 32, 720, 320, 50
COLOURS = {"driver": "#4c72b0", "worker": "#dd8452"}


def make_weights(path: Path) -> None:
    """Random weights that count as pretrained; in a process of its own, since this one is measured and must not import Keras."""
    script = f"import keras; keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=({SIZE}, {SIZE}, 3))"
    subprocess.run([sys.executable, "-c", f"{script}.save_weights({str(path)!r})"], check=True, capture_output=True)


def measure(trials: int, work: Path) -> dict[str, list[float]]:
    """Resident MB of driver and worker after each trial."""
    import automl
    from automl.searches import events

    os.environ["AUTOML_CACHE_DIR"] = str(work / "cache")
    make_weights(work / "random.weights.h5")
    found: dict[str, list[float]] = {"driver": [], "worker": []}

    def listen(event: events.SearchEvent) -> None:
        if isinstance(event, events.Told):
            process = psutil.Process()
            found["driver"].append(process.memory_info().rss / 1e6)
            found["worker"].append(sum(child.memory_info().rss for child in process.children()) / 1e6)

    space = {
        "study": "memory",
        "data": {"path": "digits", "image_size": SIZE},
        "model": {
            "backbone": {"name": "MobileNet", "alpha": 0.25},
            "weights": str(work / "random.weights.h5"),
            "unfreeze": {"int": [0, 2]},
            "head": {"dropout": {"float": [0.0, 0.5]}},
        },
        "train": {"epochs": 2, "optimizer": {"choice": ["adam", "sgd"]}, "learning_rate": {"float": [1e-4, 1e-2], "log": True}},
        "search": {"trials": trials, "sampler": "random", "pruner": "none", "workers": 1},
    }
    automl.search(space, studies_dir=work / "studies", listener=listen)
    return found


def slope(values: list[float]) -> float:
    """MB a trial over the last half."""
    half = values[len(values) // 2 :]
    return float(np.polyfit(np.arange(len(half)), half, 1)[0])


def draw(found: dict[str, list[float]]) -> str:
    """The curves as an SVG picture."""
    top = 1.1 * max(max(values) for values in found.values())
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for level in range(0, int(top) + 1, 250):
        y = HEIGHT - MARGIN - level / top * (HEIGHT - 2 * MARGIN)
        parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{level}</text>')
    for index, (name, values) in enumerate(found.items()):
        points = (
            f"{MARGIN + i / (len(values) - 1) * (WIDTH - 2 * MARGIN):.1f},{HEIGHT - MARGIN - value / top * (HEIGHT - 2 * MARGIN):.1f}"
            for i, value in enumerate(values)
        )
        parts.append(f'<polyline fill="none" stroke="{COLOURS[name]}" stroke-width="2" points="{" ".join(points)}"/>')
        parts.append(f'<text x="{MARGIN + 10 + 90 * index}" y="20" fill="{COLOURS[name]}">{name}</text>')
    count = len(found["driver"])
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 15}" text-anchor="middle">trials, 0 to {count}; resident memory in MB</text></svg>')
    return "\n".join(parts) + "\n"


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--plot", type=Path, help="file for the picture")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="automl-memory-") as temporary:
        found = measure(options.trials, Path(temporary))
    if options.plot:
        options.plot.write_text(draw(found), encoding="utf-8")
    row = {
        "benchmark": "memory",
        "trials": options.trials,
        "mb_a_trial": {name: round(slope(values), 3) for name, values in found.items()},
        "mb_at_last": {name: round(values[-1]) for name, values in found.items()},
        "machine": describe_machine(),
    }
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
