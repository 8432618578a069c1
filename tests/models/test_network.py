import shutil
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
from network_steps import answer, give_opinion, look_learned, snapshot, take_step

from automl.errors import BuildError, WeightsError
from automl.records import ModelConfig

pytestmark = pytest.mark.slow

SIZE = 32
LABELS = [0, 1, 2, 0, 1]


def make(*, depth=None, image_size=SIZE, classes=3, seed=1, **model):
    from automl.models import build

    model.setdefault("backbone", {"name": "cnn", "blocks": 2, "filters": 4})
    return build(ModelConfig(**model), depth=depth, image_size=image_size, classes=classes, seed=seed)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, pictures):
    """A weights file of MobileNet 0.25 whose BatchNormalization statistics are not trivial."""
    import keras

    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    look_learned(network, "MobileNet", pictures)
    network.save_weights(path)
    return str(path)


def make_pretrained(weights, **model):
    return give_opinion(make(backbone={"name": "MobileNet", "alpha": 0.25}, weights=weights, **model))


def changed_layers(network, before):
    return {
        layer.name
        for layer, arrays in zip(network.layers, before, strict=True)
        if any(not np.array_equal(weight.numpy(), array) for weight, array in zip(layer.weights, arrays, strict=True))
    }


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
@pytest.mark.parametrize("units", [(), (8, 4)])
def test_probabilities(pictures, pooling, units):
    built = make(pooling=pooling, head={"units": units, "dropout": 0.3})
    probabilities = built.inference.predict_on_batch(pictures)
    assert probabilities.shape == (5, 3)
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert built.inference.input.dtype == "uint8"


def test_every_layer_has_a_name_of_its_own():
    first, second = (make(head={"units": [8], "dropout": 0.3}) for _ in range(2))
    names = [layer.name for layer in first.inference.layers]
    assert names == ["pixels", "preprocessing", "backbone", "pooling", "dropout_1", "dense_1", "dropout_2", "probabilities"]
    for one, other in ((first.inference, second.inference), (first.base.backbone, second.base.backbone)):
        assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
        assert one.name == other.name


def test_the_same_arguments_give_the_same_network_whatever_was_built_before(pictures):
    first = make(head={"units": [8]}).inference.predict_on_batch(pictures)
    make(backbone="MobileNet", weights="none", seed=9)
    assert np.array_equal(make(head={"units": [8]}).inference.predict_on_batch(pictures), first)
    assert not np.array_equal(make(head={"units": [8]}, seed=2).inference.predict_on_batch(pictures), first)


@pytest.mark.parametrize(
    ("unfreeze", "first", "variables"),
    [
        (0, None, 2),
        (1, "conv_dw_12", 2 + 4 * 3),
        (2, "conv_dw_6", 2 + 4 * 3 + 12 * 3),
        (5, "conv1", 2 + 27 * 3),
        ("all", "conv1", 2 + 27 * 3),
    ],
)
def test_each_depth_trains_its_stages_and_nothing_before(weights, pictures, unfreeze, first, variables):
    built = make_pretrained(weights, unfreeze=unfreeze)
    assert len(built.trained_variables()) == variables
    before = [snapshot(layer.weights) for layer in built.base.backbone.layers]
    take_step(built, pictures, LABELS)
    names = [layer.name for layer in built.base.backbone.layers if layer.weights]
    expected = set(names[names.index(first) :]) if first else set()
    assert changed_layers(built.base.backbone, before) == expected


def test_a_frozen_backbone_stays_while_the_head_learns(weights, pictures):
    built = make_pretrained(weights, unfreeze=2, depth=0)
    before, head = snapshot(built.base.backbone.weights), snapshot(built.dense[-1].weights)
    take_step(built, pictures, LABELS)
    assert all(np.array_equal(now, then) for now, then in zip(snapshot(built.base.backbone.weights), before, strict=True))
    assert not np.array_equal(built.dense[-1].kernel.numpy(), head[0])


