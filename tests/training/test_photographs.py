import numpy as np
import pytest
from PIL import Image

from automl.data import Dataset, Pictures
from automl.training import load_trial, train

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

CLASSES = ("ants", "bees")


@pytest.fixture(autouse=True)
def keras_home(real_data_folder, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(real_data_folder / "keras"))
    # Keras reads the variable when it is imported, which another test may have done already.
    from keras.src.backend import config

    monkeypatch.setattr(config, "_KERAS_DIR", str(real_data_folder / "keras"))


@pytest.fixture(scope="module")
def insects(real_data_folder) -> Dataset:
    def side(split, count):
        images, labels = [], []
        for label, name in enumerate(CLASSES):
            for path in sorted((real_data_folder / "data" / "hymenoptera" / split / name).iterdir())[:count]:
                images.append(np.asarray(Image.open(path).convert("RGB").resize((224, 224))))
                labels.append(label)
        return Pictures(np.stack(images), np.arange(len(images)), np.array(labels), tuple(map(str, range(len(images)))))

    return Dataset(CLASSES, side("train", 40), side("test", 25), side("test", 1), "insects", 224, "stretch")


def test_a_frozen_backbone_tells_ants_from_bees(insects, configure, tmp_path):
    config = configure(
        model={"backbone": {"name": "MobileNet", "alpha": 0.25}, "weights": "imagenet"},
        data__image_size=224,
        train={"epochs": 8, "batch_size": 16, "learning_rate": 0.01},
        augment={"flip": "horizontal"},
    )
    config.save(tmp_path / "config.json")
    result = train(config, insects, tmp_path)
    assert result.value > 0.75
    assert result.trained_parameters == 514
    with np.load(tmp_path / "validation.npz") as stored:
        predicted = load_trial(tmp_path, 2).predict(insects.validation.images, verbose=0)
        assert np.abs(predicted - stored["probabilities"]).max() < 1e-3


def test_a_weights_file_is_the_same_as_imagenet(insects, real_data_folder):
    from automl.models import build
    from automl.records import ModelConfig

    def predict(weights):
        config = ModelConfig(backbone={"name": "MobileNet", "alpha": 0.25}, weights=weights)
        return build(config, image_size=224, classes=2).inference.predict(insects.test.images, verbose=0)

    file = real_data_folder / "keras" / "mobilenet_v1_0.25_224_imagenet_notop.weights.h5"
    assert np.abs(predict(str(file)) - predict("imagenet")).max() < 1e-5
