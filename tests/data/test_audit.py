"""inspect says what is there and changes nothing."""

import json
import shutil
from pathlib import Path

from painting import noise, paint, paint_classes

from automl.data import count_pictures, inspect


def test_audit_of_class_folders(tmp_path: Path) -> None:
    paint_classes(tmp_path, {"ants": 30, "bees": 2, "empty": 0})
    noise(500, 40, 20).convert("L").save(tmp_path / "bees" / "gray.jpg")
    (tmp_path / "bees" / "broken.jpg").write_bytes(b"x")
    shutil.copyfile(tmp_path / "ants" / "0.png", tmp_path / "ants" / "copy.png")
    before = sorted(tmp_path.rglob("*"))

    audit = inspect(str(tmp_path))

    assert (audit.kind, audit.path, audit.classes, audit.pictures) == ("class_folders", str(tmp_path), ("ants", "bees"), 34)
    assert audit.counts == {"undivided": {"ants": 31, "bees": 3}}
    assert audit.width is not None
    assert audit.height is not None
    assert (audit.width.min, audit.width.median, audit.width.max) == (12, 12, 40)
    assert (audit.height.min, audit.height.max) == (10, 20)
    assert (audit.modes, audit.formats) == ({"RGB": 33, "L": 1}, {"PNG": 33, "JPEG": 1})
    assert audit.unreadable == (("bees/broken.jpg", "not a picture in a known format"),)
    assert audit.duplicates == (("ants/0.png", "ants/copy.png"),)
    assert (audit.leaks, audit.conflicts) == ((), ())
    assert audit.warnings == (
        "class folder empty/ holds no pictures",
        "1 picture cannot be read: bees/broken.jpg",
        "the classes are uneven: 31 pictures of ants, 3 of bees",
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_audit_finds_leaks_and_conflicts(tmp_path: Path) -> None:
    for first, side in ((0, "train"), (100, "test")):
        paint_classes(tmp_path / side, {"ants": 3, "bees": 3}, first)
    shutil.copyfile(tmp_path / "test/ants/0.png", tmp_path / "train/ants/leak.png")
    shutil.copyfile(tmp_path / "train/ants/1.png", tmp_path / "train/bees/other.png")

    audit = inspect(str(tmp_path))

    assert audit.counts == {"train": {"ants": 4, "bees": 4}, "test": {"ants": 3, "bees": 3}}
    assert audit.leaks == (("train/ants/leak.png", "test/ants/0.png"),)
    assert audit.conflicts == (("train/ants/1.png", "train/bees/other.png"),)
    assert len(audit.duplicates) == 2


def test_audit_is_json(tmp_path: Path) -> None:
    paint_classes(tmp_path, {"ants": 2, "bees": 2})

    audit = inspect(str(tmp_path))

    assert json.loads(audit.to_json()) == audit.model_dump()
    assert audit.model_dump()["width"] == {"min": 12, "median": 12, "max": 12}


def test_audit_of_data_without_a_readable_picture(tmp_path: Path) -> None:
    for name in ("ants", "bees"):
        paint(tmp_path / name / "a.png", 0).write_bytes(b"x")

    audit = inspect(str(tmp_path))

    assert (audit.pictures, audit.width, audit.counts) == (0, None, {})


def test_count_needs_no_download() -> None:
    assert count_pictures("cifar100") == 60_000