def moving(built):
    import keras

    norms = [layer for layer in built.base.backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return snapshot([layer.moving_mean for layer in norms])


@pytest.mark.parametrize("unfreeze", [1, "all"])
def test_inference_mode_holds_for_unfrozen_layers_too(weights, pictures, unfreeze):
    built = make_pretrained(weights, unfreeze=unfreeze)
    assert np.allclose(answer(built, pictures, training=True), built.inference(pictures, training=False), atol=1e-6)
    before = moving(built)
    take_step(built, pictures, LABELS)
    assert all(np.array_equal(now, then) for now, then in zip(moving(built), before, strict=True))


def test_training_mode_moves_the_statistics_of_the_unfrozen_stages_only(weights, pictures):
    built = make_pretrained(weights, unfreeze=1, batch_normalization="training")
    assert len(built.trained_variables()) == 2 + 4 * 5
    before = moving(built)
    take_step(built, pictures, LABELS)
    moved = [not np.array_equal(now, then) for now, then in zip(moving(built), before, strict=True)]
    assert moved == [False] * 23 + [True] * 4


def test_without_pretrained_weights_everything_trains(pictures):
    built = make(backbone="MobileNet", weights="none", unfreeze=0, batch_normalization="inference")
    assert (built.is_whole, built.depth, built.normalizes) == (True, "all", True)
    assert len(built.trained_variables()) == len(built.inference.weights)
    before = [snapshot(layer.weights) for layer in built.base.backbone.layers]
    take_step(built, pictures, LABELS)
    assert changed_layers(built.base.backbone, before) == {layer.name for layer in built.base.backbone.layers if layer.weights}


@pytest.mark.parametrize("unfreeze", [0, 1, 3, "all"])
@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_what_is_frozen_and_what_trains_are_the_whole_network(weights, pictures, unfreeze, pooling):
    built = make_pretrained(weights, unfreeze=unfreeze, pooling=pooling, head={"units": [4]})
    assert np.allclose(answer(built, pictures, training=False), built.inference(pictures, training=False), atol=1e-6)


def test_a_base_that_is_used_again_begins_as_it_was(weights, pictures):
    first = make_pretrained(weights, unfreeze=2)
    expected = first.inference.predict_on_batch(pictures)
    take_step(first, pictures, LABELS)
    first.base.restore()
    from automl.models import build

    config = ModelConfig(backbone={"name": "MobileNet", "alpha": 0.25}, weights=weights, unfreeze=1)
    second = give_opinion(build(config, image_size=SIZE, classes=3, seed=1, base=first.base))
    assert np.array_equal(second.inference.predict_on_batch(pictures), expected)


@pytest.mark.parametrize("model", [{}, {"backbone": {"name": "MobileNet", "alpha": 0.25}, "weights": "none"}])
def test_initial_values_are_those_of_a_network_built_anew(model):
    built, other = make(seed=1, head={"units": [4]}, **model), make(seed=2, head={"units": [4]}, **model)
    config = ModelConfig(**({"backbone": {"name": "cnn", "blocks": 2, "filters": 4}, "head": {"units": [4]}} | model))
    found = built.initial_values(config, seed=2, image_size=SIZE)
    assert all(np.array_equal(value, variable) for value, variable in zip(found, snapshot(other.trained_variables()), strict=True))
    assert not np.array_equal(found[0], snapshot(built.trained_variables())[0])


def test_a_saved_network_loads_in_safe_mode_without_automl(weights, pictures, tmp_path):
    built = make_pretrained(weights, head={"units": [8], "dropout": 0.2})
    built.inference.save(tmp_path / "model.keras")
    np.save(tmp_path / "pictures.npy", pictures)
    np.save(tmp_path / "expected.npy", built.inference.predict_on_batch(pictures))
    script = """
        import sys
        sys.modules["automl"] = None
        import keras, numpy as np
        network = keras.models.load_model("model.keras", safe_mode=True)
        assert np.abs(network.predict_on_batch(np.load("pictures.npy")) - np.load("expected.npy")).max() < 1e-6
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": {"name": "cnn", "blocks": 6}}, "at 32 px blocks must be at most 5, but got 6"),
        ({"backbone": "MobileNet", "image_size": 24}, "MobileNet needs at least 32 px, but got 24"),
        ({"backbone": {"name": "MobileNet", "alpha": -1}, "weights": "none"}, "MobileNet with alpha=-1 at 32 px cannot be built"),
        ({"backbone": "Mobilnet"}, "unknown backbone 'Mobilnet'; did you mean 'MobileNet'"),
        ({"classes": 1}, "at least 2 classes"),
    ],
)
def test_what_cannot_be_built_says_why(settings, message):
    with pytest.raises(BuildError, match=message):
        make(**settings)


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(WeightsError, match=r"does not hold the weights of MobileNet \{'alpha': 0.5\}"):
        make(backbone={"name": "MobileNet", "alpha": 0.5}, weights=weights)


def test_a_file_without_some_layers_is_refused(weights, tmp_path):
    path = shutil.copyfile(weights, tmp_path / "part.weights.h5")
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d_3"]
    with pytest.raises(WeightsError, match="does not hold the weights of MobileNet"):
        make_pretrained(str(path))


def test_fetching_checks_a_file_of_ones_own_against_each_backbone(weights):
    from automl.models import fetch_weights
    from automl.records import PrepareJob

    quarter, half = ({"name": "MobileNet", "alpha": alpha} for alpha in (0.25, 0.5))
    fetch_weights(PrepareJob(backbones=(quarter, {"name": "cnn"}), weights=weights, image_sizes=(32,)))
    with pytest.raises(WeightsError, match="does not hold the weights"):
        fetch_weights(PrepareJob(backbones=(quarter, half), weights=weights, image_sizes=(32,)))
