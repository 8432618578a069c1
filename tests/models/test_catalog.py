import pytest

pytestmark = pytest.mark.slow


@pytest.mark.timeout(600)
def test_the_stored_facts_are_those_of_the_installed_keras():
    from automl.models.catalog import render
    from automl.models.facts import FACTS

    assert FACTS.read_text(encoding="utf-8") == render(), "run python -m automl.models.catalog"


def test_every_network_of_keras_applications_is_in_the_catalog():
    import keras

    from automl.models.catalog import find_constructors
    from automl.models.facts import load_facts

    functions = {name for name, found in vars(keras.applications).items() if callable(found) and name[0].isupper()}
    assert set(find_constructors()) == functions == set(load_facts()) - {"cnn"}


def test_another_difference_between_plain_and_pretrained_networks_would_be_noticed():
    import keras

    from automl.models.catalog import _find_scale_of_weights

    def network(*layers):
        return keras.Sequential([keras.Input((8, 8, 3)), *layers])

    plain = network(keras.layers.Normalization(), keras.layers.Conv2D(2, 3))
    same = network(keras.layers.Normalization(), keras.layers.Conv2D(2, 3))
    scaled = network(keras.layers.Normalization(), keras.layers.Rescaling([2.0, 3.0, 4.0]), keras.layers.Conv2D(2, 3))
    other = network(keras.layers.Normalization(), keras.layers.ReLU(), keras.layers.Conv2D(2, 3))
    assert _find_scale_of_weights(plain, same) is None
    assert _find_scale_of_weights(plain, scaled) == [2.0, 3.0, 4.0]
    with pytest.raises(AssertionError, match="has other layers with ImageNet weights than without: ReLU at 1"):
        _find_scale_of_weights(plain, other)
