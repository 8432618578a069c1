"""prepare: what is used, where it stands, what is said, and that a study keeps its pictures."""

import csv
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from painting import noise, paint, paint_classes, prepared

from automl.data import Preparation, fingerprint, open_dataset, read_picture, write_arrays
from automl.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return paint_classes(tmp_path / "photos", {"ants": 20, "bees": 10})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "study"


def sides(study: Path) -> dict[str, str]:
    return {row[0]: row[2] for row in json.loads((study / "split.json").read_text())["pictures"]}


def test_counts_and_files(photos: Path, study: Path) -> None:
    found = prepared(photos, study, image_sizes=[8, 16], resizes=["stretch", "pad"])

    assert isinstance(found, Preparation)
    assert found.counts == {"train": {"ants": 12, "bees": 6}, "validation": {"ants": 4, "bees": 2}, "test": {"ants": 4, "bees": 2}}
    assert (found.classes, found.kind, found.data, found.resumed) == (("ants", "bees"), "class_folders", str(photos), False)
    assert (found.left_out, found.warnings) == ((), ())
    assert found.store_bytes == 30 * 2 * 3 * (8 * 8 + 16 * 16)
    assert [path.name for path in study.iterdir()] == ["split.json"]


def test_dataset_holds_the_pictures_of_the_split(photos: Path, study: Path) -> None:
    prepared(photos, study, image_sizes=[8, 16])

    data = open_dataset(study, image_size=16, resize="stretch")

    assert (data.classes, data.image_size, data.resize) == (("ants", "bees"), 16, "stretch")
    assert {len(data.train), len(data.validation), len(data.test)} == {18, 6}
    pictures, labels = data.train.batch([5, 0, 5])
    assert type(pictures) is np.ndarray
    assert (pictures.shape, pictures.dtype, labels.dtype) == ((3, 16, 16, 3), np.uint8, np.int64)
    for place, index in enumerate([5, 0, 5]):
        name = data.train.names[index]
        assert sides(study)[name] == "train"
        assert data.classes[labels[place]] == name.split("/")[0]
        assert np.array_equal(pictures[place], read_picture(photos / name, size=16))


def test_dataset_is_small_when_pickled(photos: Path, study: Path) -> None:
    prepared(photos, study, image_sizes=[256])
    data = open_dataset(study, image_size=256, resize="stretch")

    packed = pickle.dumps(data)
    copy = pickle.loads(packed)

    assert len(packed) < 10_000
    assert isinstance(copy.train.images, np.memmap)
    assert np.array_equal(copy.test.batch([1])[0], data.test.batch([1])[0])


def test_progress_tells_each_stage(photos: Path, study: Path) -> None:
    told: list[tuple[str, int, int]] = []
    prepared(photos, study, image_sizes=[11], progress=lambda *step: told.append(step))

    assert [step for step in told if step[1] == step[2]] == [("read", 30, 30), ("decode", 30, 30)]


def test_the_same_pictures_are_divided_alike_wherever_they_lie(photos: Path, tmp_path: Path) -> None:
    prepared(photos, tmp_path / "one")
    other = tmp_path / "other"
    for path in sorted(photos.rglob("*.png"), reverse=True):
        target = other / path.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    prepared(other, tmp_path / "two")

    assert sides(tmp_path / "one") == sides(tmp_path / "two")


def test_another_study_uses_the_same_decoded_pictures(photos: Path, tmp_path: Path) -> None:
    prepared(photos, tmp_path / "one")
    told: list[str] = []
    prepared(photos, tmp_path / "two", progress=lambda stage, *_: told.append(stage))

    assert set(told) == {"read"}


# --- what cannot be used ---------------------------------------------------------------------------------------------


def test_damaged_pictures_are_left_out_with_a_reason(photos: Path, study: Path) -> None:
    whole = (photos / "ants" / "0.png").read_bytes()
    (photos / "ants" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "ants" / "empty.jpg").touch()
    (photos / "bees" / "notes, old.txt").write_text("x")

    found = prepared(photos, study)

    assert [path for path, _ in found.left_out] == ["ants/cut.png", "ants/empty.jpg", "bees/notes, old.txt"]
    assert found.warnings == ("2 pictures cannot be read, left out: ants/cut.png, ants/empty.jpg",)
    rows = list(csv.DictReader((study / "unreadable.csv").open(encoding="utf-8", newline="")))
    assert [(row["path"], row["reason"]) for row in rows] == list(found.left_out)
    assert sum(map(sum, (counts.values() for counts in found.counts.values()))) == 30


