"""What the results of a search depend on besides its config: versions and the machine, for the manifest."""

import importlib.metadata
import platform
import sys
from typing import Any

import psutil

PACKAGES = ("automl", "keras", "tensorflow", "numpy", "optuna", "scikit-learn", "pillow")


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Operating system, processor and memory."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "executable": sys.implementation.name,
    }
