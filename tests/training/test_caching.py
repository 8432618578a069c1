import pytest

from automl.records import AugmentConfig, ModelConfig, TrainConfig
from automl.training.caching import plan_caches


def caches(*, model=(), augment=(), train=(), draws_seed=None):
    found = plan_caches(
        ModelConfig(**{"backbone": "MobileNet", "unfreeze": 2, **dict(model)}),
        AugmentConfig(**dict(augment)),
        TrainConfig(**{"epochs": 4, **dict(train)}),
        draws_seed=draws_seed,
    )
    return [(each.phase, each.side, each.depth, each.views, each.rows_per_picture, each.precision) for each in found]


HEAD = [("head", "train", 0, "none", 1, "float32"), ("head", "validation", 0, "none", 1, "float32")]
LATER = [("fine_tune", "train", 2, "none", 1, "float32"), ("fine_tune", "validation", 2, "none", 1, "float32")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, HEAD + LATER),
        ({"model": {"unfreeze": 0}}, HEAD),
        ({"model": {"unfreeze": None}}, HEAD),
        ({"model": {"unfreeze": 5}}, HEAD),
        ({"model": {"unfreeze": "all"}}, HEAD),
        ({"train": {"fine_tune": {"epochs_fraction": 0}}}, HEAD),
        ({"train": {"fine_tune": {"epochs_fraction": 1}}}, LATER),
        ({"train": {"fine_tune": {"epochs_fraction": 1}}, "model": {"unfreeze": "all"}}, []),
        ({"train": {"cache": "none"}}, []),
        ({"model": {"weights": "none"}}, []),
        ({"model": {"backbone": "cnn"}}, []),
    ],
    ids=str,
)
def test_boundaries(settings, expected):
    assert caches(**settings) == expected


@pytest.mark.parametrize(
    ("augment", "cache", "views"),
    [
        ({}, "exact", ("none", 1)),
        ({"flip": "horizontal"}, "exact", ("flip horizontal", 2)),
        ({"flip": "vertical"}, {"views": 8}, ("flip vertical", 2)),
        ({"flip": "both"}, "exact", ("flip both", 4)),
        ({"strength": 0.5}, "exact", None),
        ({"strength": 0.5}, {"maps": "float16"}, None),
        ({"strength": 0.5}, {"views": 8}, ("8 at strength 0.5", 8)),
        ({"strength": 0.25, "flip": "both"}, {"views": 3}, ("3 at strength 0.25, flip both", 3)),
    ],
    ids=str,
)
def test_views_of_training_pictures(augment, cache, views):
    found = caches(model={"unfreeze": 0}, augment=augment, train={"cache": cache})
    assert found[-1] == HEAD[1], "validation pictures are never changed"
    assert [(each[3], each[4]) for each in found[:-1]] == ([views] if views else [])


@pytest.mark.parametrize(("pooling", "head"), [("avg", "float32"), ("max", "float32"), ("flatten", "float16")])
def test_only_maps_may_be_float16(pooling, head):
    found = caches(model={"pooling": pooling}, train={"cache": {"maps": "float16"}})
    assert [each[-1] for each in found] == [head, head, "float16", "float16"]


@pytest.mark.parametrize(
    ("settings", "views"),
    [
        ({}, [(0, "at strength 0.5, flip both, seed 3", 2)]),
        ({"train": {"cache": {"views": 8}}}, [(depth, "8 at strength 0.5, flip both", 8) for depth in (0, 2)]),
        ({"model": {"pooling": "flatten"}}, []),
        ({"train": {"cache": "none"}}, []),
    ],
    ids=str,
)
def test_vectors_of_each_epoch_are_kept_where_trials_draw_the_same(settings, views):
    found = caches(augment={"strength": 0.5, "flip": "both"}, draws_seed=3, **settings)
    assert [each[2:5] for each in found if each[1] == "train"] == views


def test_two_strengths_that_differ_little_are_told_apart():
    one, other = (caches(augment={"strength": s}, train={"cache": {"views": 2}})[0][3] for s in (0.12345678, 0.12345679))
    assert one != other
