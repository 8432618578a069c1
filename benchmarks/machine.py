"""What the figures of every benchmark were measured on."""

import os
import platform
from importlib.metadata import version
from typing import Any

PACKAGES = ("automl", "tensorflow", "keras", "optuna", "numpy")


def describe_machine(*more: str) -> dict[str, Any]:
    """Cores, memory in GB, and the versions of Python and some packages."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = {name: version(name) for name in (*PACKAGES, *more)}
    return {"cores": os.cpu_count(), "memory_gb": round(memory / 2**30), "python": platform.python_version(), **versions}
