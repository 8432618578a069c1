from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pytest
from PIL import Image

from automl.records import AugmentConfig

pytestmark = pytest.mark.slow

SIDE = 48
WAYS = ("eager", "function", "data")
"""Image operations behave differently there: called at once, traced for any number of pictures, and inside tf.data."""


@dataclass
class Changes:
    """A trial's changes to its pictures, epoch after epoch."""

    strength: float = 0.0
    flip: str = "none"
    seed: int = 3
    epoch: int = 0

    def draws(self, count):
        from automl.models import augmentation

        self.epoch += 1
        return augmentation.draw(count, seed=self.seed, epoch=self.epoch)


make = Changes


def apply(changes, pictures, way="eager"):
    """The pictures as they are in the next epoch."""
    import tensorflow as tf

    from automl.models.augmentation import augment

    def run(batch, draws):
        return augment(batch, draws, changes.strength, changes.flip)

    draws = changes.draws(len(pictures))
    if way == "data":
        (changed,) = tf.data.Dataset.from_tensor_slices((pictures, draws)).batch(len(pictures)).map(run)
    elif way == "function":
        signature = [tf.TensorSpec((None, *pictures.shape[1:]), pictures.dtype), tf.TensorSpec((None, draws.shape[1]), tf.float32)]
        changed = tf.function(run, input_signature=signature)(pictures, draws)
    else:
        changed = run(tf.constant(pictures), draws)
    return changed.numpy()


@pytest.fixture
def only(monkeypatch):
    """Replaces the random values: all are 0, and nothing is mirrored, but what is named has one value for all pictures."""
    from automl.models import augmentation

    def replace(**values):
        known = {**dict.fromkeys(augmentation.DRAWS, 0.0), "mirror_x": 1.0, "mirror_y": 1.0}
        assert values.keys() <= known.keys()
        row = np.array(list({**known, **values}.values()), "float32")
        monkeypatch.setattr(augmentation, "draw", lambda count, seed, epoch: np.tile(row, (count, 1)))

    return replace


@pytest.fixture(scope="module")
def pictures():
    """Smooth pictures without any symmetry, and not all alike."""
    down, right = np.mgrid[:SIDE, :SIDE] / SIDE
    picture = np.stack([40 + 160 * right, 30 + 180 * down, 120 + 60 * np.sin(5 * right + 3 * down)], axis=-1)
    return np.stack([picture * factor for factor in np.linspace(0.8, 1, 8)]).astype("float32")


# --- each operation by itself ----------------------------------------------------------------------------------------


def spot(across, down):
    """Two pictures of one soft bright spot in the middle with these standard deviations in pixels."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    picture = 200 * np.exp(-((x / across) ** 2 + (y / down) ** 2) / 2)
    return np.repeat(picture[None, :, :, None], 3, axis=-1).repeat(2, axis=0).astype("float32")


def plain(*colour):
    """Two pictures of one colour."""
    return np.full((2, SIDE, SIDE, 3), colour, "float32")


def moments(picture):
    """The spot's middle (x, y) in pixels from the picture's, and its covariances xx, yy, xy."""
    weights = picture[..., 0] / picture[..., 0].sum()
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    x, y = x - (weights * x).sum(), y - (weights * y).sum()
    middle = np.array([(weights * axis).sum() for axis in np.mgrid[:SIDE, :SIDE][::-1] - (SIDE - 1) / 2])
    return middle, (weights * x * x).sum(), (weights * y * y).sum(), (weights * x * y).sum()


def angle(picture):
    _, xx, yy, xy = moments(picture)
    return np.degrees(np.arctan2(2 * xy, xx - yy) / 2)


def slant(picture):
    _, _, yy, xy = moments(picture)
    return xy / yy


def width(picture):
    return np.sqrt(moments(picture)[1])


def proportion(picture):
    _, xx, yy, _ = moments(picture)
    return np.sqrt(xx / yy)


def middle_x(picture):
    return moments(picture)[0][0] / SIDE


def middle_y(picture):
    return moments(picture)[0][1] / SIDE


def pixel(picture):
    return picture[SIDE // 2, SIDE // 2].tolist()


def distance_from_grey(picture):
    return np.abs(picture[0, 0] - picture[0, 0] @ (0.299, 0.587, 0.114)).sum()


def hue(picture):
    """The direction of the first pixel's colour round the axis of greys, in degrees."""
    red, green, blue = picture[0, 0]
    return np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue))


