"""What makes trials cheap: nothing frozen is computed twice, nothing is traced twice, and neither makes a difference."""

from dataclasses import replace

import numpy as np
import pytest

from automl.records import HOT_FIELDS
from automl.training import Kept, load_trial, train

pytestmark = pytest.mark.slow

SETTINGS = {"data__image_size": 32, "train__epochs": 2, "train__batch_size": 16}


@pytest.fixture
def own_store(tmp_path, monkeypatch):
    """A store of features that no other test has filled."""
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def configure_pretrained(configure, pretrained):
    def make(**settings):
        model = {**pretrained, **settings.pop("model", {})}
        return configure(**{**SETTINGS, **settings}, model=model)

    return make


def run(config, dataset, kept=None, folder=None):
    """What was reported after each epoch, without the times."""
    epochs = []
    result = train(config, dataset, folder, lambda epoch: epochs.append(epoch.metrics) or "continue", kept=kept)
    assert result.outcome == "complete", result.reason
    return epochs


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5, nan_ok=True)


# --- frozen features -------------------------------------------------------------------------------------------------


def test_the_frozen_part_sees_each_picture_once_for_all_trials_and_workers(own_store, large_colours, configure_pretrained):
    kept = Kept()
    run(configure_pretrained(train__epochs=4), large_colours, kept)
    assert kept.passed == 90 + 45
    run(
        configure_pretrained(number=4, seed=5, train__learning_rate=0.02, model={"head": {"units": [4], "dropout": 0.3}}),
        large_colours,
        kept,
    )
    assert kept.passed == 90 + 45
    other_worker = Kept()
    run(configure_pretrained(seed=6), large_colours, other_worker)
    assert other_worker.passed == 0
    assert len([path for path in own_store.iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize("flip", ["none", "horizontal", "both"])
@pytest.mark.parametrize("unfreeze", [0, 2])
def test_stored_features_give_what_computed_ones_give(own_store, large_colours, configure_pretrained, flip, unfreeze):
    settings = {"augment": {"flip": flip}, "train__fine_tune__learning_rate_factor": 0.5}
    stored = run(configure_pretrained(model={"unfreeze": unfreeze}, **settings), large_colours)
    computed = run(configure_pretrained(model={"unfreeze": unfreeze}, train__cache="none", **settings), large_colours)
    assert_close(stored, computed)
    assert stored[0]["loss"] != stored[1]["loss"]


@pytest.mark.parametrize("unfreeze", [0, 2])
def test_a_mirrored_picture_is_computed_once_for_each_way(own_store, large_colours, configure_pretrained, unfreeze):
    kept = Kept()
    run(configure_pretrained(model={"unfreeze": unfreeze}, augment={"flip": "horizontal"}, train__epochs=6), large_colours, kept)
    assert kept.passed == (2 * 90 + 45) * (2 if unfreeze else 1), "once for each boundary"


def test_an_augmented_trial_computes_its_training_pictures_anew_and_its_validation_pictures_once(
    own_store, large_colours, configure_pretrained
):
    kept = Kept()
    run(configure_pretrained(augment={"strength": 0.5}, train__epochs=3), large_colours, kept)
    assert kept.passed == 3 * 90 + 45


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_trials_that_draw_the_same_share_the_vectors_of_each_epoch(own_store, large_colours, configure_pretrained, unfreeze):
    settings = {"augment": {"strength": 0.5, "flip": "horizontal"}, "draws_seed": 8, "train__epochs": 3, "model": {"unfreeze": unfreeze}}
    first, other_worker = Kept(), Kept()
    stored = run(configure_pretrained(**settings, train__fine_tune__epochs_fraction=0.3), large_colours, first)
    assert stored[0]["loss"] != stored[1]["loss"]
    fine_tuned = (90 + 45) if unfreeze else 0
    assert first.passed == (2 if unfreeze else 3) * 90 + 45 + fine_tuned
    run(configure_pretrained(seed=77, number=9, **settings, train__fine_tune__epochs_fraction=0.3), large_colours, other_worker)
    assert other_worker.passed == fine_tuned - (45 if unfreeze else 0), "only the maps of the training pictures, which are not kept"
    computed = run(configure_pretrained(**settings, train__fine_tune__epochs_fraction=0.3, train__cache="none"), large_colours)
    assert_close(stored, computed)


def test_vectors_of_an_epoch_without_room_are_computed_as_they_are_needed(own_store, large_colours, configure_pretrained, monkeypatch):
    config = configure_pretrained(augment={"strength": 0.5}, draws_seed=8)
    expected = run(config, large_colours)
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(own_store / "elsewhere"))
    monkeypatch.setenv("AUTOML_FEATURES_GB", "0")
    kept = Kept()
    assert_close(run(config, large_colours, kept), expected)
    assert kept.passed == 2 * 90 + 45


def test_views_are_computed_once_for_each_strength(own_store, large_colours, configure_pretrained):
    kept = Kept()
    views = {"train__cache": {"views": 2}, "train__epochs": 5}
    first = run(configure_pretrained(augment={"strength": 0.5}, **views), large_colours, kept)
    assert kept.passed == 2 * 90 + 45
    assert first != run(configure_pretrained(augment={"strength": 0.5}, seed=4, **views), large_colours, kept)
    assert kept.passed == 2 * 90 + 45
    run(configure_pretrained(augment={"strength": 0.25}, **views), large_colours, kept)
    assert kept.passed == 4 * 90 + 45


def test_maps_of_half_precision_end_in_exact_predictions(own_store, large_colours, configure_pretrained, tmp_path):
    config = configure_pretrained(model={"unfreeze": 2}, train__cache={"maps": "float16"}, train__fine_tune__epochs_fraction=1.0)
    config.save(tmp_path / "config.json")
    run(config, large_colours, folder=tmp_path)
    images, _ = large_colours.validation.batch(np.arange(45))
    with np.load(tmp_path / "validation.npz") as stored:
        assert np.abs(load_trial(tmp_path, 3).predict(images, verbose=0) - stored["probabilities"]).max() < 1e-5


def test_a_full_disk_changes_no_figure(large_colours, configure_pretrained, own_store, monkeypatch, capfd):
    expected = run(configure_pretrained(model={"unfreeze": 1}), large_colours)
    monkeypatch.setenv("AUTOML_FEATURES_GB", "0")
    assert run(configure_pretrained(model={"unfreeze": 1}, seed=11), large_colours, Kept()) == expected
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(own_store / "elsewhere"))
    assert run(configure_pretrained(model={"unfreeze": 1}), large_colours, Kept()) == expected
    assert "kept in memory instead of on disk" in capfd.readouterr().out


