"""The gate before every artifact, with formats and a model that need no TensorFlow."""

import json

import numpy as np
import pytest

from automl.errors import DataError, ExportError
from automl.export import artifacts, base, predictor
from automl.export.artifacts import write_artifacts
from automl.export.predictor import Predictor, open_model

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


class Model:
    """Probabilities of two classes from the mean of a picture."""

    def predict_on_batch(self, images):
        share = images.mean(axis=(1, 2, 3)) / 255
        return np.stack([share, 1 - share], axis=1).astype(np.float32)


class Format:
    """Writes the number by which it is wrong."""

    name, filename, needs = "fake", "model.fake", ()

    def __init__(self, wrong=0.0, fails=False):
        self.wrong, self.fails = wrong, fails

    def write(self, model, path):
        if self.fails:
            raise ValueError("unsupported layer")
        path.write_text(json.dumps(self.wrong))

    def predict(self, path, images):
        return Model().predict_on_batch(images) + np.float32(json.loads(path.read_text()))


@pytest.fixture
def use(monkeypatch):
    return lambda form: monkeypatch.setattr(artifacts, "EXPORTERS", {"fake": form})


def write(out, formats=("fake",)):
    return write_artifacts(Model(), ["ants", "bees"], IMAGES, formats, out)


def test_what_agrees_gets_its_name(tmp_path, use):
    use(Format(wrong=1e-5))
    differences = write(tmp_path / "out")
    assert differences["fake"] == pytest.approx(1e-5, rel=0.1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.fake", "labels.txt"}
    assert (tmp_path / "out" / "labels.txt").read_text() == "ants\nbees\n"


@pytest.mark.parametrize("wrong", [0.01, -0.01, float("nan")])
def test_what_does_not_agree_is_not_left_behind(tmp_path, use, wrong):
    use(Format(wrong=wrong))
    with pytest.raises(ExportError, match=r"fake: expected outputs within 0\.001 of the trained model's, but they differ"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_good_artifact_survives_a_bad_one(tmp_path, use):
    use(Format(wrong=1e-5))
    write(tmp_path)
    use(Format(wrong=0.5))
    with pytest.raises(ExportError, match="differ"):
        write(tmp_path)
    assert json.loads((tmp_path / "model.fake").read_text()) == 1e-5


def test_a_converter_that_fails_is_one_error(tmp_path, use):
    use(Format(fails=True))
    with pytest.raises(ExportError, match="fake: expected this model to be written and read back, but got ValueError: unsupported layer"):
        write(tmp_path)


@pytest.mark.parametrize("formats", [("keras", "tflight"), ()])
def test_unknown_formats(tmp_path, formats):
    with pytest.raises(ExportError, match="expected some of keras, saved_model, onnx, litert, but got"):
        write(tmp_path / "out", formats)
    assert not (tmp_path / "out").exists()


def test_missing_packages_are_named_before_anything_is_written(tmp_path, monkeypatch):
    find = base.importlib.util.find_spec
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None if name in ("onnx", "tf2onnx") else find(name))
    with pytest.raises(ExportError, match=r"onnx needs onnx and tf2onnx, which are not installed; run `pip install 'automl\[export\]'`"):
        write(tmp_path / "out", ("keras", "onnx"))
    assert not (tmp_path / "out").exists()


def test_predictor_reads_pictures_of_any_size():
    found = Predictor(("ants", "bees"), 8, "stretch", Model().predict_on_batch).predict([np.zeros((30, 20, 3), np.uint8), IMAGES[0]])
    assert found.shape == (2, 2)
    assert found[0].tolist() == [0.0, 1.0]


def test_predictor_names_what_it_cannot_read(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"text\.png"):
        Predictor(("ants", "bees"), 8, "stretch", Model().predict_on_batch).predict([tmp_path / "text.png"])


def test_models_that_are_not_there(tmp_path):
    with pytest.raises(ExportError, match=r"or a folder with one, but found none; `automl export STUDY` writes one"):
        open_model(tmp_path)
    (tmp_path / "model.onnx").touch()
    with pytest.raises(ExportError, match=r"expected its labels\.txt beside it"):
        open_model(tmp_path)
    (tmp_path / "labels.txt").write_text("ants\nbees\n")
    (tmp_path / "model.bin").touch()
    with pytest.raises(ExportError, match=r"model\.bin: expected one of model\.keras, saved_model, model\.onnx, model\.tflite"):
        open_model(tmp_path / "model.bin")


def test_damaged_details_are_ignored(tmp_path):
    (tmp_path / "metrics.json").write_text("{broken")
    assert predictor._details(tmp_path) == {}


def test_no_pictures_no_predictions():
    assert Predictor(("ants", "bees"), 8, "stretch", Model().predict_on_batch).predict([]).shape == (0, 2)


@pytest.mark.slow
def test_a_keras_file_with_a_class_of_ones_own_does_not_count(tmp_path):
    import keras

    from automl.export.keras_format import KerasExporter

    @keras.saving.register_keras_serializable(package="mine")
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    pixels = keras.Input((8, 8, 3), dtype="uint8")
    keras.Model(pixels, keras.layers.Flatten()(Doubled()(keras.layers.Rescaling(1.0)(pixels)))).save(tmp_path / "model.keras")
    with pytest.raises(ExportError, match="expected a file that plain Keras loads, but it names classes of "):
        KerasExporter().predict(tmp_path / "model.keras", IMAGES)