OPERATIONS = [
    ("rotation", 1.0, 1.0, spot(6, 2), angle, -30.0, 0.3),
    ("rotation", -1.0, 0.5, spot(6, 2), angle, 15.0, 0.3),
    ("zoom", -1.0, 1.0, spot(3, 3), width, 3 * 1.4, 0.1),
    ("zoom", 1.0, 1.0, spot(3, 3), width, 3 / 1.4, 0.1),
    ("zoom", 1.0, 0.5, spot(3, 3), width, 3 / 1.4**0.5, 0.1),
    ("aspect", 1.0, 1.0, spot(5, 5), proportion, 1.15**2, 0.02),
    ("aspect", -1.0, 0.5, spot(5, 5), proportion, 1 / 1.15, 0.02),
    ("shear", 1.0, 1.0, spot(2, 8), slant, -0.15, 0.005),
    ("shift_x", -1.0, 1.0, spot(3, 3), middle_x, 0.2, 0.002),
    ("shift_x", 1.0, 0.5, spot(3, 3), middle_x, -0.1, 0.002),
    ("shift_y", -1.0, 1.0, spot(3, 3), middle_y, 0.2, 0.002),
    ("brightness", 1.0, 1.0, plain(100, 100, 100), pixel, [140.0] * 3, 0.01),
    ("brightness", -1.0, 0.5, plain(100, 50, 0), pixel, [80.0, 40.0, 0.0], 0.01),
    ("brightness", 1.0, 1.0, plain(200, 240, 255), pixel, [255.0] * 3, 0.0),
    ("contrast", 1.0, 1.0, plain(77.5, 127.5, 177.5), pixel, [57.5, 127.5, 197.5], 0.01),
    ("contrast", -1.0, 0.5, plain(77.5, 127.5, 177.5), pixel, [87.5, 127.5, 167.5], 0.01),
    ("saturation", 1.0, 1.0, plain(90, 90, 90), pixel, [90.0] * 3, 0.001),
    ("saturation", 1.0, 1.0, plain(120, 100, 80), distance_from_grey, 1.4 * distance_from_grey(plain(120, 100, 80)[0]), 0.01),
    ("saturation", -1.0, 0.5, plain(120, 100, 80), distance_from_grey, 0.8 * distance_from_grey(plain(120, 100, 80)[0]), 0.01),
    ("hue", 1.0, 1.0, plain(90, 90, 90), pixel, [90.0] * 3, 0.001),
    ("hue", 1.0, 1.0, plain(160, 80, 80), hue, 15.0, 0.01),
    ("hue", -1.0, 0.5, plain(80, 160, 80), hue, 120 - 7.5, 0.01),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "value", "strength", "before", "measure", "expected", "tolerance"), OPERATIONS)
def test_an_operation_does_what_it_says(only, name, value, strength, before, measure, expected, tolerance, way):
    only(**{name: value})
    for changed in apply(make(strength=strength, flip="both"), before, way):
        assert measure(changed) == pytest.approx(expected, abs=tolerance)


def test_every_operation_is_tested():
    from automl.models.augmentation import DRAWS

    assert {name for name, *_ in OPERATIONS} | {"mirror_x", "mirror_y"} == set(DRAWS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("flip", "axes"), [("horizontal", (2,)), ("vertical", (1,)), ("both", (1, 2)), ("none", ())])
def test_a_mirrored_picture_is_exact(only, pictures, flip, axes, way):
    only(mirror_x=-0.3, mirror_y=-0.3)
    whole = np.rint(pictures)
    for strength in (0, 0.5):
        assert np.array_equal(apply(make(strength=strength, flip=flip), whole, way), np.flip(whole, axes))


