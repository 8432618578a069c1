"""What the figures of every benchmark were measured on."""

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("automl", "tensorflow", "keras", "optuna", "numpy")


def describe_machine(*more: str) -> dict[str, Any]:
    """Processor, cores, memory in GB, and the versions of Python and some packages, as far as they are installed."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = {}
    for name in (*PACKAGES, *more):
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    size = {"cores": os.cpu_count(), "memory_gb": round(memory / 2**30)}
    return {"processor": _processor(), **size, "python": platform.python_version(), **versions}


def _processor() -> str:
    """As Linux names it, where this is Linux."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    names = [value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == "model name"]
    return names[0] if names else platform.processor()
