"""Sets that come with scikit-learn and Keras, by name.

Keras is imported in a process of its own, `python -m automl.data.builtins`, so that this one stays small; what it fetched is
kept in the cache as an .npz. A built-in's own test split stays the test split.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from automl.data.cache import cache_dir
from automl.data.sources.arrays import Array, arrays, from_arrays
from automl.data.sources.base import Source
from automl.errors import DataError

_TIMEOUT_SECONDS = 3600


def builtin(name: str) -> Source:
    """List a built-in set, fetching it first if need be.

    Raises:
        DataError: It is neither on this machine nor to be downloaded.
    """
    source = from_arrays(_digits(), name) if name == "digits" else arrays(_fetched(name))
    return replace(source, kind="builtin", location=name)


def _digits() -> dict[str, Array]:
    # Half a second and 100 MB that other data need not pay.
    from sklearn.datasets import load_digits

    loaded: Any = load_digits()
    pictures: Array = np.rint(loaded.images * (255 / 16)).astype(np.uint8)
    return {"x": pictures, "y": np.asarray(loaded.target), "classes": np.asarray([str(digit) for digit in range(10)])}


def _fetched(name: str) -> Path:
    target = cache_dir() / "builtins" / f"{name}.npz"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if not target.is_file():
                _fetch(name, target)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror or error}; AUTOML_CACHE_DIR names another folder") from error
    return target


def _fetch(name: str, target: Path) -> None:
    # The package need not be installed: the child finds it where this process did.
    package_root = str(Path(__file__).resolve().parents[3])
    search_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": search_path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-P", "-m", "automl.data.builtins", name, str(target)]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(_offline(name, f"no end after {_TIMEOUT_SECONDS} s")) from error
    if done.returncode != 0 or not target.is_file():
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise DataError(_offline(name, lines[-1] if lines else f"exit code {done.returncode}"))


def _offline(name: str, reason: str) -> str:
    home = os.environ.get("KERAS_HOME") or str(Path.home() / ".keras")
    return (
        f"the built-in set {name} is not on this machine and could not be fetched ({reason}). Ways out: run once with a network; "
        f"copy Keras's files of it from another machine's ~/.keras/datasets into {Path(home) / 'datasets'} (KERAS_HOME); "
        "or use 'digits', which needs no download"
    )
