"""Real photographs with every kind of oddity: all that a decoder takes is used, the rest is left out with a reason."""

import csv
import shutil
from pathlib import Path

import pytest
from painting import prepared

from automl.data import inspect, open_dataset

pytestmark = pytest.mark.real_data


@pytest.fixture
def messy(real_data_folder: Path, tmp_path: Path) -> Path:
    root = tmp_path / "messy"
    shutil.copytree(real_data_folder / "data" / "messy", root)
    (root / "empty_class").mkdir()
    return root


def test_everything_that_can_be_decoded_is_used(messy: Path, real_data_folder: Path, tmp_path: Path) -> None:
    with (real_data_folder / "data" / "messy_manifest.csv").open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table) if not row["path"].endswith("/")]
    decodable = {row["path"] for row in rows if row["pil_decode"] == "ok"}
    conflicting = {"daisy/made_label_conflict.jpg", "tulips/made_label_conflict.jpg"}

    found = prepared(messy, tmp_path / "study", image_sizes=[64])
    data = open_dataset(tmp_path / "study", image_size=64, resize="stretch")

    used = {name for side in (data.train, data.validation, data.test) for name in side.names}
    assert sum(row["kind"] == "clean" for row in rows) == 60
    assert used == decodable - conflicting
    assert {path for path, _ in found.left_out} == {row["path"] for row in rows} - used - {"daisy/Thumbs.db"}
    assert "class folder empty_class/ holds no pictures" in found.warnings


def test_audit_of_the_messy_set(messy: Path) -> None:
    audit = inspect(str(messy))

    assert audit.conflicts == (("daisy/made_label_conflict.jpg", "tulips/made_label_conflict.jpg"),)
    assert ("tulips/made_dup_a.jpg", "tulips/made_dup_b.jpg") in audit.duplicates
    assert audit.modes.keys() == {"RGB", "P", "CMYK", "I;16", "L", "RGBA"}
    assert (audit.width and audit.width.max, audit.width and audit.width.min) == (2400, 8)


def test_given_test_split_of_photographs(real_data_folder: Path, tmp_path: Path) -> None:
    found = prepared(real_data_folder / "data" / "hymenoptera", tmp_path, validation=0.15, test=0.15)

    assert found.counts["test"] == {"ants": 70, "bees": 83}
    assert found.counts["validation"] == {"ants": 18, "bees": 18}
    assert found.warnings == ()
