"""Whether this machine is ready for a search: versions, TensorFlow, devices, weights, disks.

TensorFlow is tried in a process of its own, so that whoever asks stays light.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from automl.data import cache_dir
from automl.data.disk import free_bytes
from automl.data.sources.base import some
from automl.models.facts import load_facts
from automl.models.weights import keras_models_folder
from automl.searches.devices import find_gpus, place_workers

TENSORFLOW_TIMEOUT_SECONDS = 180
LITTLE_MEMORY = 4 << 30
LITTLE_DISK = 2 << 30
_TRY_TENSORFLOW = """
import json, tensorflow as tf, keras
print(json.dumps({"tensorflow": tf.__version__, "keras": keras.__version__, "gpus": len(tf.config.list_physical_devices("GPU"))}))
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        status: "ok"; "warning" for what a search may live without; "problem" for what it cannot.
        found: What was found.
        advice: What to do, empty when nothing.
    """

    name: str
    status: Literal["ok", "warning", "problem"]
    found: str
    advice: str = ""


def examine(studies_dir: Path = Path("studies")) -> list[Check]:
    """Look at everything that a search needs; takes some seconds, because TensorFlow is started once.

    Args:
        studies_dir: Folder of the studies, made or not.
    """
    python, packages = requirements()
    checks = [
        _python(python),
        *_packages(packages),
        *_tensorflow(try_tensorflow()),
        _machine(),
        _weights(),
        _cache(),
        _studies(studies_dir),
    ]
    return [*checks, *_extras(packages)]


# --- versions --------------------------------------------------------------------------------------------------------


def requirements() -> tuple[str, list[Requirement]]:
    """What automl asks for: the Python versions, and its packages with those of its extras under their markers."""
    try:
        metadata = importlib.metadata.metadata("automl")
        listed = importlib.metadata.requires("automl") or []
        return metadata["Requires-Python"] or "", [Requirement(line) for line in listed]
    except importlib.metadata.PackageNotFoundError:
        return _from_sources(Path(__file__).resolve().parent.parent / "pyproject.toml")


def _from_sources(pyproject: Path) -> tuple[str, list[Requirement]]:
    """The same from a checkout that is not installed."""
    try:
        project: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "", []
    found = [Requirement(line) for line in project.get("dependencies", [])]
    for extra, lines in project.get("optional-dependencies", {}).items():
        found += [Requirement(f'{line}; extra == "{extra}"') for line in lines]
    return project.get("requires-python", ""), found


def _python(wanted: str) -> Check:
    version = platform.python_version()
    if wanted and not SpecifierSet(wanted).contains(version, prereleases=True):
        return Check("python", "problem", version, f"expected {wanted}; install automl with such a Python")
    return Check("python", "ok", f"{version} ({sys.executable})")


def _packages(listed: list[Requirement]) -> list[Check]:
    base = [requirement for requirement in listed if _extra_of(requirement) is None and _applies(requirement, "")]
    wrong = [check for requirement in base if (check := _compare(requirement)) is not None]
    if wrong or not base:
        return wrong
    return [Check("packages", "ok", f"all {len(base)} required packages have a fitting version")]


def _compare(requirement: Requirement) -> Check | None:
    version = _installed(requirement.name)
    if version is None:
        return Check(requirement.name, "problem", "not installed", f"run `pip install '{requirement.name}{requirement.specifier}'`")
    if not requirement.specifier.contains(version, prereleases=True):
        advice = f"expected {requirement.specifier}; run `pip install '{requirement.name}{requirement.specifier}'`"
        return Check(requirement.name, "problem", version, advice)
    return None


def _installed(name: str) -> str | None:
    # TensorFlow for the processor alone is a package of another name with the same content.
    for candidate in (name, f"{name}-cpu") if name == "tensorflow" else (name,):
        try:
            return importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _extra_of(requirement: Requirement) -> str | None:
    """The extra to which a requirement belongs, read from its marker."""
    text = str(requirement.marker or "")
    return text.partition('extra == "')[2].partition('"')[0] or None


def _extras(listed: list[Requirement]) -> Iterator[Check]:
    extras: dict[str, list[Requirement]] = {}
    for requirement in listed:
        extra = _extra_of(requirement)
        if extra not in (None, "dev"):
            extras.setdefault(str(extra), []).append(requirement)
    for extra, needed in extras.items():
        every = [inner for outer in needed if _applies(outer, extra) for inner in (outer, *_inner(outer))]
        wrong = [r.name for r in every if (version := _installed(r.name)) is None or not r.specifier.contains(version, prereleases=True)]
        name = f"extra {extra}"
        if wrong:
            yield Check(name, "ok", f"not installed: {some(wrong)}", f"if wanted: `pip install 'automl[{extra}]'`")
        else:
            yield Check(name, "ok", "installed")


def _inner(requirement: Requirement) -> list[Requirement]:
    """What the extras that a requirement names need, as tensorflow[and-cuda] does."""
    try:
        listed = importlib.metadata.requires(requirement.name) if requirement.extras else []
    except importlib.metadata.PackageNotFoundError:
        # Without the package itself, its extra cannot be there either; the name says enough.
        return [Requirement(f"{requirement.name}[{','.join(requirement.extras)}]")] if _installed(requirement.name) else []
    inner = [Requirement(line) for line in listed or []]
    return [r for r in inner if r.marker is not None and any(r.marker.evaluate({"extra": extra}) for extra in requirement.extras)]


# --- TensorFlow and devices ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TensorFlowTrial:
    """What importing TensorFlow in a fresh process gave: the versions and number of GPUs, or the last line of what it printed."""

    tensorflow: str = ""
    keras: str = ""
    gpus: int = 0
    problem: str | None = None


def try_tensorflow(command: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run) -> TensorFlowTrial:
    """Import TensorFlow in a process of its own.

    Args:
        command: Runs a process, as `subprocess.run` does.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = command(
            [sys.executable, "-P", "-c", _TRY_TENSORFLOW], env=environment, capture_output=True, text=True,
            timeout=TENSORFLOW_TIMEOUT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode == 0:
            return TensorFlowTrial(**json.loads(done.stdout.strip().splitlines()[-1]))
    except subprocess.TimeoutExpired:
        return TensorFlowTrial(problem=f"no end after {TENSORFLOW_TIMEOUT_SECONDS} s")
    except (IndexError, TypeError, json.JSONDecodeError):
        return TensorFlowTrial(problem="it printed something unexpected")
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    # A negative code is the number of the signal that ended it, for example 4 for an instruction that this processor lacks.
    return TensorFlowTrial(problem=lines[-1] if lines and done.returncode > 0 else f"it ended with code {done.returncode}")


def _tensorflow(trial: TensorFlowTrial) -> Iterator[Check]:
    if trial.problem is not None:
        advice = "install it again with `pip install --force-reinstall tensorflow`; on an old processor or system choose an older version"
        yield Check("tensorflow", "problem", f"cannot be imported: {trial.problem}", advice)
    else:
        yield Check("tensorflow", "ok", f"{trial.tensorflow}, Keras {trial.keras}, can be imported")
    gpus = find_gpus()
    names = ", ".join(f"{gpu.name} ({gpu.memory_bytes / 1e9:.0f} GB)" for gpu in gpus)
    if not gpus:
        hidden = " (CUDA_VISIBLE_DEVICES hides them all)" if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") else ""
        yield Check("gpus", "ok", f"none{hidden}; trials run on the processor")
    elif trial.gpus < len(gpus) and trial.problem is None:
        advice = "run `pip install 'automl[gpu]'`, and check that the driver is new enough for its CUDA version"
        yield Check("gpus", "warning", f"{names}, but TensorFlow sees {trial.gpus}", advice)
    else:
        yield Check("gpus", "ok", names)


def _machine() -> Check:
    memory = psutil.virtual_memory()
    found = f"{psutil.cpu_count()} cores, {memory.total / 1e9:.0f} GB of memory, {memory.available / 1e9:.0f} GB free; {_placement()}"
    if memory.available < LITTLE_MEMORY:
        return Check("machine", "warning", found, "close other programs, or use search.workers: 1 and a small train.batch_size")
    return Check("machine", "ok", found)


def _placement() -> str:
    return f"a search would use {place_workers('auto', 'auto', 'auto').describe()}"


# --- files -----------------------------------------------------------------------------------------------------------


def _weights() -> Check:
    folder = keras_models_folder()
    published = {file["file"]: name for name, facts in load_facts().items() for file in facts["weights"]}
    present = sorted(path.name for path in folder.iterdir() if path.name in published) if folder.is_dir() else []
    source = "KERAS_HOME" if os.environ.get("KERAS_HOME") else "KERAS_HOME is not set"
    if not present:
        return Check(
            "weights",
            "ok",
            f"none in {folder} ({source})",
            "they are downloaded when a search first needs them; without a network put them there",
        )
    networks = sorted({published[name] for name in present})
    return Check("weights", "ok", f"{len(present)} files in {folder} ({source}), for {', '.join(networks)}")


def _cache() -> Check:
    folder, free = cache_dir(), free_bytes(cache_dir())
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    found = f"{folder}: {used / 1e9:.2f} GB used, {free / 1e9:.1f} GB free"
    if not _is_writable(folder):
        return Check("cache", "problem", f"{folder} cannot be written", "set AUTOML_CACHE_DIR to a folder of your own")
    if free < LITTLE_DISK:
        return Check(
            "cache", "warning", found, "delete the folder's content, which can be made again, or set AUTOML_CACHE_DIR to another disk"
        )
    return Check("cache", "ok", found)


def _studies(folder: Path) -> Check:
    # The storage knows where SQLite's write-ahead log is safe; it imports Optuna, which nothing else here needs.
    from automl.searches.storage import file_system, is_on_network

    place, free = folder.absolute(), free_bytes(folder.absolute())
    found = f"{place} on {file_system(place)}, {free / 1e9:.1f} GB free"
    if not _is_writable(place):
        return Check("studies", "problem", f"{place} cannot be written", "run in another folder, or give --studies-dir")
    if is_on_network(place):
        why = "SQLite's write-ahead log is not safe on a network file system, so journal mode DELETE is used"
        return Check(
            "studies", "warning", f"{found}; {why}", "a local disk makes reporting faster and lets the dashboard read without waiting"
        )
    if free < LITTLE_DISK:
        return Check("studies", "warning", found, "make room, or give --studies-dir")
    return Check("studies", "ok", found)


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written, or could be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
