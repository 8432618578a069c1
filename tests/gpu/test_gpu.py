"""What must hold on a machine with NVIDIA GPUs; `make gpu-check` runs it. Without a GPU there is nothing to check."""

import os
import subprocess
import sys
import time

import pytest

import automl
from automl.records import Ready
from automl.searches.devices import find_gpus, place_workers
from automl.searches.executors.base import Received
from automl.searches.executors.local import LocalExecutor

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

ASK_TENSORFLOW = """
import os, tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
tf.ones((256, 256)) @ tf.ones((256, 256))
print(len(gpus), os.environ["CUDA_VISIBLE_DEVICES"], tf.config.experimental.get_memory_growth(gpus[0]) if gpus else None)
"""


def used_mib(index: str) -> int:
    query = ["nvidia-smi", f"--id={index}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0])


def test_each_worker_sees_only_its_device_and_memory_grows():
    placement = place_workers("auto", "auto", "auto")
    assert placement.workers == len(find_gpus())
    for environment, gpu in zip(placement.environments(), placement.gpus, strict=True):
        before = used_mib(gpu.index)
        done = subprocess.run(
            [sys.executable, "-c", ASK_TENSORFLOW], env=os.environ | environment, capture_output=True, text=True, check=True, timeout=120
        )
        count, device, _ = done.stdout.split()
        assert (count, device) == ("1", gpu.index)
        assert used_mib(gpu.index) - before < gpu.memory_bytes >> 21, "a small product must not take half of the memory"


def test_a_killed_worker_frees_its_memory(tmp_path):
    placement = place_workers("auto", 1, "auto")
    before = used_mib(placement.gpus[0].index)
    executor = LocalExecutor(placement.environments(), tmp_path)
    executor.start()
    try:
        while not any(isinstance(event, Received) and isinstance(event.message, Ready) for event in executor.wait(60.0)):
            pass
    finally:
        executor.close()
    deadline = time.monotonic() + 20
    while used_mib(placement.gpus[0].index) > before + 50:
        assert time.monotonic() < deadline, "the worker's memory is still taken 20 s after its end"


def test_two_workers_search(tmp_path):
    space = {
        "study": "gpu",
        "data": {"path": "digits", "image_size": 16},
        "model": {"backbone": {"name": "cnn", "filters": {"choice": [8, 16]}}},
        "train": {"epochs": 2, "learning_rate": {"float": [1e-4, 1e-2], "log": True}},
        "search": {"trials": 4, "workers": 2},
    }
    study = automl.search(space, studies_dir=tmp_path)
    assert study.leaderboard()["state"].tolist() == ["complete"] * 4
    assert (study.folder / "best" / "model.keras").is_file()