def test_a_class_that_loses_all_its_pictures_is_an_error(photos: Path, study: Path) -> None:
    (photos / "wasps").mkdir()
    (photos / "wasps" / "a.jpg").write_bytes(b"broken")

    with pytest.raises(DataError, match=r"no picture of wasps can be used; the first, wasps/a\.jpg: not a picture in a known format"):
        prepared(photos, study)
    assert not (study / "split.json").exists()


def test_names_that_are_not_text(photos: Path, study: Path) -> None:
    odd = os.fsencode(photos / "ants") + b"/\xff\xfe.png"
    paint(photos / "ants" / "x.png", 77).rename(os.fsdecode(odd))
    cut = os.fsencode(photos / "ants") + b"/\xff.png"
    Path(os.fsdecode(cut)).write_bytes(b"\x89PNG")

    found = prepared(photos, study)

    assert found.counts["train"]["ants"] + found.counts["validation"]["ants"] + found.counts["test"]["ants"] == 21
    assert "\\udcff.png" in (study / "unreadable.csv").read_text()
    assert prepared(photos, study).resumed
    open_dataset(study, image_size=8, resize="stretch")


# --- duplicates and leaks --------------------------------------------------------------------------------------------


def test_copies_stay_on_one_side(photos: Path, study: Path) -> None:
    for number in range(20):
        for copy in range(2):
            shutil.copyfile(photos / "ants" / f"{number}.png", photos / "ants" / f"copy{copy}-{number}.png")

    prepared(photos, study)

    where = sides(study)
    assert all(where[f"ants/{n}.png"] == where[f"ants/copy0-{n}.png"] == where[f"ants/copy1-{n}.png"] for n in range(20))
    assert set(where.values()) == {"train", "validation", "test"}


def test_contradictory_labels_are_left_out_everywhere(photos: Path, study: Path) -> None:
    shutil.copyfile(photos / "ants" / "3.png", photos / "bees" / "same.png")

    found = prepared(photos, study)

    assert dict(found.left_out) == {
        "ants/3.png": "the same picture as bees/same.png, which is labelled 'bees'",
        "bees/same.png": "the same picture as ants/3.png, which is labelled 'ants'",
    }
    assert found.warnings == ("1 picture under different labels, left out: ants/3.png = bees/same.png",)
    assert sides(study)["ants/3.png"] == "out"


def given_splits(root: Path, *names: str) -> Path:
    for first, name in enumerate(names):
        paint_classes(root / name, {"ants": 10, "bees": 10}, 100 * first)
    return root


def test_leaks_are_removed_from_the_side_that_judges_earlier(tmp_path: Path, study: Path) -> None:
    root = given_splits(tmp_path / "photos", "train", "val", "test")
    shutil.copyfile(root / "test/ants/1.png", root / "train/ants/leak.png")
    shutil.copyfile(root / "test/bees/1.png", root / "val/bees/leak.png")

    found = prepared(root, study)

    assert dict(found.left_out) == {
        "train/ants/leak.png": "the same picture as test/ants/1.png of the test split",
        "val/bees/leak.png": "the same picture as test/bees/1.png of the test split",
    }
    assert "2 copies of validation or test pictures elsewhere, left out" in found.warnings[0]
    assert [found.total(split) for split in ("train", "validation", "test")] == [20, 20, 20]


@pytest.mark.parametrize(
    ("names", "test", "expected"),
    [
        (("train", "val", "test"), 0.2, [20, 20, 20]),
        (("train", "test"), 0.2, [16, 4, 20]),
        (("train", "val"), 0.2, [16, 20, 4]),
        (("train", "val"), 0.0, [20, 20, 0]),
        (("train",), 0.2, [12, 4, 4]),
    ],
)
def test_given_splits_are_kept_and_missing_ones_cut_from_train(
    tmp_path: Path, study: Path, names: tuple[str, ...], test: float, expected: list[int]
) -> None:
    found = prepared(given_splits(tmp_path / "photos", *names), study, test=test)

    assert [found.total(split) for split in ("train", "validation", "test")] == expected
    held = {"val": "validation", "test": "test"}
    assert all(side == held[path.split("/")[0]] for path, side in sides(study).items() if not path.startswith("train/"))


