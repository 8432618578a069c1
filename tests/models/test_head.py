import numpy as np
import pytest

from automl.records import ModelConfig

pytestmark = pytest.mark.slow


def last_kernel(seed=1, **model):
    import keras

    from automl.models.head import build_head

    x = keras.Input((2, 2, 6))
    layers = build_head(ModelConfig(**model), classes=3, seed=seed)
    for layer in layers:
        x = layer(x)
    return layers[-1].kernel.numpy()


@pytest.mark.parametrize("units", [(), (4,)])
def test_behind_a_pretrained_backbone_the_last_layer_starts_from_nothing(units):
    assert not last_kernel(backbone="MobileNet", head={"units": units}).any()


@pytest.mark.parametrize("model", [{"backbone": "cnn"}, {"backbone": "MobileNet", "weights": "none"}])
def test_in_a_network_that_is_trained_as_a_whole_it_starts_at_random(model):
    assert last_kernel(**model).std() > 0.1
    assert np.array_equal(last_kernel(**model), last_kernel(**model))
    assert not np.array_equal(last_kernel(**model), last_kernel(seed=2, **model))