@pytest.mark.parametrize("flip", ["none", "horizontal", "vertical", "both"])
def test_bytes_are_mirrored_as_the_strong_changes_mirror_them(pictures, flip):
    from automl.models.augmentation import mirror

    whole = np.rint(np.tile(pictures, (3, 1, 1, 1))).astype("uint8")
    before = whole.copy()
    mirrored = mirror(whole, make().draws(len(whole)), flip)
    assert mirrored.dtype == np.uint8
    assert np.array_equal(whole, before)
    assert np.array_equal(mirrored, apply(make(flip=flip), whole))


def test_contrast_comes_before_brightness(only):
    only(contrast=1.0, brightness=0.5)
    assert pixel(apply(make(strength=1), plain(77.5, 97.5, 127.5))[0]) == pytest.approx([57.5 * 1.2, 85.5 * 1.2, 127.5 * 1.2], abs=0.01)


@pytest.mark.parametrize("name", ["shift_x", "shift_y"])
def test_what_a_shift_uncovers_is_the_mirror_image(only, name):
    size, moved = 20, 4
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype("float32")
    padded = np.pad(pictures, ((0, 0), (moved, moved), (moved, moved), (0, 0)), mode="symmetric")
    for value in (-1.0, 1.0):
        only(**{name: value})
        start = {"shift_x": moved, "shift_y": moved, name: moved + round(value * moved)}
        expected = padded[:, start["shift_y"] :, start["shift_x"] :][:, :size, :size]
        assert np.allclose(apply(make(strength=1), pictures), expected, atol=0.01)


def test_one_reflection_at_either_border_is_enough():
    import tensorflow as tf

    from automl.models.augmentation import place_maps

    names = ("rotation", "zoom", "aspect", "shear", "shift_x", "shift_y")
    extremes = np.array(list(product((-1.0, -0.5, 0.0, 0.5, 1.0), repeat=len(names))), "float32").T
    draws = {name: tf.constant(values) for name, values in zip(names, extremes, strict=True)}
    draws |= {"mirror_x": tf.ones(extremes.shape[1]), "mirror_y": tf.ones(extremes.shape[1])}
    corners = np.array([(x, y, 1) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]).T
    assert np.abs(place_maps(draws, 1.0, "none").numpy() @ corners).max() < 1.5


# --- all together ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("flip", ["none", "both"])
def test_each_picture_and_each_step_is_changed_differently_within_the_range(pictures, flip, way):
    layer = make(strength=1, flip=flip)
    same = np.stack([pictures[0]] * len(pictures))
    first, second = apply(layer, same, way), apply(layer, same, way)
    assert first.dtype == np.float32
    assert first.shape == same.shape
    assert min(first.min(), second.min()) >= 0
    assert max(first.max(), second.max()) <= 255
    every = [*first, *second]
    assert all(np.abs(one - other).mean() > 1 for index, one in enumerate(every) for other in every[:index])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("strength", [0, 0.5])
def test_the_same_seed_gives_the_same_changes(pictures, strength, way):
    def twice(seed):
        layer = make(strength=strength, flip="both", seed=seed)
        return [apply(layer, pictures, way), apply(layer, pictures, way)]

    assert np.array_equal(twice(3), twice(3))
    assert not np.array_equal(twice(3), twice(4))


@pytest.mark.parametrize("way", WAYS)
def test_about_half_the_pictures_are_mirrored_each_way(way):
    corner = np.zeros((400, 8, 8, 3), "float32")
    corner[:, 0, 0] = 255
    changed = apply(make(flip="both"), corner, way)[:, [0, 0, -1, -1], [0, -1, 0, -1], 0]
    assert (changed.sum(axis=1) == 255).all()
    assert (changed / 255).mean(axis=0) == pytest.approx(0.25, abs=0.08)


