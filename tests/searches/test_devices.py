import os
import stat

import pytest

from automl.errors import SpaceError
from automl.searches import devices
from automl.searches.devices import Gpu, place_workers, visible_gpus

ROWS = [["0", "GPU-aaa", "A100", "40960"], ["1", "GPU-bbb", "A100", "40960"], ["2", "GPU-ccc", "T4", "16384"]]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, "012"), ("", ""), ("-1", ""), ("2,0", "20"), ("1,9,0", "1"), ("GPU-bbb", "1"), ("GPU-c", "2")],
)
def test_cuda_visible_devices_is_respected(visible, expected):
    assert "".join(gpu.index for gpu in visible_gpus(ROWS, visible)) == expected


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(devices, "find_gpus", lambda: (Gpu("0", "A100", 1 << 35), Gpu("1", "A100", 1 << 35)))
    monkeypatch.setattr(devices, "_cores", lambda: 16)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(devices, "find_gpus", lambda: ())
    monkeypatch.setattr(devices, "_cores", lambda: 8)


def test_a_worker_for_each_gpu(two_gpus):
    placement = place_workers("auto", "auto", "auto")
    assert (placement.workers, placement.threads) == (2, 8)
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in placement.environments()] == ["0", "1"]
    assert all(environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true" for environment in placement.environments())
    assert placement.describe() == "2 workers on GPU 0, 1"


def test_workers_share_gpus_in_turn(two_gpus):
    placement = place_workers("auto", 3, "auto")
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in placement.environments()] == ["0", "1", "0"]


def test_chosen_gpus(two_gpus):
    assert [gpu.index for gpu in place_workers([1], "auto", "auto").gpus] == ["1"]
    with pytest.raises(SpaceError, match=r"expected GPUs of this machine \(0, 1\), but got 7"):
        place_workers([7], "auto", "auto")


def test_cpu_hides_the_gpus(two_gpus):
    placement = place_workers("cpu", 4, "auto")
    assert {environment["CUDA_VISIBLE_DEVICES"] for environment in placement.environments()} == {"-1"}
    assert placement.threads == 4


@pytest.mark.parametrize(
    ("workers", "threads", "expected"), [("auto", "auto", (2, 4)), (1, "auto", (1, 8)), (3, "auto", (3, 2)), (2, 1, (2, 1))]
)
def test_workers_divide_the_cores(no_gpu, workers, threads, expected):
    placement = place_workers("auto", workers, threads)
    assert (placement.workers, placement.threads) == expected


def test_no_more_workers_than_trials(no_gpu):
    assert place_workers("auto", 4, "auto", trials=3) == place_workers("auto", 3, 2)


def test_no_gpu_named(no_gpu):
    with pytest.raises(SpaceError, match="it has none"):
        place_workers([0], "auto", "auto")


def test_gpus_are_read_from_nvidia_smi(tmp_path, monkeypatch):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho '0, GPU-aaa, NVIDIA A100, 40960'\necho '1, GPU-bbb, NVIDIA A100, 40960'\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.find_gpus() == (Gpu("0", "NVIDIA A100", 40960 << 20), Gpu("1", "NVIDIA A100", 40960 << 20))
    command.write_text("#!/bin/sh\nexit 9\n")
    assert devices.find_gpus() == ()