def test_a_class_without_training_pictures_is_an_error(tmp_path: Path, study: Path) -> None:
    root = given_splits(tmp_path / "photos", "train", "test")
    paint(root / "test/wasps/0.png", 999)

    with pytest.raises(DataError, match="wasps has no training pictures"):
        prepared(root, study)


def test_groups_of_a_manifest_stay_on_one_side(tmp_path: Path, study: Path) -> None:
    lines = [f"{paint(tmp_path / f'{n}.png', n).name},{'ab'[n % 2]},patient {n // 4}" for n in range(80)]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,label,group", *lines]))

    found = prepared(tmp_path, study)

    where = sides(study)
    assert all(len({where[f"{4 * patient + n}.png"] for n in range(4)}) == 1 for patient in range(20))
    assert [found.total(split) for split in ("train", "validation", "test")] == [48, 16, 16]


def test_groups_that_the_table_tears_apart_are_named(tmp_path: Path, study: Path) -> None:
    lines = [f"{paint(tmp_path / f'{n}.png', n).name},{'ab'[n % 2]},{'val' if n > 15 else 'train'},patient {n // 10}" for n in range(20)]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,label,split,group", *lines]))

    found = prepared(tmp_path, study)

    assert "1 group on several sides because the data puts them there: patient 1" in found.warnings
    assert all(side == "validation" for path, side in sides(study).items() if int(path[:-4]) > 15)


# --- too little ------------------------------------------------------------------------------------------------------


def test_a_class_with_one_picture_trains_and_is_named(tmp_path: Path, study: Path) -> None:
    found = prepared(paint_classes(tmp_path / "photos", {"ants": 10, "rare": 1, "two": 2}), study)

    assert found.counts["train"]["rare"] == 1
    assert (found.counts["validation"]["two"], found.counts["test"]["two"]) == (1, 0)
    assert found.warnings == (
        "1 class without validation pictures, too few to divide or not given: rare",
        "2 classes without test pictures, too few to divide or not given: rare, two",
    )


def test_too_few_pictures_for_validation(tmp_path: Path, study: Path) -> None:
    with pytest.raises(DataError, match="2 pictures are too few for a validation split"):
        prepared(paint_classes(tmp_path / "photos", {"ants": 1, "bees": 1}), study)


@pytest.mark.parametrize("shares", [{"validation": 0.0}, {"validation": 0.5, "test": 0.5}, {"test": -0.1}, {"image_sizes": []}])
def test_settings_without_sense(photos: Path, study: Path, shares: dict[str, float]) -> None:
    with pytest.raises(DataError, match="validation share above 0"):
        prepared(photos, study, **shares)


# --- again -----------------------------------------------------------------------------------------------------------


def test_unchanged_data_keeps_the_split(photos: Path, study: Path) -> None:
    first = prepared(photos, study)
    before = sides(study)

    again = prepared(photos, study, seed=9, image_sizes=[16])

    assert again.resumed
    assert again.counts == first.counts
    assert again.warnings == ("the split of the first run is kept: validation 0.2, test 0.2, seed 0",)
    assert sides(study) == before
    assert open_dataset(study, image_size=16, resize="stretch").image_size == 16