def test_values_are_spread_evenly_and_independently():
    from automl.models.augmentation import DRAWS, draw

    values = draw(4000, seed=1, epoch=1).T
    counts = np.stack([np.histogram(row, bins=10, range=(-1, 1))[0] for row in values])
    assert counts.sum(axis=1).tolist() == [4000] * len(DRAWS)
    assert counts == pytest.approx(400, abs=100)
    assert np.corrcoef(values) == pytest.approx(np.eye(len(DRAWS)), abs=0.08)


def test_a_higher_strength_changes_more(pictures):
    many = np.tile(pictures, (4, 1, 1, 1))
    changes = [np.abs(apply(make(strength=strength), many) - many).mean() for strength in (0.05, 0.25, 0.5, 0.75, 1.0)]
    assert all(more > 1.1 * less for less, more in pairwise(changes))
    assert changes[0] < 4
    assert 20 < changes[-1] < 70


def test_bytes_are_changed_like_floats(pictures):
    whole = np.rint(pictures)
    assert np.array_equal(apply(make(strength=1), whole.astype("uint8")), apply(make(strength=1), whole))


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (20, 32)])
def test_other_sizes(size):
    picture = np.full((3, *size, 3), 100, "float32")
    assert apply(make(strength=0.5), picture).shape == picture.shape


def test_without_xla_the_pixels_are_the_same(pictures, monkeypatch):
    import tensorflow as tf

    from automl.models import augmentation

    compiled = apply(make(strength=1, flip="both"), pictures)
    monkeypatch.setattr(augmentation, "_compiled", tf.function)
    assert np.abs(apply(make(strength=1, flip="both"), pictures) - compiled).max() < 0.05


# --- for blocks of a trial's pictures --------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"strength": 0.5, "flip": "both"}, {"flip": "horizontal"}])
def test_a_picture_is_changed_alike_whatever_it_is_read_with(pictures, settings):
    from automl.training.changes import Augmenter

    many = np.rint(np.tile(pictures, (9, 1, 1, 1))).astype("uint8")
    change = Augmenter(AugmentConfig(**settings), seed=1, count=len(many))(epoch=2)
    places = np.arange(len(many))
    together = change(many, places)
    assert np.array_equal(change(many[5:8], places[5:8]), together[5:8])
    assert np.array_equal(change(many[::-1], places[::-1]), together[::-1])


def test_another_strength_needs_no_other_trace(pictures):
    from automl.training.changes import Augmenter, _compiled

    whole = np.rint(pictures).astype("uint8")
    weak, strong = (Augmenter(AugmentConfig(strength=strength), seed=1, count=len(whole))(1) for strength in (0.25, 0.75))
    first = weak(whole, np.arange(len(whole)))
    before = _compiled("none", SIDE).experimental_get_tracing_count()
    second = strong(whole, np.arange(len(whole)))
    assert _compiled("none", SIDE).experimental_get_tracing_count() == before == 1
    assert np.abs(second - whole).mean() > 1.5 * np.abs(first - whole).mean()


# --- on photographs --------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_at_full_strength_cats_and_dogs_are_still_told_apart(real_data_folder):
    import keras
    from sklearn.linear_model import LogisticRegression

    def load(split, count):
        folders = sorted((real_data_folder / "data" / "cats_dogs" / split).iterdir())
        paths = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())[:count]]
        images = [np.asarray(Image.open(path).convert("RGB").resize((224, 224)), "float32") for path, _ in paths]
        return np.stack(images), np.array([label for _, label in paths])

    weights = real_data_folder / "keras" / "mobilenet_v1_0.25_224_imagenet_notop.weights.h5"
    network = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(224, 224, 3), pooling="avg")
    network.load_weights(weights)

    def features(images):
        return network.predict(images / 127.5 - 1, verbose=0)

    images, labels = load("train", 80)
    head = LogisticRegression(C=0.01, max_iter=1000).fit(features(images), labels)
    images, labels = load("test", 60)
    clean = head.score(features(images), labels)
    layer = make(strength=1, flip="horizontal")
    changed = np.concatenate([apply(layer, images[start : start + 40]) for start in range(0, len(images), 40)])
    assert clean > 0.9
    assert 0.8 < head.score(features(changed), labels) <= clean
