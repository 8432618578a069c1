"""A folder with every kind of odd and corrupt file searches through, and says what was left out and why."""

import csv
import os
import shutil
import subprocess
import sys

import pytest

from automl.searches.folder import StudyFolder

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

SMALLER = (
    "train.epochs=2",
    "model.backbone={name: MobileNet, alpha: 0.25}",
    "search.start=[]",
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory, request):
    """The study's folder and what the search wrote."""
    home = tmp_path_factory.mktemp("messy")
    shared = request.getfixturevalue("real_data_folder")
    shutil.copytree(shared / "data" / "messy", home / "photos")
    (home / "photos" / "empty_class").mkdir()
    program = [sys.executable, "-m", "automl.cli.main"]
    subprocess.run([*program, "spaces", "copy", "transfer-small"], cwd=home, check=True)
    settings = [word for setting in SMALLER for word in ("--set", setting)]
    words = [*program, "search", "--space", "transfer-small.yaml", "--trials", "2", *settings]
    environment = os.environ | {"KERAS_HOME": str(shared / "keras")}
    done = subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return StudyFolder(home / "studies" / "transfer-small"), done.stderr


def test_the_search_ends_with_an_exported_winner(searched):
    folder, log = searched
    assert [result.outcome for result in folder.results()] == ["complete", "complete"]
    assert (folder.best / "model.keras").is_file()
    assert "Traceback" not in log


def test_what_was_left_out_is_said_and_written_down(searched):
    folder, log = searched
    assert "class folder empty_class/ holds no pictures" in log
    assert "3 pictures cannot be read, left out: daisy/made_empty.jpg, daisy/made_html.jpg, daisy/made_truncated60.jpg" in log
    assert "1 picture under different labels, left out: daisy/made_label_conflict.jpg = tulips/made_label_conflict.jpg" in log
    with (folder.path / "unreadable.csv").open(encoding="utf-8", newline="") as table:
        reasons = {row["path"]: row["reason"] for row in csv.DictReader(table)}
    assert len(reasons) == 6
    assert "the download probably failed" in reasons["daisy/made_html.jpg"]
    assert "truncated" in reasons["daisy/made_truncated60.jpg"]
    assert reasons["daisy/made_text.txt"] == "not a picture (.txt file)"
