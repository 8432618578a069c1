"""Which devices this machine has and how workers share them; counted without importing TensorFlow."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from automl.errors import SpaceError

CORES_PER_WORKER = 4
MEMORY_PER_WORKER = 2 << 30


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver of the device names it.

    Attributes:
        index: What CUDA_VISIBLE_DEVICES takes for it.
        memory_bytes: All its memory.
    """

    index: str
    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Placement:
    """Where the workers of a search run.

    Attributes:
        gpus: The GPU of each worker, or an empty tuple when they run on the processor.
        workers: How many there are.
        threads: Threads of each worker.
    """

    gpus: tuple[Gpu, ...]
    workers: int
    threads: int

    def environments(self) -> list[dict[str, str]]:
        """The environment variables that each worker gets before it imports anything."""
        common = {
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "OMP_NUM_THREADS": str(self.threads),
            "AUTOML_THREADS": str(self.threads),
        }
        visible = [gpu.index for gpu in self.gpus] or ["-1"] * self.workers
        return [common | {"CUDA_VISIBLE_DEVICES": device} for device in visible]

    def describe(self) -> str:
        """One line for the person."""
        plural = "" if self.workers == 1 else "s"
        if self.gpus:
            return f"{self.workers} worker{plural} on GPU {', '.join(gpu.index for gpu in self.gpus)}"
        return f"{self.workers} worker{plural} of {self.threads} thread{'' if self.threads == 1 else 's'} on the processor"


def find_gpus() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs of this machine, within an existing CUDA_VISIBLE_DEVICES."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    query = [command, "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return ()
    rows = [[cell.strip() for cell in line.split(",")] for line in listing.splitlines() if line.count(",") == 3]
    return visible_gpus(rows, os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible_gpus(rows: Sequence[Sequence[str]], visible: str | None) -> tuple[Gpu, ...]:
    """The GPUs of nvidia-smi's rows (index, uuid, name, MiB) that CUDA_VISIBLE_DEVICES leaves, in its order.

    As CUDA does, the list ends at the first entry that names no GPU.
    """
    gpus = {index: Gpu(index, name, int(float(memory)) << 20) for index, _, name, memory in rows}
    if visible is None:
        return tuple(gpus.values())
    by_uuid = {uuid: gpus[index] for index, uuid, _, _ in rows}
    found: list[Gpu] = []
    for entry in filter(None, (part.strip() for part in visible.split(","))):
        match = gpus.get(entry) or next((gpu for uuid, gpu in by_uuid.items() if uuid.startswith(entry)), None)
        if match is None:
            break
        found.append(match)
    return tuple(found)


def place_workers(
    devices: Literal["auto", "cpu"] | Sequence[int],
    workers: Literal["auto"] | int,
    threads: Literal["auto"] | int,
    trials: int | None = None,
) -> Placement:
    """Decide how many workers run, where, and with how many threads.

    Args:
        devices: `search.devices`: "auto" takes the GPUs if there are any.
        workers: `search.workers`: by default one for each GPU, or one for every four cores.
        threads: `search.threads_per_worker`: by default the cores divided among the workers.
        trials: `search.trials`: more workers than that would only wait. The threads do not depend on it, so figures do not either.

    Raises:
        SpaceError: A GPU is named that is not there.
    """
    gpus = find_gpus() if devices != "cpu" else ()
    if not isinstance(devices, str):
        known = {gpu.index: gpu for gpu in gpus}
        missing = [str(index) for index in devices if str(index) not in known]
        if missing:
            raise SpaceError(
                f"search.devices: expected GPUs of this machine ({', '.join(known) or 'it has none'}), but got {', '.join(missing)}; "
                f"use auto or cpu"
            )
        gpus = tuple(known[str(index)] for index in devices)
    cores = _cores()
    if workers != "auto":
        wanted = workers
    elif gpus:
        wanted = len(gpus)
    else:
        by_memory = psutil.virtual_memory().total // MEMORY_PER_WORKER
        wanted = max(1, min(cores // CORES_PER_WORKER, int(by_memory)))
    each = max(1, cores // wanted) if threads == "auto" else threads
    count = wanted if trials is None else min(wanted, trials)
    shared = tuple(gpus[worker % len(gpus)] for worker in range(count)) if gpus else ()
    return Placement(shared, count, each)


def _cores() -> int:
    """Cores that this process may use, which a container may have limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
