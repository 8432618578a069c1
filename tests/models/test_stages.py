import numpy as np
import pytest

pytestmark = pytest.mark.slow

# One of each family: shares of the weights in percent, and the operations whose outputs cross into each stage.
CASES = {
    "ConvNeXtTiny": ([56, 40, 4, 1], ["add_14", "add_5", "add_2", ""]),
    "DenseNet121": ([31, 48, 15, 5, 0], ["pool4_pool", "pool3_pool", "pool2_pool", "pool1", ""]),
    "EfficientNetB0": ([79, 20, 1, 0, 0], ["block5c_add", "block3b_add", "block2b_add", "block1a_project_bn", ""]),
    "EfficientNetV2B0": ([76, 20, 2, 1, 0], ["block5e_add", "block3b_add", "block2b_add", "block1a_project_activation", ""]),
    "InceptionResNetV2": ([51, 46, 3, 0, 0], ["block17_20_ac", "block35_10_ac", "max_pooling2d_1", "max_pooling2d", ""]),
    "InceptionV3": ([59, 37, 4, 1, 0], ["mixed7", "mixed2", "max_pooling2d_1", "max_pooling2d", ""]),
    "MobileNet": ([50, 46, 3, 1, 0], ["conv_pw_11_relu", "conv_pw_5_relu", "conv_pw_3_relu", "conv_dw_1_relu", ""]),
    "MobileNetV2": ([75, 22, 2, 1, 0], ["block_12_add", "block_5_add", "block_2_add", "expanded_conv_project_BN", ""]),
    "MobileNetV3Small": ([79, 20, 1, 0, 0], ["expanded_conv_7_add", "expanded_conv_2_add", "expanded_conv_project_bn", "activation", ""]),
    "NASNetMobile": (
        [17, 17, 15, 31, 20],
        [
            "normal_concat_10 normal_concat_11",
            "normal_concat_9 normal_concat_10",
            "reduction_concat_reduce_8 normal_concat_9",
            "normal_concat_6 normal_concat_7",
            "",
        ],
    ),
    "ResNet50": ([64, 30, 5, 1, 0], ["conv4_block6_out", "conv3_block4_out", "conv2_block3_out", "pool1_pool", ""]),
    "ResNet50V2": ([68, 27, 4, 1, 0], ["conv4_block5_out", "conv3_block3_out", "conv2_block2_out", "pool1_pool", ""]),
    "VGG16": ([48, 40, 10, 2, 0], ["block4_pool", "block3_pool", "block2_pool", "block1_pool", ""]),
    "VGG19": ([47, 41, 10, 1, 0], ["block4_pool", "block3_pool", "block2_pool", "block1_pool", ""]),
    "Xception": ([33, 66, 1, 0, 0], ["add_10", "add_1", "add", "block1_conv2_act", ""]),
}


@pytest.fixture
def weightless():
    """Networks that are built here have no weights in memory, and names that begin to count anew."""
    import keras

    keras.utils.clear_session()
    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.utils.clear_session()


def construct(name, size):
    import keras

    return getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(size, size, 3))


def names_of(boundary):
    return " ".join(tensor._keras_history.operation.name for tensor in boundary)


@pytest.mark.parametrize(
    ("name", "size"), [*((name, 224) for name in CASES), ("MobileNet", 32), ("MobileNetV2", 100), ("ResNet50", 225), ("ConvNeXtTiny", 75)]
)
def test_stages_of_known_networks(weightless, name, size):
    from automl.models.stages import find_stages

    network = construct(name, size)
    stages = find_stages(network)
    shares, boundaries = CASES[name]
    assert [round(100 * stage.parameters / network.count_params()) for stage in stages] == shares
    assert [names_of(stage.boundary) for stage in stages] == boundaries
    weights = [id(weight) for stage in stages for layer in stage.layers for weight in layer.weights]
    assert sorted(weights) == sorted({id(weight) for weight in network.weights}), "each weight is of one stage"


@pytest.mark.parametrize(
    ("name", "size", "indices"), [("MobileNet", 64, (0, 3)), ("MobileNetV3Small", 32, (0, 2)), ("NASNetMobile", 32, (0,))]
)
def test_a_network_can_be_cut_at_a_boundary(name, size, indices):
    import keras

    from automl.models.stages import find_stages

    keras.utils.set_random_seed(0)
    network = construct(name, size)
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype("float32")
    whole = np.asarray(network(pictures))
    assert np.ptp(whole) > 0
    stages = find_stages(network)
    for index in indices:
        boundary = list(stages[index].boundary)
        before, after = keras.Model(network.input, boundary), keras.Model(boundary, network.output)
        assert np.array_equal(after(before(pictures)), whole)


def test_the_layers_of_a_stage_come_after_those_of_the_deeper_ones():
    import keras

    from automl.models.cnn import cnn
    from automl.models.stages import find_stages

    network = cnn(input_tensor=keras.Input((32, 32, 3)), blocks=3, filters=4)
    stages = find_stages(network)
    assert [stage.layers[0].name for stage in stages] == ["block3_conv1", "block2_conv1", "block1_conv1"]
    assert [layer.name for stage in reversed(stages) for layer in stage.layers] == [layer.name for layer in network.layers[1:]]


def test_a_network_of_constant_resolution_is_cut_into_fifths(weightless):
    import keras

    from automl.models.stages import find_stages

    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 4, strides=4)(pixels)
    for _ in range(50):
        x = x + keras.layers.Dense(8)(keras.layers.LayerNormalization()(x))
    network = keras.Model(pixels, x)
    stages = find_stages(network)
    total = network.count_params()
    assert [round(stage.parameters / total, 1) for stage in stages] == [0.2] * 5
    assert all(names_of(stage.boundary).startswith("add") for stage in stages[:-1])


@pytest.mark.parametrize("blocks", [1, 2])
def test_few_halvings_give_few_stages(weightless, blocks):
    import keras

    from automl.models.cnn import cnn
    from automl.models.stages import find_stages

    assert len(find_stages(cnn(input_tensor=keras.Input((32, 32, 3)), blocks=blocks, filters=4))) == blocks


def test_a_layer_that_two_stages_use_is_of_the_first(weightless):
    import keras

    from automl.models.stages import find_stages

    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    x = keras.layers.MaxPooling2D(2)(shared(pixels := keras.Input((32, 32, 3))))
    x = keras.layers.MaxPooling2D(2)(keras.layers.Conv2D(3, 1, name="own")(shared(x)))
    stages = find_stages(keras.Model(pixels, x))
    assert [[layer.name for layer in stage.layers if layer.weights] for stage in stages] == [["own"], ["shared"]]
