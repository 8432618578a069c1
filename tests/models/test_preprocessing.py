"""What stands before each backbone, against Keras' own functions."""

import sys

import numpy as np
import pytest

from automl.errors import BuildError
from automl.models.facts import load_facts

pytestmark = pytest.mark.slow

PRETRAINED = [name for name, facts in load_facts().items() if facts["pretrained"]]
REORDERED, BY_CHANNEL = "VGG16", "DenseNet121"


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def module_of(name):
    import keras

    return sys.modules[getattr(keras.applications, name).__module__]


@pytest.mark.parametrize("name", PRETRAINED)
def test_preprocessing_is_the_backbones_own(name, pictures):
    from automl.models.preprocessing import build_preprocessing

    layer = build_preprocessing(name)
    expected = module_of(name).preprocess_input(pictures.astype("float32"))
    assert layer.name == "preprocessing"
    assert not layer.weights
    assert np.abs(np.asarray(layer(pictures)) - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "scale", "offset"),
    [("cnn", 1 / 255, 0.0), ("MobileNet", 1 / 127.5, -1.0), ("MobileNetV2", 1 / 127.5, -1.0), ("EfficientNetB0", 1.0, 0.0)],
)
def test_one_scale_and_offset_for_all_channels_is_one_rescaling(name, scale, offset):
    from automl.models.preprocessing import build_preprocessing

    layer = build_preprocessing(name)
    assert type(layer).__name__ == "Rescaling"
    assert (layer.scale, layer.offset) == (scale, offset)


def test_there_are_networks_of_each_kind():
    from automl.models.preprocessing import build_preprocessing

    kinds = {name: build_preprocessing(name) for name in (REORDERED, BY_CHANNEL)}
    assert type(kinds[REORDERED]).__name__ == "Functional"
    assert len(kinds[BY_CHANNEL].scale) == len(set(kinds[BY_CHANNEL].scale)) == 3


@pytest.mark.parametrize(
    "preprocess",
    [
        lambda x: np.clip(x, 0, 150),
        lambda x: np.sqrt(x),
        lambda x: x.mean(axis=-1, keepdims=True) + 0 * x,
        lambda x: x @ np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]),
    ],
    ids=["clipped", "curved", "gray", "mixed"],
)
def test_other_preprocessing_is_refused(preprocess, monkeypatch):
    from automl.models.preprocessing import build_preprocessing

    monkeypatch.setattr(module_of("Xception"), "preprocess_input", preprocess)
    with pytest.raises(BuildError, match="Xception needs other preprocessing than a scale and an offset"):
        build_preprocessing("Xception")


@pytest.mark.parametrize("name", [REORDERED, BY_CHANNEL])
@pytest.mark.parametrize("form", ["keras", "saved_model", "onnx", "litert"])
def test_it_survives_every_export(name, form, pictures, tmp_path):
    import keras

    from automl.export.artifacts import EXPORTERS
    from automl.models.preprocessing import build_preprocessing

    for package in EXPORTERS[form].needs:
        pytest.importorskip(package)
    pixels = keras.Input(pictures.shape[1:], dtype="uint8", name="pixels")
    x = keras.layers.AveragePooling2D(8)(build_preprocessing(name)(pixels))
    model = keras.Model(pixels, keras.layers.Flatten()(x))
    expected = module_of(name).preprocess_input(pictures.astype("float32")).reshape(3, 2, 8, 2, 8, 3).mean(axis=(2, 4)).reshape(3, -1)
    path = tmp_path / EXPORTERS[form].filename
    found = [model.predict_on_batch(pictures)]
    EXPORTERS[form].write(model, path)
    found.append(EXPORTERS[form].predict(path, pictures))
    for outputs in found:
        assert np.abs(outputs - expected).max() <= 1e-5 * np.abs(expected).max()
