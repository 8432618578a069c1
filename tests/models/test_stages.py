import pytest

pytestmark = pytest.mark.slow

CASES = {
    "MobileNet": ([50, 46, 3, 1, 0], ["conv_pw_11_relu", "conv_pw_5_relu", "conv_pw_3_relu", "conv_dw_1_relu", None]),
    "MobileNetV2": ([75, 22, 2, 1, 0], ["block_12_add", "block_5_add", "block_2_add", "expanded_conv_project_BN", None]),
    "VGG16": ([48, 40, 10, 2, 0], ["block4_pool", "block3_pool", "block2_pool", "block1_pool", None]),
    "ResNet50": ([64, 30, 5, 1, 0], ["conv4_block6_out", "conv3_block4_out", "conv2_block3_out", "pool1_pool", None]),
    "ResNet50V2": ([68, 27, 4, 1, 0], ["conv4_block5_out", "conv3_block3_out", "conv2_block2_out", "pool1_pool", None]),
}


def name_of(boundary):
    return None if boundary is None else boundary._keras_history.operation.name


@pytest.mark.parametrize(("name", "size"), [*((name, 224) for name in CASES), ("MobileNet", 32), ("MobileNetV2", 100)])
def test_stages_of_known_networks(name, size):
    import keras

    from automl.models.stages import find_stages

    network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(size, size, 3))
    stages = find_stages(network)
    shares, boundaries = CASES[name]
    assert [round(100 * stage.parameters / network.count_params()) for stage in stages] == shares
    assert [name_of(stage.boundary) for stage in stages] == boundaries
    assert sum(stage.parameters for stage in stages) == network.count_params()


def test_a_network_can_be_cut_at_a_boundary():
    import keras
    import numpy as np

    from automl.models.stages import find_stages

    network = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(64, 64, 3))
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
    whole = network.predict_on_batch(pictures)
    for stage in (find_stages(network)[0], find_stages(network)[3]):
        prefix, suffix = keras.Model(network.input, stage.boundary), keras.Model(stage.boundary, network.output)
        assert np.array_equal(suffix.predict_on_batch(prefix.predict_on_batch(pictures)), whole)


def test_the_layers_of_a_stage_come_after_those_of_the_deeper_ones():
    import keras

    from automl.models.cnn import cnn
    from automl.models.stages import find_stages

    network = cnn(input_tensor=keras.Input((32, 32, 3)), blocks=3, filters=4)
    stages = find_stages(network)
    assert [stage.layers[0].name for stage in stages] == ["block3_conv1", "block2_conv1", "block1_conv1"]
    assert [layer.name for stage in reversed(stages) for layer in stage.layers] == [layer.name for layer in network.layers[1:]]
