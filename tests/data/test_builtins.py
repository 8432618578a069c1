"""Built-in sets: digits from scikit-learn, the others through a process that imports Keras."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from painting import prepared

from automl.data import BUILTINS, builtins, count_pictures, open_dataset
from automl.data.sources import open_source
from automl.errors import DataError


def test_digits(tmp_path: Path) -> None:
    found = prepared("digits", tmp_path)
    data = open_dataset(tmp_path, image_size=8, resize="stretch")

    assert found.classes == data.classes == tuple("0123456789")
    assert (found.kind, found.data) == ("builtin", "digits")
    assert len(data.train) + len(data.validation) + len(data.test) == 1797 == count_pictures("digits")
    assert data.train.images.max() == 255


def test_class_names_belong_to_the_sets() -> None:
    assert set(BUILTINS) == {"digits", *builtins.CLASSES}
    assert {name: len(classes) for name, classes in builtins.CLASSES.items()} == {
        "mnist": 10,
        "fashion_mnist": 10,
        "cifar10": 10,
        "cifar100": 100,
    }


def put_fashion(keras_home: Path, train: int, test: int) -> None:
    """Fashion-MNIST's four idx files with fewer pictures."""
    folder = keras_home / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pictures = random.integers(0, 256, (count, 28, 28), np.uint8)
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + labels.tobytes()))
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + pictures.tobytes()))


@pytest.mark.slow
def test_keras_set_from_keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))
    put_fashion(tmp_path / "keras", train=100, test=20)

    source = open_source("fashion_mnist")

    assert source.classes[:2] == ("T-shirt/top", "Trouser")
    assert [sum(entry.split == split for entry in source.entries) for split in ("train", "test")] == [100, 20]
    assert source.entries[9].label == "Ankle boot"

    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("fetched again although it is in the cache"))
    assert open_source("fashion_mnist").entries == source.entries


@pytest.mark.slow
def test_offline_failure_says_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with pytest.raises(DataError, match=r"mnist is not on this machine.*URL fetch failure.*KERAS_HOME.*'digits'"):
        open_source("mnist")


def test_usage_of_the_fetching_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert builtins.main(["imagenet"]) == 2
    assert "mnist,fashion_mnist,cifar10,cifar100" in capsys.readouterr().err


def test_class_folders_need_no_heavy_import(tmp_path: Path) -> None:
    program = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from painting import paint_classes, prepared
import automl.data
root = Path(sys.argv[1])
prepared(paint_classes(root / "photos", {"ants": 5, "bees": 5}), root / "study")
automl.data.open_dataset(root / "study", image_size=8, resize="stretch")
automl.data.inspect(str(root / "photos"))
print([name for name in ("keras", "tensorflow", "sklearn", "scipy", "pandas", "optuna") if name in sys.modules])
"""
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), here], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("[]\n", "")
