"""The same search with automl, KerasTuner and plain Optuna, on the same split: test accuracy and seconds of each.

    python benchmarks/peers.py --data DATA --peers PEERS [--sets hymenoptera cats_dogs] [--seeds 0 1 2]
    python benchmarks/peers.py --table

DATA holds one folder a set, each with `train/CLASS` and `test/CLASS`; a fifth of `train` is cut off once and chooses the winner for all
tools. PEERS holds `peer_kerastuner.py` and `peer_optuna.py`, which print one line of JSON. Every run is a process of its own, one
after the other, and adds one line to `peers.jsonl`; a run that is there already is not repeated. With `--alone` you say that the
machine does nothing else: only seconds of such runs enter the table.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "peers.jsonl"
SPACE = HERE.parent / "search_spaces" / "transfer-small.yaml"
VALIDATION = 0.2
TOOLS = {
    "KerasTuner, frozen": ("peer_kerastuner.py", "frozen"),
    "KerasTuner, mixed": ("peer_kerastuner.py", "mixed"),
    "Optuna script, frozen": ("peer_optuna.py", "frozen"),
    "Optuna script, mixed": ("peer_optuna.py", "mixed"),
    "automl": (None, "mixed"),
}
TRIALS, EPOCHS = 12, 8


def split_once(source: Path, target: Path) -> None:
    """Link the pictures of `source` into `target` as train, val and test; the same pictures go the same way each time."""
    for folder in sorted((source / "train").iterdir()):
        files = sorted(folder.iterdir(), key=lambda file: hashlib.sha256(f"0/{folder.name}/{file.name}".encode()).hexdigest())
        count = round(VALIDATION * len(files))
        _link(files[:count], target / "val" / folder.name)
        _link(files[count:], target / "train" / folder.name)
    for folder in sorted((source / "test").iterdir()):
        _link(sorted(folder.iterdir()), target / "test" / folder.name)


def _link(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())


def run_peer(script: Path, task: str, data: Path, seed: int, work: Path) -> dict[str, Any]:
    """What a peer's script says of itself: seconds and test accuracy."""
    command = [sys.executable, script.name, "--data", data, "--task", task, "--seed", seed, "--work", work / "peer"]
    command += ["--trials", TRIALS, "--epochs", EPOCHS]
    done = subprocess.run([str(word) for word in command], cwd=script.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{script.name} failed:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return {"seconds": said["seconds"], "validation": said["best_val"], "test": said["test_accuracy"]}


def run_automl(data: Path, seed: int, work: Path) -> dict[str, Any]:
    """One `automl search`, from the command to the exported winner."""
    program = Path(sys.executable).with_name("automl")
    settings = ["--set", f"train.epochs={EPOCHS}", "--set", f"search.seed={seed}"]
    started = time.perf_counter()
    done = subprocess.run(
        [str(word) for word in (program, "search", "--space", SPACE, "--data", data, "--studies-dir", work, "--trials", TRIALS, *settings)],
        env={**os.environ, "AUTOML_CACHE_DIR": str(work / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"automl failed:\n{done.stderr[-2000:]}")
    said = json.loads((work / "transfer-small" / "best" / "metrics.json").read_text(encoding="utf-8"))
    return {
        "seconds": round(seconds, 1),
        "validation": round(said["value"], 4),
        "test": round(said["test"]["metrics"]["accuracy"], 4),
        "winner": said["params"],
    }


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on."""
    versions = {name: version(name) for name in ("automl", "tensorflow", "keras", "optuna", "keras-tuner")}
    return {"cores": os.cpu_count(), "memory_gb": round(_memory_bytes() / 2**30), "python": platform.python_version(), **versions}


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def read_results() -> list[dict[str, Any]]:
    """One row a run, those of the same run replaced by the last."""
    rows = {}
    if RESULTS.exists():
        for line in RESULTS.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[row["tool"], row["set"], row["seed"]] = row
    return list(rows.values())


def missing_runs(options: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """The runs that are not in the results, tools alternating."""
    done = {(row["tool"], row["set"], row["seed"]) for row in read_results() if row["alone"] or not options.alone}
    for seed in options.seeds:
        for name in options.sets:
            for tool in options.tools:
                if (tool, name, seed) not in done:
                    yield tool, name, seed


def run_all(options: argparse.Namespace) -> None:
    """Run what is missing."""
    with tempfile.TemporaryDirectory(prefix="automl-peers-") as temporary:
        for name in options.sets:
            split_once(options.data / name, Path(temporary) / "data" / name)
        for tool, name, seed in missing_runs(options):
            work = Path(temporary) / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            script, task = TOOLS[tool]
            data = Path(temporary) / "data" / name
            found = run_peer(options.peers.resolve() / script, task, data, seed, work) if script else run_automl(data, seed, work)
            row = {"tool": tool, "set": name, "seed": seed, "alone": options.alone, **found, "machine": describe_machine()}
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            sys.stdout.write(json.dumps({**row, "machine": None}) + "\n")
            sys.stdout.flush()


def render_table(rows: list[dict[str, Any]]) -> str:
    """The results as a Markdown table: mean test accuracy over the seeds for each set, over all, and the median of the seconds."""
    sets = sorted({row["set"] for row in rows})
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        cells[row["tool"], row["set"]].append(row)
    lines = [
        "| tool | " + " | ".join(f"{name}: test accuracy | s" for name in sets) + " | mean |",
        "|---|" + "--:|--:|" * len(sets) + "--:|",
    ]
    for tool in TOOLS:
        if not all(cells[tool, name] for name in sets):
            continue
        means = [mean(row["test"] for row in cells[tool, name]) for name in sets]
        columns = [f"{value:.3f} | {_seconds(cells[tool, name])}" for name, value in zip(sets, means, strict=True)]
        lines.append(f"| {tool} | " + " | ".join(columns) + f" | {mean(means):.3f} |")
    return "\n".join(lines) + "\n"


def _seconds(rows: list[dict[str, Any]]) -> str:
    alone = [row["seconds"] for row in rows if row["alone"]]
    return f"{median(alone):.0f}" if alone else "-"


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--peers", type=Path, help="folder of the peers' scripts")
    parser.add_argument("--sets", nargs="+", default=["hymenoptera", "cats_dogs"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--alone", action="store_true", help="nothing else runs on this machine, so the seconds count")
    parser.add_argument("--table", action="store_true", help="only print the table of what was measured")
    options = parser.parse_args()
    if not options.table:
        if options.data is None or options.peers is None:
            parser.error("expected --data and --peers, or --table")
        run_all(options)
    sys.stdout.write(render_table(read_results()))


if __name__ == "__main__":
    main()
