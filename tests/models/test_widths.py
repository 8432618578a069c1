import math

import pytest

from automl.models.facts import load_facts
from automl.models.widths import feature_width
from automl.records import Backbone


@pytest.mark.parametrize(
    ("backbone", "image_size", "depth", "pooling", "width"),
    [
        ({"name": "MobileNet"}, 224, 0, "avg", 1024),
        ({"name": "MobileNet", "alpha": 0.25}, 96, 0, "max", 256),
        ({"name": "MobileNet", "alpha": 0.25}, 96, 0, "flatten", 256 * 3 * 3),
        ({"name": "MobileNet", "alpha": 0.25}, 96, 1, "avg", 128 * 6 * 6),
        ({"name": "MobileNet", "alpha": 0.25}, 97, 1, "avg", 128 * 7 * 7),
        ({"name": "MobileNetV2", "alpha": 0.35}, 96, 0, "avg", 1280),
        ({"name": "MobileNetV3Small", "minimalistic": True}, 224, 0, "avg", 576),
        ({"name": "MobileNetV3Small", "alpha": 0.75}, 224, 0, "avg", 432),
        ({"name": "VGG16"}, 224, 1, "avg", 512 * 14 * 14),
        ({"name": "NASNetMobile"}, 224, 1, "avg", 2 * 1056 * 7 * 7),
        ({"name": "NASNetMobile"}, 224, 0, "avg", 1056),
    ],
    ids=str,
)
def test_width(backbone, image_size, depth, pooling, width):
    assert feature_width(Backbone(**backbone), image_size, depth, pooling) == width


@pytest.mark.parametrize(
    ("arguments", "low", "high"),
    [
        ({"alpha": 0.3}, 308, 512),
        ({"alpha": 0.1}, 103, 256),
        ({"alpha": 2.0}, 2048, 2056),
        ({"alpha": 0.25, "depth_multiplier": 2}, 256, 2056),
    ],
    ids=str,
)
def test_at_most_for_a_width_that_nobody_published(arguments, low, high):
    assert low <= feature_width(Backbone(name="MobileNet", **arguments), 96, 0, "avg") <= high


def test_every_pretrained_backbone_has_a_boundary_for_each_depth():
    for facts in load_facts().values():
        if facts["pretrained"]:
            depths = {len(entry["tensors"]) for entry in facts["boundaries"]}
            assert depths == {len(facts["stages"])}
            assert all(1 <= len(tensors) <= 2 for entry in facts["boundaries"] for tensors in entry["tensors"])


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [{"name": "MobileNet", "alpha": 0.3}, {"name": "InceptionV3"}, {"name": "NASNetMobile"}], ids=str)
def test_no_network_passes_on_more_nor_much_less(arguments):
    import keras

    from automl.models.stages import find_stages

    backbone = Backbone(**arguments)
    for size in (97, 150, 299):
        with keras.StatelessScope(initialize_variables=False):
            network = getattr(keras.applications, backbone.name)(
                include_top=False, weights=None, input_shape=(size, size, 3), **backbone.arguments
            )
        stages = find_stages(network)
        for depth, tensors in enumerate([network.outputs, *(stage.boundary for stage in stages[:-1])]):
            width = sum(math.prod(tensor.shape[1:]) for tensor in tensors)
            assert width <= feature_width(backbone, size, depth, "flatten")
            assert size < 299 or feature_width(backbone, size, depth, "flatten") <= 3 * width
    keras.utils.clear_session()  # or the next scope of this process would make the weights after all
