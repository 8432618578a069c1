import functools
import http.server
import threading

import h5py
import pytest

from automl.errors import WeightsError
from automl.models import weights
from automl.models.facts import WeightsFile
from automl.models.weights import check_opens, ensure_imagenet_file, fetch_weights, find_weights_file
from automl.records import Backbone, PrepareJob

MOBILENET = Backbone(name="MobileNet", alpha=0.25)
NAME = "mobilenet_2_5_224_tf_no_top.h5"


@pytest.fixture
def home(keras_home):
    (keras_home / "models").mkdir(parents=True)
    return keras_home


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Serves tmp_path/served; the URL of each ImageNet file leads there."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    find = weights.find_imagenet_file

    def local(backbone, image_size):
        file = find(backbone, image_size)
        return file and WeightsFile(file.name, f"http://127.0.0.1:{server.server_port}/{file.name}")

    monkeypatch.setattr(weights, "find_imagenet_file", local)
    yield folder
    server.shutdown()
    server.server_close()


def write_weights(path):
    with h5py.File(path, "w") as file:
        file["kernel"] = [1.0, 2.0]


def job(*backbones, weights="imagenet", image_sizes=(224,)):
    return PrepareJob(backbones=backbones, weights=weights, image_sizes=image_sizes)


def test_a_file_that_is_there_is_used(home):
    write_weights(home / "models" / NAME)
    assert ensure_imagenet_file(MOBILENET, 224) == home / "models" / NAME


def test_a_missing_file_is_downloaded(home, serve):
    write_weights(serve / NAME)
    path = ensure_imagenet_file(MOBILENET, 224)
    assert path.read_bytes() == (serve / NAME).read_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == [NAME]


def test_a_file_that_is_not_to_be_had_names_the_ways_out(home, serve):
    with pytest.raises(WeightsError, match="KERAS_HOME") as caught:
        ensure_imagenet_file(MOBILENET, 224)
    message = str(caught.value)
    for part in (
        "MobileNet (alpha 0.25) at 224 px",
        str(home / "models" / NAME),
        "http://127.0.0.1",
        "404",
        "path of a weights file",
        "none",
    ):
        assert part in message
    assert list((home / "models").iterdir()) == []


def test_a_download_that_is_not_weights_is_refused(home, serve):
    (serve / NAME).write_text("<html>please log in</html>")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        ensure_imagenet_file(MOBILENET, 224)


def test_a_torn_file_is_named(home):
    path = home / "models" / NAME
    write_weights(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=f"{NAME} cannot be read as weights .*delete it and fetch it again"):
        ensure_imagenet_file(MOBILENET, 224)


def test_a_home_that_cannot_be_written_still_serves(home, tmp_path, monkeypatch):
    write_weights(home / "models" / NAME)
    monkeypatch.setattr(weights, "FALLBACK_HOME", tmp_path / "fallback")
    monkeypatch.setattr(weights.os, "access", lambda path, mode: path != home)
    found = ensure_imagenet_file(MOBILENET, 224)
    assert found == tmp_path / "fallback" / "models" / NAME
    check_opens(found)


def test_arguments_without_imagenet_weights_are_told_apart(home):
    with pytest.raises(WeightsError, match=r"no ImageNet weights for MobileNet \(alpha 0.3\); they exist for alpha 0.25, 0.5, 0.75 or 1.0"):
        ensure_imagenet_file(Backbone(name="MobileNet", alpha=0.3), 224)


def test_fetching_reports_every_missing_file_once(home, serve):
    write_weights(serve / NAME)
    mobilenet = {"name": "MobileNet", "alpha": 0.25}
    with pytest.raises(WeightsError) as caught:
        fetch_weights(job({"name": "cnn"}, mobilenet, mobilenet, {"name": "MobileNetV2", "alpha": 0.35}, image_sizes=(160, 224)))
    assert len(caught.value.problems) == 3
    assert sum("MobileNetV2" in problem for problem in caught.value.problems) == 2
    assert str(caught.value).count("Ways out") == 1
    assert (home / "models" / NAME).exists()


def test_nothing_is_fetched_for_training_from_scratch(home, serve):
    fetch_weights(job({"name": "MobileNet"}, weights="none"))
    fetch_weights(job({"name": "cnn"}))
    assert list((home / "models").iterdir()) == []


def test_a_file_of_ones_own_must_exist(tmp_path):
    with pytest.raises(WeightsError, match=r"there is no file .*mine\.weights\.h5"):
        find_weights_file(str(tmp_path / "mine.weights.h5"))
    (tmp_path / "mine.txt").touch()
    with pytest.raises(WeightsError, match=r"ends in \.weights\.h5 or \.h5"):
        find_weights_file(str(tmp_path / "mine.txt"))
    with pytest.raises(WeightsError, match="there is no file"):
        fetch_weights(job({"name": "MobileNet"}, weights=str(tmp_path / "mine.weights.h5")))


def test_an_empty_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(WeightsError, match="it is empty"):
        check_opens(tmp_path / "empty.h5")
