"""Small pictures whose class is their brightest colour, and configs that learn it in seconds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from automl.data import Dataset, Pictures
from automl.records import TrialConfig


def make_pictures(count: int, *, size: int, classes: int, seed: int) -> Pictures:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % classes).astype(np.int64)
    images = random.integers(0, 120, (count, size, size, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    # Rows in another order than the pictures, as in a store that several splits share.
    rows = random.permutation(count)
    stored = np.empty_like(images)
    stored[rows] = images
    return Pictures(stored, rows.astype(np.int64), labels, tuple(f"{seed}/{index}.png" for index in range(count)))


def make_dataset(*, size: int = 8, classes: int = 3, train: int = 90, validation: int = 45) -> Dataset:
    return Dataset(
        classes=tuple(f"class {label}" for label in range(classes)),
        train=make_pictures(train, size=size, classes=classes, seed=1),
        validation=make_pictures(validation, size=size, classes=classes, seed=2),
        test=make_pictures(9, size=size, classes=classes, seed=3),
        fingerprint="colours",
        image_size=size,
        resize="stretch",
    )


def make_config(**settings: object) -> TrialConfig:
    """A trial of a tiny network; keyword arguments with two underscores reach deeper, as `train__epochs=1`."""
    tree: dict[str, object] = {
        "study": "colours",
        "number": 3,
        "seed": 11,
        "params": {"train.learning_rate": 0.01},
        "data": {"path": "colours", "image_size": 8},
        "model": {"backbone": {"name": "cnn", "blocks": 1, "filters": 4}, "weights": "none"},
        "train": {"epochs": 2, "batch_size": 32, "learning_rate": 0.01},
    }
    for name, value in settings.items():
        *path, last = name.split("__")
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})  # type: ignore[assignment]
        branch[last] = value
    return TrialConfig.model_validate(tree)


@pytest.fixture(scope="session")
def colours() -> Dataset:
    return make_dataset()


@pytest.fixture(scope="session")
def configure() -> Callable[..., TrialConfig]:
    return make_config


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Model settings of a MobileNet whose random weights stand in for pretrained ones."""
    import keras

    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(alpha=0.05, include_top=False, weights=None, input_shape=(32, 32, 3))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 0.05))
    network.save_weights(path)
    return {"backbone": {"name": "MobileNet", "alpha": 0.05}, "weights": str(path)}


@pytest.fixture(scope="session")
def large_colours(colours: Dataset) -> Dataset:
    """The colours at the smallest size that MobileNet takes."""

    def enlarge(pictures: Pictures) -> Pictures:
        return replace(pictures, images=pictures.images.repeat(4, axis=1).repeat(4, axis=2))

    return replace(colours, image_size=32, train=enlarge(colours.train), validation=enlarge(colours.validation))