def test_unchanged_files_are_not_read_again(photos: Path, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in photos.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    prepared(photos, study)
    monkeypatch.setattr(fingerprint, "digest", lambda _: pytest.fail("a file was read again"))

    assert prepared(photos, study).resumed


def test_files_that_were_fresh_when_they_were_hashed_are_read_again(photos: Path, study: Path) -> None:
    """A second change within the clock's resolution leaves size and time as they were."""
    prepared(photos, study)
    path = photos / "ants" / "0.png"
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(DataError, match=r"1 changed \(ants/0\.png\)"):
        prepared(photos, study)


def test_changed_data_is_refused_with_the_difference(photos: Path, study: Path) -> None:
    prepared(photos, study)
    before = (study / "split.json").read_bytes()
    for number in range(5):
        paint(photos / "bees" / f"new{number}.png", 500 + number)
    (photos / "ants" / "1.png").unlink()
    paint(photos / "ants" / "2.png", 600)

    difference = r"5 added \(bees/new0\.png, .*, bees/new2\.png and 2 more\), 1 removed \(ants/1\.png\), 1 changed \(ants/2\.png\)"
    with pytest.raises(DataError, match=difference):
        prepared(photos, study)
    assert (study / "split.json").read_bytes() == before


def test_relabelled_data_is_refused(photos: Path, study: Path) -> None:
    prepared(photos, study)
    (photos / "ants" / "1.png").rename(photos / "bees" / "ant.png")

    with pytest.raises(DataError, match=r"1 added \(bees/ant\.png\), 1 removed \(ants/1\.png\)"):
        prepared(photos, study)


def test_regrouped_data_is_refused(tmp_path: Path, study: Path) -> None:
    rows = [f"{paint(tmp_path / f'{n}.png', n).name},{'ab'[n % 2]}," for n in range(20)]
    table = tmp_path / "manifest.csv"
    table.write_text("\n".join(["path,label,group", *rows]))
    prepared(table, study)
    table.write_text("\n".join(["path,label,group", *rows[:-2], *(f"{row}g" for row in rows[-2:])]))

    with pytest.raises(DataError, match="other groups"):
        prepared(table, study)


def test_removing_what_was_never_used_is_no_change(photos: Path, study: Path) -> None:
    (photos / "ants" / "broken.png").write_bytes(b"x")
    prepared(photos, study)
    (photos / "ants" / "broken.png").unlink()

    assert prepared(photos, study, image_sizes=[12]).resumed


def test_moved_data_is_accepted(photos: Path, study: Path, tmp_path: Path) -> None:
    prepared(photos, study)
    before = sides(study)
    photos.rename(tmp_path / "elsewhere")

    with pytest.raises(DataError, match="photos does not exist"):
        prepared(photos, study)
    found = prepared(tmp_path / "elsewhere", study)

    assert (found.resumed, found.data) == (True, str(tmp_path / "elsewhere"))
    assert sides(study) == before


def test_cleared_cache_is_filled_again(photos: Path, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "ants" / "broken.png").write_bytes(b"x")
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))
    prepared(photos, study)
    expected = open_dataset(study, image_size=8, resize="stretch").train.batch([0, 1])[0]
    shutil.rmtree(tmp_path / "cache")
    (photos / "ants" / "broken.png").unlink()

    assert np.array_equal(open_dataset(study, image_size=8, resize="stretch").train.batch([0, 1])[0], expected)

    shutil.rmtree(tmp_path / "cache")
    paint(photos / "ants" / "0.png", 900)
    with pytest.raises(DataError, match=r"ants/0\.png has changed since it was first read"):
        open_dataset(study, image_size=8, resize="stretch")
    (photos / "ants" / "0.png").unlink()
    with pytest.raises(DataError, match=r"ants/0\.png could be read before, but not now: No such file"):
        open_dataset(study, image_size=8, resize="stretch")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1, "columns": []}', '{"version": 0, "columns": []}'])
def test_damaged_split_file(photos: Path, study: Path, content: str) -> None:
    study.mkdir()
    (study / "split.json").write_text(content)

    with pytest.raises(DataError, match=r"split\.json (is damaged|was written by another version)"):
        prepared(photos, study)


def test_opening_what_was_never_prepared(study: Path) -> None:
    with pytest.raises(DataError, match="have not been prepared yet"):
        open_dataset(study, image_size=8, resize="stretch")


def test_arrays(tmp_path: Path, study: Path) -> None:
    x = np.stack([np.asarray(noise(seed)) for seed in range(30)])
    write_arrays(tmp_path / "arrays.npz", x, np.arange(30) % 3, ["red", "green", "blue"])

    found = prepared(tmp_path, study)
    data = open_dataset(study, image_size=8, resize="stretch")

    assert found.classes == ("red", "green", "blue")
    assert [found.total(split) for split in ("train", "validation", "test")] == [18, 6, 6]
    number = int(data.test.names[2].strip("x[]"))
    assert data.test.labels[2] == number % 3
    assert np.array_equal(data.test.batch([2])[0][0], read_picture(x[number], size=8))
    assert prepared(tmp_path, study).resumed
