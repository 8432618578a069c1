import pytest

from automl.errors import BuildError
from automl.models.facts import facts_of, find_imagenet_file, is_pretrained, load_facts
from automl.records import Backbone, ModelConfig


@pytest.mark.parametrize(
    ("backbone", "image_size", "name"),
    [
        ({"name": "MobileNet", "alpha": 0.25}, 224, "mobilenet_2_5_224_tf_no_top.h5"),
        ({"name": "MobileNet", "alpha": 0.25}, 96, "mobilenet_2_5_224_tf_no_top.h5"),
        ({"name": "MobileNet", "alpha": 0.5}, 160, "mobilenet_5_0_160_tf_no_top.h5"),
        ({"name": "MobileNet"}, 128, "mobilenet_1_0_128_tf_no_top.h5"),
        ({"name": "MobileNetV2", "alpha": 0.35}, 96, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"),
        ({"name": "MobileNetV2", "alpha": 1}, 200, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
        ({"name": "MobileNetV3Small", "minimalistic": True}, 96, "weights_mobilenet_v3_small_minimalistic_224_1.0_float_no_top_v2.h5"),
        ({"name": "ConvNeXtXLarge"}, 224, "convnext_xlarge_notop.h5"),
    ],
)
def test_the_imagenet_file_follows_from_arguments_and_size(backbone, image_size, name):
    file = find_imagenet_file(Backbone(**backbone), image_size)
    assert file is not None
    assert file.name == name
    assert file.url.startswith("https://storage.googleapis.com/")
    assert file.url.endswith(name)


def test_there_is_no_imagenet_file_for_an_odd_width():
    assert find_imagenet_file(Backbone(name="MobileNet", alpha=0.3), 224) is None
    assert find_imagenet_file(Backbone(name="MobileNetV3Small", alpha=0.75, minimalistic=True), 224) is None


@pytest.mark.parametrize(
    ("backbone", "weights", "expected"),
    [("cnn", "imagenet", False), ("MobileNet", "imagenet", True), ("MobileNet", "none", False), ("MobileNetV2", "some.weights.h5", True)],
)
def test_pretrained(backbone, weights, expected):
    assert is_pretrained(ModelConfig(backbone=backbone, weights=weights)) is expected


@pytest.mark.parametrize(("name", "size"), [("MobileNetV3Large", 224), ("NASNetLarge", 331), ("EfficientNetB4", 380), ("Xception", 299)])
def test_the_usual_size_is_that_of_the_published_weights(name, size):
    assert load_facts()[name]["usual_size"] == size


def test_unknown_names_are_refused_with_what_helps():
    with pytest.raises(BuildError, match="unknown backbone 'MobileNetV9'; did you mean 'MobileNet"):
        facts_of(Backbone(name="MobileNetV9"))
    with pytest.raises(BuildError, match="unknown backbone 'ViT'; `automl schema` lists them all"):
        facts_of(Backbone(name="ViT"))
    with pytest.raises(BuildError, match="cnn takes the arguments blocks, filters, but got alpha"):
        facts_of(Backbone(name="cnn", alpha=0.5))


def test_facts_hold_what_a_space_needs():
    facts = load_facts()
    assert set(facts) >= {"cnn", "MobileNet", "MobileNetV2", "VGG16", "ResNet152V2", "NASNetLarge", "EfficientNetV2L", "ConvNeXtXLarge"}
    for name, one in facts.items():
        assert one["minimum_size"] >= 8
        assert len(one["stages"]) == (3 if name == "cnn" else 4 if name.startswith("ConvNeXt") else 5)
        assert sum(one["stages"]) == one["parameters"]
        assert all(0 < stage < 0.9 * one["parameters"] for stage in one["stages"])
        assert bool(one["weights"]) == one["pretrained"] == ("usual_size" in one)
        assert all(argument["type"] in ("int", "float", "bool", "str") for argument in one["arguments"].values())
        assert all(set(argument.get("imagenet", ())) or not one["pretrained"] for argument in one["arguments"].values())
    assert "dropout" not in facts["MobileNet"]["arguments"], "an argument of the top alone changes nothing"
