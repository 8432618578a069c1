"""The same search with automl, KerasTuner and plain Optuna, on the same split: test accuracy and seconds of each.

    python benchmarks/peers.py --data DATA --peers PEERS [--sets hymenoptera cats_dogs] [--seeds 0 1 2] [--tools ...]
    python benchmarks/peers.py --table

DATA holds one folder a set, each with `train/CLASS` and `test/CLASS`; a fifth of `train` is cut off once and chooses the winner for all
tools. PEERS holds `peer_kerastuner.py` and `peer_optuna.py`, which print one line of JSON. Every run is a process of its own, one
after the other, from the command to the exported winner and its figures on the test pictures; nothing is left in a cache between
runs. It adds one line to `peers.jsonl`; a run that is there already is not repeated. With `--alone` you say that the machine does
nothing else: only seconds of such runs enter the table. `--a-class 100` takes that many training pictures of each class. At the
end stands one line of JSON with the ratios.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from machine import describe_machine
from spaces import EPOCHS, SHIPPED, TRIALS, peers_space

RESULTS = Path(__file__).parent / "peers.jsonl"
VALIDATION = 0.2
VIEWS = 4
PEERS = {
    "KerasTuner, frozen": ("peer_kerastuner.py", "frozen"),
    "KerasTuner, mixed": ("peer_kerastuner.py", "mixed"),
    "Optuna script, frozen": ("peer_optuna.py", "frozen"),
    "Optuna script, mixed": ("peer_optuna.py", "mixed"),
}
SPACES: dict[str, dict[str, Any]] = {
    "automl, frozen": peers_space("frozen"),
    "automl, mixed": peers_space("mixed"),
    f"automl, mixed, {VIEWS} views": peers_space("mixed", views=VIEWS),
}
OURS = "automl, transfer-small.yaml"
TOOLS = [*PEERS, *SPACES, OURS]


def split_once(source: Path, target: Path, a_class: int | None) -> None:
    """Link the pictures of `source` into `target` as train, val and test; the same pictures go the same way each time."""
    for folder in sorted((source / "train").iterdir()):
        files = sorted(folder.iterdir(), key=lambda file: hashlib.sha256(f"0/{folder.name}/{file.name}".encode()).hexdigest())[:a_class]
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
    started = time.perf_counter()
    done = subprocess.run([str(word) for word in command], cwd=script.parent, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{script.name} failed:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return {"seconds": round(seconds, 1), "validation": said["best_val"], "test": said["test_accuracy"]}


def run_automl(space: Path, data: Path, seed: int, work: Path) -> dict[str, Any]:
    """One `automl search`, from the command to the exported winner."""
    program = Path(sys.executable).with_name("automl")
    words = [program, "search", "--space", space, "--data", data, "--studies-dir", work, "--trials", TRIALS, "--study", "searched"]
    words += ["--set", f"train.epochs={EPOCHS}", "--set", f"search.seed={seed}"]
    environment = {**os.environ, "AUTOML_CACHE_DIR": str(work / "cache")}
    started = time.perf_counter()
    done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"automl failed:\n{done.stderr[-2000:]}")
    said = json.loads((work / "searched" / "best" / "metrics.json").read_text(encoding="utf-8"))
    return {
        "seconds": round(seconds, 1),
        "validation": round(said["value"], 4),
        "test": round(said["test"]["metrics"]["accuracy"], 4),
        "winner": said["params"],
    }


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
                if (tool, _shown(name, options), seed) not in done:
                    yield tool, name, seed


def _shown(name: str, options: argparse.Namespace) -> str:
    return name if options.a_class is None else f"{name}, {options.a_class} a class"


def run_all(options: argparse.Namespace) -> None:
    """Run what is missing."""
    with tempfile.TemporaryDirectory(prefix="automl-peers-") as temporary:
        for name in options.sets:
            split_once(options.data / name, Path(temporary) / "data" / name, options.a_class)
        for tool, name, seed in missing_runs(options):
            work = Path(temporary) / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            data = Path(temporary) / "data" / name
            if tool in PEERS:
                script, task = PEERS[tool]
                found = run_peer(options.peers.resolve() / script, task, data, seed, work)
            else:
                space = work / "space.yaml"
                space.write_text(SHIPPED.read_text(encoding="utf-8") if tool == OURS else json.dumps(SPACES[tool]), encoding="utf-8")
                found = run_automl(space, data, seed, work)
            row = {"tool": tool, "set": _shown(name, options), "seed": seed, "alone": options.alone, **found}
            row["machine"] = describe_machine("keras-tuner")
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            sys.stderr.write(json.dumps({**row, "machine": None}) + "\n")


def render_table(rows: list[dict[str, Any]], sets: Sequence[str]) -> str:
    """The results as a Markdown table: for each set the mean test accuracy over the seeds, and the median of the seconds."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        cells[row["tool"], row["set"]].append(row)
    lines = [
        "| | " + " | ".join(f"{name}: test accuracy | seconds" for name in sets) + " |",
        "|---|" + "--:|--:|" * len(sets),
    ]
    for tool in TOOLS:
        if any(cells[tool, name] for name in sets):
            columns = [f"{_accuracy(cells[tool, name])} | {_seconds(cells[tool, name])}" for name in sets]
            lines.append(f"| {tool} | " + " | ".join(columns) + " |")
    return "\n".join(lines) + "\n"


def _accuracy(rows: list[dict[str, Any]]) -> str:
    return f"{mean(row['test'] for row in rows):.3f}" if rows else ""


def _seconds(rows: list[dict[str, Any]]) -> str:
    alone = [row["seconds"] for row in rows if row["alone"]]
    return f"{median(alone):.0f}" if alone else ""


def ratios(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """For each task and set how many times as long KerasTuner takes, and by how much its test accuracy is lower, over common seeds.

    Only runs that were alone count for the time, all for the accuracy. A set that was not timed for both is left out.
    """
    found = {}
    for task in ("frozen", "mixed"):
        for name in sorted({row["set"] for row in rows}):
            ours, peers = (
                {row["seed"]: row for row in rows if row["tool"] == f"{tool}, {task}" and row["set"] == name}
                for tool in ("automl", "KerasTuner")
            )
            seeds = ours.keys() & peers.keys()
            timed = [seed for seed in seeds if ours[seed]["alone"] and peers[seed]["alone"]]
            if timed:
                found[f"{task}, {name}"] = {
                    "timed_seeds": len(timed),
                    "times_faster": round(median(peers[s]["seconds"] for s in timed) / median(ours[s]["seconds"] for s in timed), 1),
                    "seeds": len(seeds),
                    "points_of_accuracy": round(100 * (mean(ours[s]["test"] for s in seeds) - mean(peers[s]["test"] for s in seeds)), 1),
                }
    return found


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--peers", type=Path, help="folder of the peers' scripts")
    parser.add_argument("--sets", nargs="+", default=["hymenoptera", "cats_dogs"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=TOOLS)
    parser.add_argument("--a-class", type=int, help="training pictures of each class")
    parser.add_argument("--alone", action="store_true", help="nothing else runs on this machine, so the seconds count")
    parser.add_argument("--table", action="store_true", help="only print the table of what was measured")
    options = parser.parse_args()
    if not options.table:
        if options.data is None or options.peers is None:
            parser.error("expected --data and --peers, or --table")
        run_all(options)
    rows = read_results()
    sys.stderr.write(render_table(rows, sorted({row["set"] for row in rows})))
    sys.stdout.write(json.dumps({"benchmark": "peers", **ratios(rows), "machine": describe_machine("keras-tuner")}) + "\n")


if __name__ == "__main__":
    main()
