import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from automl.errors import TrialError, WeightsError
from automl.records import METRICS, TrialResult
from automl.training import Kept, TrialInterrupted, load_trial, train

pytestmark = pytest.mark.slow


class Listener:
    """Notes what a trial says and answers from a script, then "continue"."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.epochs = []
        self.progress = []

    def report(self, epoch):
        self.epochs.append(epoch)
        return self.answers.pop(0) if self.answers else "continue"

    def show(self, progress):
        self.progress.append(progress)


def run(config, dataset, folder=None, *answers):
    listener = Listener(*answers)
    return train(config, dataset, folder, listener.report, listener.show), listener


def read_history(folder):
    with (folder / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def learned(colours, configure, tmp_path_factory):
    """A complete trial with everything switched on: its config, folder, result and what it said."""
    folder = tmp_path_factory.mktemp("trial")
    config = configure(
        train__epochs=4,
        train__schedule="cosine",
        train__label_smoothing=0.1,
        train__weight_decay=0.001,
        train__optimizer="adamw",
        model__head={"units": [8], "dropout": 0.2},
        augment={"strength": 0.3, "flip": "both"},
    )
    config.save(folder / "config.json")
    result, listener = run(config, colours, folder)
    return config, folder, result, listener


def test_it_learns(learned):
    _, _, result, _ = learned
    assert result.outcome == "complete"
    assert result.value == result.metrics["val_accuracy"] > 0.8
    assert result.interval is not None
    assert result.interval[0] < result.value <= result.interval[1]
    assert result.epochs == 4
    assert result.trained_parameters == result.parameters
    assert result.model_bytes == 4 * result.parameters
    assert result.params == {"train.learning_rate": 0.01}
    assert (result.number, result.seed, result.attempt) == (3, 11, 1)


def test_its_files(learned, colours):
    _, folder, result, listener = learned
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "history.csv", "result.json", "validation.npz", "weights.h5"]
    assert TrialResult.load(folder / "result.json") == result
    rows = read_history(folder)
    assert [(row["epoch"], row["phase"]) for row in rows] == [(str(step), "whole") for step in (1, 2, 3, 4)]
    assert 0.01 > float(rows[0]["learning_rate"]) > float(rows[3]["learning_rate"]) > 0
    assert [float(row["val_accuracy"]) for row in rows] == [epoch.metrics["val_accuracy"] for epoch in listener.epochs]
    best = max(rows, key=lambda row: (float(row["val_accuracy"]), -float(row["val_loss"])))
    assert int(best["epoch"]) == result.best_epoch
    assert float(best["val_accuracy"]) == result.value
    assert float(best["val_loss"]) == result.metrics["val_loss"]


def test_what_it_says(learned):
    _, _, _, listener = learned
    assert [(epoch.number, epoch.step, epoch.phase, epoch.phase_step) for epoch in listener.epochs] == [
        (3, step, "whole", step) for step in (1, 2, 3, 4)
    ]
    for epoch in listener.epochs:
        assert set(epoch.metrics) == {"loss", "accuracy", *METRICS}
        assert epoch.metrics["val_top5_accuracy"] is None
        assert epoch.pictures_per_second > 0
    assert {(progress.step, progress.steps) for progress in listener.progress} == {(3, 3)}, "all steps in one call"
    assert sum(progress.step == 3 for progress in listener.progress) == 4


def test_the_assembled_network_gives_the_stored_predictions(learned, colours):
    _, folder, result, _ = learned
    network = load_trial(folder, 3)
    images, labels = colours.validation.batch(np.arange(45))
    with np.load(folder / "validation.npz") as stored:
        assert np.abs(network.predict(images, verbose=0) - stored["probabilities"]).max() < 1e-5
        assert (stored["probabilities"].argmax(axis=1) == labels).mean() == result.value


def test_weights_of_another_config_are_refused(learned, configure, tmp_path):
    _, folder, _, _ = learned
    configure().save(tmp_path / "config.json")
    with pytest.raises(TrialError, match="missing"):
        load_trial(tmp_path, 3)
    (tmp_path / "weights.h5").write_bytes((folder / "weights.h5").read_bytes())
    with pytest.raises(TrialError, match="does not fit"):
        load_trial(tmp_path, 3)
    with pytest.raises(TrialError, match=r"there is no .*config\.json"):
        load_trial(tmp_path / "nowhere", 3)


def test_figures_do_not_depend_on_what_ran_before(learned, colours, configure, tmp_path):
    config, folder, result, listener = learned
    run(configure(seed=99, train__epochs=1, model__head={"dropout": 0.5}), colours)
    again, heard = run(config, colours, tmp_path)
    assert [epoch.metrics for epoch in heard.epochs] == [epoch.metrics for epoch in listener.epochs]
    assert again.model_copy(update={"seconds": result.seconds}) == result
    with np.load(folder / "validation.npz") as one, np.load(tmp_path / "validation.npz") as other:
        assert np.array_equal(one["probabilities"], other["probabilities"])


def test_another_seed_gives_other_figures(colours, configure):
    losses = {run(configure(seed=seed, train__epochs=1), colours)[1].epochs[0].metrics["loss"] for seed in (1, 2)}
    assert len(losses) == 2


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimizer_trains(colours, configure, optimizer):
    config = configure(train__optimizer=optimizer, train__weight_decay=0.01, train__learning_rate=0.05, train__epochs=3)
    result, listener = run(config, colours)
    assert result.outcome == "complete"
    assert listener.epochs[-1].metrics["loss"] < listener.epochs[0].metrics["loss"]


def test_the_steps_are_traced_once_although_the_last_batch_is_smaller(colours, configure):
    kept = Kept()
    train(configure(), colours, kept=kept)
    assert kept.traces == 2, "once for the steps, once for the predictions"


def test_head_then_fine_tuning(large_colours, configure, pretrained, tmp_path):
    config = configure(model={**pretrained, "unfreeze": 1}, data__image_size=32, train__epochs=3, train__fine_tune__epochs_fraction=0.4)
    config.save(tmp_path / "config.json")
    result, listener = run(config, large_colours, tmp_path)
    assert [(epoch.step, epoch.phase, epoch.phase_step) for epoch in listener.epochs] == [
        (1, "head", 1),
        (2, "head", 2),
        (3, "fine_tune", 1),
    ]
    assert [float(row["learning_rate"]) for row in read_history(tmp_path)] == pytest.approx([0.01, 0.01, 0.0001])
    assert 0 < result.trained_parameters < result.parameters
    images, _ = large_colours.validation.batch(np.arange(45))
    with np.load(tmp_path / "validation.npz") as stored:
        assert np.abs(load_trial(tmp_path, 3).predict(images, verbose=0) - stored["probabilities"]).max() < 1e-5


def test_each_phase_begins_with_its_own_warm_up(large_colours, configure, pretrained, monkeypatch):
    from automl.training import run as running

    rates = []

    class Watched(running.PhaseProgram):
        def train(self, x, labels, step_rates, batch_size):
            rates.extend(step_rates)
            return super().train(x, labels, step_rates, batch_size)

    monkeypatch.setattr("automl.training.kept.PhaseProgram", Watched)
    settings = {"train__epochs": 4, "train__warmup_epochs": 1, "train__schedule": "cosine"}
    run(configure(model={**pretrained, "unfreeze": 1}, data__image_size=32, **settings), large_colours)
    head, fine_tuning = np.split(np.array(rates), 2)
    assert head[0] < head.max() == pytest.approx(0.01)
    assert fine_tuning == pytest.approx(head * 0.01)


def test_a_frozen_trial_stores_its_head_alone(large_colours, configure, pretrained, tmp_path):
    import h5py

    config = configure(model=pretrained, data__image_size=32, train__epochs=1)
    result, listener = run(config, large_colours, tmp_path)
    assert [epoch.phase for epoch in listener.epochs] == ["head"]
    with h5py.File(tmp_path / "weights.h5") as file:
        assert [file[key].attrs["path"].split("/")[-1] for key in file] == ["kernel", "bias"]
        assert sum(file[key].size for key in file) == result.trained_parameters


def test_early_stopping_of_the_head_starts_fine_tuning_from_its_best_weights(large_colours, configure, pretrained, monkeypatch, tmp_path):
    from automl.training import run as running

    values = iter([0.5, 0.9, 0.4, 0.3, 0.2, 0.6, 0.5, 0.5])
    monkeypatch.setattr(running.TrialRun, "_monitored", lambda self, validated: next(values))
    begun, heads = [], []

    class Watched(running.PhaseProgram):
        def reset(self, values, hot, *, seed):
            begun.append(values[-1])
            super().reset(values, hot, seed=seed)

        def predict(self, chunks):
            heads.append(self.values()[-1])
            return super().predict(chunks)

    monkeypatch.setattr("automl.training.kept.PhaseProgram", Watched)
    settings = {"train__epochs": 20, "train__early_stopping": 2, "train__batch_size": 90}
    config = configure(model={**pretrained, "unfreeze": 1}, data__image_size=32, **settings)
    config.save(tmp_path / "config.json")
    result, listener = run(config, large_colours, tmp_path)
    phases = [epoch.phase for epoch in listener.epochs]
    assert phases == ["head"] * 4 + ["fine_tune"] * 4, "fine-tuning is measured against its own best, 0.6"
    assert np.array_equal(begun[1], heads[1])
    assert result.best_epoch == 2
    with np.load(tmp_path / "validation.npz") as stored:
        images, _ = large_colours.validation.batch(np.arange(45))
        found = load_trial(tmp_path, 3).predict(images, verbose=0)
        assert np.abs(found - stored["probabilities"]).max() < 1e-5, "the head's best epoch stays the best of the trial"


def test_pruning(colours, configure, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"of an attempt that died")
    result, listener = run(configure(train__epochs=5), colours, tmp_path, "continue", "prune")
    assert (result.outcome, result.epochs, len(listener.epochs)) == ("pruned", 2, 2)
    assert result.value == max(epoch.metrics["val_accuracy"] for epoch in listener.epochs)
    assert result.metrics["val_accuracy"] == result.value
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "result.json"]


def test_interruption_leaves_no_result(colours, configure, tmp_path):
    with pytest.raises(TrialInterrupted, match="trial 3 was interrupted after epoch 1"):
        run(configure(), colours, tmp_path, "interrupt")
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def assert_failed(result, folder, message):
    assert (result.outcome, result.cause, result.value) == ("failed", "config", None)
    assert message in result.reason
    assert TrialResult.load(folder / "result.json") == result
    assert not (folder / "weights.h5").exists()


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_divergence_stops_at_once(colours, configure, tmp_path, monkeypatch, loss):
    from automl.training import run as running

    class Diverging(running.PhaseProgram):
        epochs = 0

        def train(self, x, labels, rates, batch_size):
            self.epochs += 1
            return np.array([1.0, loss if self.epochs == 2 else 1.0, 1.0]), 0

    monkeypatch.setattr("automl.training.kept.PhaseProgram", Diverging)
    result, listener = run(configure(train__epochs=5), colours, tmp_path)
    assert_failed(
        result, tmp_path, f"the loss became {'NaN' if math.isnan(loss) else 'infinite'} in epoch 2, step 2; lower the learning rate"
    )
    assert (result.epochs, len(listener.epochs)) == (1, 1)


def test_a_learning_rate_far_too_high_is_a_failure_of_the_config(colours, configure, tmp_path):
    config = configure(train__optimizer="sgd", train__learning_rate=100.0, train__momentum=0.99, train__epochs=30, train__batch_size=8)
    result, _ = run(config, colours, tmp_path)
    if result.outcome == "failed":
        assert_failed(result, tmp_path, "lower the learning rate")


@pytest.mark.parametrize("error", [MemoryError("no memory for 3 GB"), "tensorflow"])
def test_exhausted_memory_is_a_failure_of_the_config(colours, configure, tmp_path, monkeypatch, error):
    import tensorflow as tf

    from automl.training import run as running

    def exhaust(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nhint") if error == "tensorflow" else error

    monkeypatch.setattr(running.PhaseProgram, "train", exhaust)
    result, _ = run(configure(), colours, tmp_path)
    assert_failed(result, tmp_path, "lower train.batch_size")
    assert result.reason.startswith("out of memory with train.batch_size 32 at 8 px")


def test_a_network_that_cannot_be_built_is_a_failure_of_the_config(colours, configure, tmp_path):
    result, _ = run(configure(model__backbone={"name": "cnn", "blocks": 6}), colours, tmp_path)
    assert_failed(result, tmp_path, "blocks must be at most 3, but got 6")


@pytest.mark.parametrize(
    ("metric", "message"),
    [("val_kappa", "expected one of val_accuracy"), ("val_top5_accuracy", "more than 5 classes"), ("val_auc", "none with the labels 2")],
)
def test_a_metric_that_does_not_exist_fails_after_the_first_epoch(colours, configure, tmp_path, metric, message):
    kept = np.flatnonzero(colours.validation.labels != 2)
    part = replace(
        colours.validation,
        rows=colours.validation.rows[kept],
        labels=colours.validation.labels[kept],
        names=tuple(colours.validation.names[index] for index in kept),
    )
    result, listener = run(configure(metric=metric, train__epochs=5), replace(colours, validation=part), tmp_path)
    assert_failed(result, tmp_path, message)
    assert listener.epochs == []


def test_missing_pretrained_weights_end_more_than_the_trial(colours, configure, tmp_path):
    config = configure(model={"backbone": "MobileNet", "weights": str(tmp_path / "gone.weights.h5")}, data__image_size=32)
    with pytest.raises(WeightsError, match="there is no file"):
        run(config, colours, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_can_be_monitored(colours, configure):
    result, listener = run(configure(metric="val_loss", direction="minimize", train__epochs=3), colours)
    assert result.value == min(epoch.metrics["val_loss"] for epoch in listener.epochs)
    assert result.interval is not None
    assert result.interval[0] < result.value < result.interval[1]