@pytest.mark.parametrize(
    "settings",
    [{"augment": {"flip": "horizontal"}}, {"augment": {"strength": 0.5}, "train__cache": {"views": 2}}],
    ids=["mirrored", "views"],
)
def test_features_too_large_for_disk_and_memory_are_computed_in_every_epoch(
    own_store, large_colours, configure_pretrained, monkeypatch, capfd, settings
):
    config = configure_pretrained(model={"unfreeze": 1}, **settings)
    expected = run(config, large_colours)
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(own_store / "elsewhere"))
    monkeypatch.setenv("AUTOML_FEATURES_GB", "0")
    monkeypatch.setattr("automl.data.features.MEMORY_SHARE", 0.0)
    kept = Kept()
    assert_close(run(config, large_colours, kept), expected)
    assert kept.passed == 2 * (90 + 45)
    assert "features are kept neither on disk nor in memory" in capfd.readouterr().out


def test_other_pictures_are_not_taken_for_these(own_store, large_colours, configure_pretrained):
    kept = Kept()
    run(configure_pretrained(), large_colours, kept)
    fewer = replace(large_colours.train, rows=large_colours.train.rows[:60], labels=large_colours.train.labels[:60])
    run(configure_pretrained(), replace(large_colours, train=fewer), kept)
    assert kept.passed == 90 + 45 + 60


# --- kept programs ---------------------------------------------------------------------------------------------------

