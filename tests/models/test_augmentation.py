import numpy as np
import pytest

from automl.records import AugmentConfig

pytestmark = pytest.mark.slow


def apply(config, pictures, *, seed=3, training=True, compiled=False):
    import tensorflow as tf

    from automl.models.augmentation import build_augmentation

    layers = build_augmentation(config, seed=seed)

    def run(x):
        for layer in layers:
            x = layer(x, training=training)
        return x

    return np.asarray((tf.function(run) if compiled else run)(tf.constant(pictures, tf.float32)))


@pytest.fixture(scope="module")
def pictures():
    ramp = np.linspace(20, 230, 24)
    picture = np.stack([np.tile(ramp, (24, 1)), np.tile(ramp[:, None], (1, 24)), np.full((24, 24), 60.0)], axis=-1)
    return np.stack([picture] * 8).astype("float32")


@pytest.mark.parametrize("compiled", [False, True])
def test_full_strength_changes_each_picture_differently_within_the_range(pictures, compiled):
    changed = apply(AugmentConfig(strength=1.0, flip="both"), pictures, compiled=compiled)
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert not np.array_equal(changed[0], changed[1])
    assert 3 < np.abs(changed - pictures).mean() < 90


@pytest.mark.parametrize("compiled", [False, True])
def test_strength_never_mirrors_and_mirroring_changes_nothing_else(pictures, compiled):
    turned = apply(AugmentConfig(strength=1.0), pictures, compiled=compiled)
    assert (np.diff(turned[:, 12, 6:18, 0].mean(axis=0)) > 0).all()
    mirrored = apply(AugmentConfig(flip="horizontal"), pictures, compiled=compiled)
    kinds = {("same" if np.array_equal(now, then) else "mirrored") for now, then in zip(mirrored, pictures, strict=True)}
    assert kinds == {"same", "mirrored"}
    for now, then in zip(mirrored, pictures, strict=True):
        assert np.array_equal(now, then) or np.array_equal(now, then[:, ::-1])


def test_half_the_strength_changes_less(pictures):
    full, half = (np.abs(apply(AugmentConfig(strength=strength), pictures) - pictures).mean() for strength in (1.0, 0.25))
    assert half < full


def test_nothing_happens_without_strength_or_outside_training(pictures):
    assert np.array_equal(apply(AugmentConfig(), pictures), pictures)
    assert np.array_equal(apply(AugmentConfig(strength=1.0, flip="both"), pictures, training=False), pictures)


def test_the_same_seed_gives_the_same_changes(pictures):
    config = AugmentConfig(strength=0.5, flip="both")
    assert np.array_equal(apply(config, pictures), apply(config, pictures))
    assert not np.array_equal(apply(config, pictures), apply(config, pictures, seed=4))
