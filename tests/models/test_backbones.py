"""One network of each family of keras.applications: what trains at which depth, in which mode, from which file."""

import numpy as np
import pytest
from network_steps import answer, changed, give_opinion, look_learned, snapshot, take_step

from automl.records import ModelConfig

pytestmark = pytest.mark.slow

FAMILIES = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2",
    "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip
SIZE = 32
LABELS = [0, 1, 2]


@pytest.fixture
def weightless():
    """Networks that are built here have no weights in memory."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.utils.clear_session()


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def construct(name, image_size=SIZE, weights="none", seed=0):
    import keras

    from automl.models.backbones import build_backbone

    keras.utils.set_random_seed(seed)
    return build_backbone(ModelConfig(backbone=name, weights=weights), image_size=image_size)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, pictures):
    """Makes a weights file of a family."""
    folder = tmp_path_factory.mktemp("weights")

    def make(name):
        path = folder / f"{name}.weights.h5"
        if not path.exists():
            network = construct(name)
            look_learned(network, name, pictures)
            network.save_weights(path)
        return str(path)

    return make


def build_pretrained(name, file, *, depth=None, **settings):
    from automl.models import build

    config = ModelConfig(backbone=name, weights=file, **settings)
    return give_opinion(build(config, image_size=SIZE, classes=3, seed=1, depth=depth))


def learned(layers, *, normalizes=False):
    """The weights of some layers without statistics of pixels and, unless it normalizes, of features."""
    import keras

    names = {"count", "mean", "variance"} if normalizes else {"count", "mean", "variance", "moving_mean", "moving_variance"}
    statistics = (keras.layers.Normalization, keras.layers.BatchNormalization)
    flat = [inner for layer in layers for inner in layer._flatten_layers()]
    return {
        id(weight)
        for layer in flat
        for weight in layer._trainable_variables + layer._non_trainable_variables
        if not (isinstance(layer, statistics) and weight.name in names)
    }


def test_every_family_has_a_member_here():
    from automl.models.catalog import find_constructors

    constructors = find_constructors()
    assert len(constructors) >= 40
    assert {constructors[name].__module__ for name in FAMILIES} == {found.__module__ for found in constructors.values()}


@pytest.mark.parametrize("name", FAMILIES)
def test_each_depth_trains_what_lies_after_its_boundary_and_nothing_before(weightless, name):
    import keras

    from automl.models.network import Base, Network
    from automl.models.stages import find_stages

    backbone = construct(name, image_size=96)
    stages = find_stages(backbone)
    base = Base(preprocessing=None, backbone=backbone, stages=stages, initial=[], seed=0)
    assert len(stages) == (4 if name.startswith("ConvNeXt") else 5)
    sizes = []
    for depth in (*range(len(stages)), "all"):
        network = Network(base, head=(), depth=depth, is_whole=False, normalizes=False)
        if depth == 0:
            after = []
        else:
            after = backbone.layers if depth == "all" else keras.Model(list(stages[depth - 1].boundary), backbone.output).layers
        trained = network.trained_variables()
        assert {id(variable) for variable in trained} == learned(after)
        sizes.append(len(trained))
    assert sizes == sorted(set(sizes)), "each stage adds weights"


def _kind(layer):
    return type(layer).__name__, [weight.shape for weight in layer.weights]


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_files_find_the_layers_in_keras_order(weightless, name):
    import keras

    network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(101, 101, 3))
    found = construct(name, image_size=101)
    assert [_kind(layer) for layer in found.layers] == [_kind(layer) for layer in network.layers]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ConvNeXtTiny", {"unfreeze": 1}),
        ("EfficientNetB0", {"unfreeze": "all"}),
        ("MobileNetV3Small", {"unfreeze": 2}),
        ("NASNetMobile", {"unfreeze": 2, "batch_normalization": "training"}),
    ],
)
def test_a_step_changes_the_unfrozen_stages_alone(name, settings, weights, pictures):
    built = build_pretrained(name, weights(name), **settings)
    network = built.inference.weights
    before = snapshot(network)
    take_step(built, pictures, LABELS)
    moved, trained = changed(network, before), {id(variable) for variable in built.trained_variables()}
    assert moved <= trained
    assert len(moved) > 0.9 * len(trained)
    unfrozen = built.base.stages[: settings["unfreeze"] if settings["unfreeze"] != "all" else None]
    layers = [layer for stage in unfrozen for layer in stage.layers]
    assert trained == learned([*layers, *built.dense], normalizes=built.normalizes)


def test_dropout_inside_a_pretrained_network_is_off(weights, pictures):
    built = build_pretrained("EfficientNetB0", weights("EfficientNetB0"), unfreeze="all")
    expected = np.asarray(built.inference(pictures, training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3
    assert np.allclose(answer(built, pictures, training=True), expected, atol=1e-6)


@pytest.mark.parametrize("unfreeze", [1, "all"])
def test_training_mode_begins_where_training_begins(unfreeze, weights, pictures):
    built = build_pretrained("EfficientNetB0", weights("EfficientNetB0"), unfreeze=unfreeze, batch_normalization="training")
    expected = np.asarray(built.inference(pictures, training=False))
    before = snapshot(built.base.backbone.weights)
    assert not np.allclose(answer(built, pictures, training=True), expected)
    moved, trained = changed(built.base.backbone.weights, before), {id(variable) for variable in built.trained_variables()}
    assert moved
    assert moved <= trained, "statistics move in what trains alone"
    assert np.allclose(answer(built, pictures, training=False), built.inference(pictures, training=False), atol=1e-6)


def test_a_network_with_layers_that_keras_keeps_to_itself_loads_in_safe_mode_without_automl(weights, pictures, tmp_path):
    from automl.export.keras_format import KerasExporter

    built = build_pretrained("ConvNeXtTiny", weights("ConvNeXtTiny"))
    assert any(type(layer).__name__ == "LayerScale" for layer in built.base.backbone.layers)
    KerasExporter().write(built.inference, tmp_path / "model.keras")
    found = KerasExporter().predict(tmp_path / "model.keras", pictures)
    assert np.allclose(found, built.inference.predict_on_batch(pictures), atol=1e-5)  # Keras convolves in groups again


def test_a_convolution_by_channel_gives_what_keras_gives(pictures):
    import keras

    network = construct("ConvNeXtTiny")
    by_channel = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D) and layer.groups > 1]
    assert len(by_channel) == 18
    layer = by_channel[0]
    features = np.random.default_rng(0).normal(size=(2, 8, 8, layer.filters)).astype("float32")
    as_keras = keras.layers.Conv2D.from_config(layer.get_config())
    as_keras.build(features.shape)
    as_keras.set_weights(layer.get_weights())
    assert "convolution_op" in vars(layer)
    assert np.allclose(layer(features), as_keras(features), atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"mean": [100.0, 110.0, 120.0], "variance": [10.0, 20.0, 30.0]}], ids=["measured", "given"])
def test_a_network_that_normalizes_its_pixels_is_exported_to_onnx(settings, pictures, tmp_path):
    import keras

    from automl.export.onnx_format import OnnxExporter
    from automl.models.backbones import _hold_constants

    for package in OnnxExporter.needs:
        pytest.importorskip(package)
    pixels = keras.Input(pictures.shape[1:], dtype="uint8", name="pixels")
    normalization = keras.layers.Normalization(**settings)
    model = keras.Model(pixels, keras.layers.Flatten()(normalization(keras.layers.Rescaling(1.0)(pixels))))
    _hold_constants(normalization)
    expected = model.predict_on_batch(pictures)
    OnnxExporter().write(model, tmp_path / "model.onnx")
    assert np.allclose(OnnxExporter().predict(tmp_path / "model.onnx", pictures), expected, rtol=1e-5, atol=1e-4)


def test_the_activation_of_the_convnexts_is_exported_to_onnx(pictures, tmp_path):
    import keras

    from automl.export.onnx_format import OnnxExporter

    for package in OnnxExporter.needs:
        pytest.importorskip(package)
    pixels = keras.Input(pictures.shape[1:], dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(1 / 64, offset=-2.0)(pixels)
    model = keras.Model(pixels, keras.layers.Flatten()(keras.layers.Activation("gelu")(x)))
    expected = model.predict_on_batch(pictures)
    OnnxExporter().write(model, tmp_path / "model.onnx")
    assert np.allclose(OnnxExporter().predict(tmp_path / "model.onnx", pictures), expected, atol=1e-5)


def publish(monkeypatch, path):
    """Let Keras find a file where it would download one."""
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(path))


@pytest.mark.parametrize("is_published", [True, False])
def test_a_file_of_the_first_efficientnets_goes_with_the_layer_that_it_was_trained_with(is_published, pictures, tmp_path, monkeypatch):
    import keras

    path = tmp_path / "efficientnet.weights.h5"
    network = construct("EfficientNetB0")
    if is_published:
        normalization = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
        normalization.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
        network.save_weights(path)
        publish(monkeypatch, path)
        network = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(SIZE, SIZE, 3))
    look_learned(network, "EfficientNetB0", pictures)
    network.save_weights(path)
    loaded = construct("EfficientNetB0", weights=str(path), seed=3)
    # The last layers of this random network, which see one pixel of three pictures, blow up what is rounded.
    features = [keras.Model(found.input, found.get_layer("block3b_add").output)(pictures.astype("float32")) for found in (network, loaded)]
    expected, found = map(np.asarray, features)
    assert np.ptp(expected, axis=0).max() > 0.1
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_file_leaves_the_seeds_of_dropout_alone(weights):
    fresh = construct("EfficientNetB0", seed=5)
    loaded = construct("EfficientNetB0", weights=weights("EfficientNetB0"), seed=5)
    seeds = [[variable.numpy().tolist() for variable in network.variables if "seed" in variable.path] for network in (fresh, loaded)]
    assert len(seeds[0]) > 5
    assert seeds[0] == seeds[1]
