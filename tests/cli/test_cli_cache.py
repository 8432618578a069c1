import json
import os
from dataclasses import replace

import numpy as np
import pytest

from automl.data import disk, prepare
from automl.data.features import FeatureKey, ensure_features, features_dir

KEY = FeatureKey("abc", "train", "MobileNet alpha=0.25", 96, "crop", "output, avg", "flip horizontal", 0, "def", "Keras 3, cpu")
SET = "train, MobileNet alpha=0.25, output, avg, 96 px crop, flip horizontal; 1,000 rows of 256 values, float32"
PICTURES = "1,797 pictures at 8 px crop, 8 px stretch"
PICTURES_BYTES = 2 * 1797 * 8 * 8 * 3


@pytest.fixture
def filled(run, tmp_path):
    """A cache with the digits at one size in two ways, and one set of features."""
    prepare("digits", folder=tmp_path / "study", image_sizes=[8], resizes=["stretch", "crop"], validation=0.2, test=0.2, seed=0)
    ensure_features(KEY, rows=1000, width=256, dtype="float32", blocks=lambda: iter([np.ones((1000, 256), np.float32)]))
    return run


def listed(run):
    return json.loads(run("cache", "list", "--format", "json").stdout)


def test_list_says_what_is_there(filled, tmp_path):
    stores, features = listed(filled)
    assert (stores["kind"], stores["what"], features["kind"], features["what"]) == ("pictures", PICTURES, "features", SET)
    assert 0 < stores["bytes"] - PICTURES_BYTES < 2000
    assert 0 < features["bytes"] - 1000 * 256 * 4 < 2000
    assert features["folder"].startswith(str(tmp_path / "cache" / "features"))
    page = filled("cache", "list").stdout
    assert PICTURES in page
    assert "1.0 MB" in page
    assert f"2 folders, 1.7 MB, in {tmp_path / 'cache'}; features take 1.0 MB of at most " in page
    assert filled("cache", "list", "--format", "csv").stdout.startswith("kind,what,bytes,last_used,folder\n")
    assert filled("cache", "list", "--format", "md").stdout.startswith("| kind | what | folders | size | last used |\n")


def test_the_epochs_of_an_augmented_search_are_one_line(filled):
    for epoch in (1, 2, 3):
        key = replace(KEY, views="at strength 0.5, seed 0", epoch=epoch)
        ensure_features(key, rows=10, width=256, dtype="float32", blocks=lambda: iter([np.ones((10, 256), np.float32)]))
    assert len(listed(filled)) == 5
    (line,) = [line for line in filled("cache", "list", "--format", "md").stdout.splitlines() if "strength" in line]
    assert "| 3 |" in line


def test_the_last_use_is_that_of_reading(filled):
    for path in features_dir().glob("*/*"):
        os.utime(path, (0, 0))
    assert listed(filled)[1]["last_used"] == "1970-01-01T00:00:00+00:00"
    ensure_features(KEY, rows=1000, width=256, dtype="float32", blocks=lambda: iter([]))
    assert listed(filled)[1]["last_used"] > "2026"


def test_an_empty_cache(run, tmp_path):
    assert listed(run) == []
    assert run("cache", "list").stdout.startswith(f"0 folders, 0 B, in {tmp_path / 'cache'}; features take 0 B of at most ")
    assert run("cache", "clear").stdout == "0 B freed, 0 folders\n"


@pytest.mark.parametrize(
    ("options", "left"),
    [([], []), (["--features"], ["pictures"]), (["--pictures"], ["features"]), (["--features", "--pictures"], [])],
)
def test_clear(filled, options, left):
    held = sum(row["bytes"] for row in listed(filled) if row["kind"] not in left)
    found = filled("cache", "clear", *options)
    assert found.stdout.endswith(f" freed, {2 - len(left)} folder{'' if left else 's'}\n")
    assert found.stdout.startswith(f"{held / 1e6:.1f} MB" if held >= 1e6 else f"{held / 1e3:.0f} kB")
    assert [row["kind"] for row in listed(filled)] == left


def test_what_is_being_computed_stays(filled):
    (folder,) = features_dir().glob("*/")
    with disk.locked(folder):
        found = filled("cache", "clear", "--features")
    assert found.stdout == "0 B freed, 0 folders; 1 in use or not to be deleted\n"
    assert len(listed(filled)) == 2


def test_what_was_cleared_is_made_again(filled, tmp_path):
    from automl.data import open_dataset

    before = open_dataset(tmp_path / "study", image_size=8, resize="crop").train.batch(slice(None))[0]
    filled("cache", "clear")
    assert np.array_equal(open_dataset(tmp_path / "study", image_size=8, resize="crop").train.batch(slice(None))[0], before)


def test_entries_without_a_description(filled):
    for path in [*features_dir().glob("*/description.json"), *features_dir().parent.glob("stores/*/*.json")]:
        path.unlink()
    assert [row["what"] for row in listed(filled)] == ["unfinished", "unfinished"]
    for row in listed(filled):
        with open(os.path.join(row["folder"], "description.json"), "w") as file:
            file.write('{"version": 0, "key": {}}')
    assert [row["what"] for row in listed(filled)] == ["written by another version"] * 2