BASIS = {"augment": {"strength": 0.5, "flip": "horizontal"}, "train__weight_decay": 0.01, "train__label_smoothing": 0.1, "train__epochs": 4}
CHANGES = {
    "study": {"study": "other"},
    "number": {"number": 8},
    "seed": {"seed": 12},
    "draws_seed": {"draws_seed": 12},
    "params": {"params": {"train.learning_rate": 0.5}},
    "metric": {"metric": "val_loss", "direction": "minimize"},
    "direction": {"metric": "val_loss", "direction": "minimize"},
    "retry_of": {"retry_of": 1},
    "data.path": {"data__path": "elsewhere"},
    "data.validation": {"data__validation": 0.4},
    "data.test": {"data__test": 0.0},
    "train.epochs": {"train__epochs": 6},
    "train.batch_size": {"train__batch_size": 7},
    "train.learning_rate": {"train__learning_rate": 0.03},
    "train.schedule": {"train__schedule": "cosine"},
    "train.warmup_epochs": {"train__warmup_epochs": 1.5},
    "train.weight_decay": {"train__weight_decay": 0.2},
    "train.label_smoothing": {"train__label_smoothing": 0.3},
    "train.early_stopping": {"train__early_stopping": 1},
    "train.fine_tune": {"train__fine_tune": {"epochs_fraction": 0.25, "learning_rate_factor": 0.3}},
    "model.head.dropout": {"model": {"head": {"units": [4], "dropout": 0.6}}},
    "augment.strength": {"augment": {"strength": 1.0, "flip": "horizontal"}},
}
WITHOUT_EFFECT = {"study", "number", "params", "retry_of", "data.path", "data.validation", "data.test"}
CHOOSES_EPOCHS = {"metric", "direction", "train.early_stopping"}
"""Whether these change a figure depends on the figures."""


@pytest.fixture(scope="module")
def warm(large_colours, configure, pretrained):
    """What is kept after a trial with everything switched on, which it was trained twice for, and the figures of the second time."""
    kept = Kept()
    config = configure(**{**SETTINGS, **BASIS}, model={**pretrained, "unfreeze": 1, "head": {"units": [4], "dropout": 0.2}})
    run(config.model_copy(update={"seed": 99}), large_colours, kept)
    return kept, run(config, large_colours, kept)


def test_every_hot_field_is_tested():
    assert set(CHANGES) == set(HOT_FIELDS)


@pytest.mark.parametrize("field", HOT_FIELDS)
def test_a_hot_field_is_changed_on_a_warm_program_without_another_trace(warm, large_colours, configure, pretrained, field):
    kept, before = warm
    change = CHANGES[field]
    model = {**pretrained, "unfreeze": 1, "head": {"units": [4], "dropout": 0.2}, **change.get("model", {})}
    config = configure(**{**SETTINGS, **BASIS, **change, "model": model})
    traces = kept.traces
    found = run(config, large_colours, kept)
    assert kept.traces == traces
    if field not in CHOOSES_EPOCHS:
        assert (found == before) == (field in WITHOUT_EFFECT)
    if field in ("seed", "draws_seed", "train.weight_decay", "model.head.dropout"):
        assert found == run(config, large_colours, Kept()), "as in a process that has done nothing before"


def test_a_warm_worker_gives_what_a_cold_one_gives(warm, large_colours, configure, pretrained):
    kept, before = warm
    config = configure(**{**SETTINGS, **BASIS}, model={**pretrained, "unfreeze": 1, "head": {"units": [4], "dropout": 0.2}})
    deeper = configure(**{**SETTINGS, **BASIS}, model={**pretrained, "unfreeze": 3}, train__learning_rate=0.1)
    run(deeper, large_colours, kept)
    assert run(config, large_colours, kept) == before, "what a deeper trial trained is as it was"
    assert run(config, large_colours, Kept()) == before


@pytest.mark.parametrize("cold", [{"train__optimizer": "sgd"}, {"model": {"head": {"units": [5]}}}, {"model": {"pooling": "max"}}])
def test_a_cold_field_is_another_program(large_colours, configure_pretrained, cold):
    kept = Kept()
    run(configure_pretrained(), large_colours, kept)
    run(configure_pretrained(**cold), large_colours, kept)
    assert kept.traces == 4


def test_a_network_from_scratch_begins_anew_on_a_warm_program(colours, configure):
    kept = Kept()
    first, second = (configure(seed=seed, train__optimizer="sgd", augment={"flip": "both"}) for seed in (1, 2))
    expected = [run(config, colours) for config in (first, second)]
    assert [run(config, colours, kept) for config in (first, second)] == expected
    assert run(first, colours, kept) == expected[0]
    assert kept.traces == 2


def test_what_was_not_used_for_long_is_forgotten(colours, configure, monkeypatch):
    monkeypatch.setattr("automl.training.kept.MOST_BASES", 1)
    kept = Kept()
    first, other = (configure(model__backbone={"name": "cnn", "blocks": 1, "filters": filters}, train__epochs=1) for filters in (2, 3))
    expected = run(first, colours, kept)
    run(other, colours, kept)
    assert kept.traces == 2
    assert run(first, colours, kept) == expected
