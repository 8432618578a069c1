import errno
import json
import os

import pytest

from automl.records import HOT_FIELDS, TrialConfig, program_key, write_atomically

CONFIG = TrialConfig.model_validate(
    {"study": "s", "number": 0, "seed": 1, "data": {"path": "digits"}, "model": {"backbone": {"name": "MobileNet", "alpha": 0.25}}}
)


def with_field(name, value):
    content = json.loads(CONFIG.model_dump_json())
    *sections, last = name.split(".")
    held = content
    for section in sections:
        held = held[section]
    held[last] = value
    return TrialConfig.model_validate(content)


OTHER = {
    "study": "t", "number": 7, "seed": 2, "draws_seed": 2, "params": {"a": 1}, "metric": "val_loss", "direction": "minimize", "retry_of": 3,
    "data.path": "photos", "data.validation": 0.3, "data.test": 0.0,
    "train.epochs": 3, "train.batch_size": 8, "train.learning_rate": 0.1, "train.schedule": "cosine", "train.warmup_epochs": 1.0,
    "train.weight_decay": 0.1, "train.label_smoothing": 0.1, "train.early_stopping": 2, "train.fine_tune": {"epochs_fraction": 0.1},
    "model.head.dropout": 0.5, "augment.strength": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("name", HOT_FIELDS)
def test_trials_that_differ_in_a_hot_field_share_their_program(name):
    other = with_field(name, OTHER[name])
    assert other != CONFIG
    assert program_key(other) == program_key(CONFIG)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.backbone", {"name": "MobileNet", "alpha": 0.5}), ("model.unfreeze", 1), ("model.pooling", "max"),
        ("model.head.units", [64]), ("data.image_size", 96), ("train.optimizer", "sgd"), ("train.momentum", 0.5),
        ("augment.flip", "both"), ("deterministic", True),
    ],
)  # fmt: skip
def test_other_fields_need_a_program_of_their_own(name, value):
    assert program_key(with_field(name, value)) != program_key(CONFIG)


def test_the_order_of_a_backbones_arguments_does_not_matter():
    one = with_field("model.backbone", {"name": "MobileNet", "alpha": 0.5, "depth_multiplier": 2})
    other = with_field("model.backbone", {"name": "MobileNet", "depth_multiplier": 2, "alpha": 0.5})
    assert program_key(one) == program_key(other)


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_atomically(tmp_path / "result.json", "{}")
    assert raised.value.filename == str(tmp_path / "result.json")
    assert list(tmp_path.iterdir()) == []
