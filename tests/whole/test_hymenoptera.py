"""The main job on photographs, in short: a search over a pretrained backbone with two workers, killed once, resumed, watched, exported."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

import automl
from automl.searches.folder import StudyFolder

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

SPACE = """
study: ants-bees
data:
  path: {pictures}
  resize: crop
  validation: 0.25
model:
  backbone: {{name: MobileNet, alpha: 0.25}}
  unfreeze: {{int: [0, 2]}}
  head:
    dropout: {{float: [0.0, 0.4]}}
augment:
  strength: {{float: [0.0, 0.5], step: 0.25}}
  flip: horizontal
train:
  epochs: 6
  learning_rate: {{float: [3.0e-3, 2.0e-2], log: true}}
search:
  trials: 5
  workers: 2
  pruner: {{name: median, n_startup_trials: 2, n_warmup_steps: 2}}
"""

PLAIN_KERAS = """
import json, sys
sys.modules["automl"] = None
import keras, numpy
from PIL import Image, ImageOps
from pathlib import Path
model = keras.models.load_model(sys.argv[1], safe_mode=True)
labels = (Path(sys.argv[1]).parent / "labels.txt").read_text().split()
right = total = 0
for label in labels:
    files = sorted((Path(sys.argv[2]) / label).iterdir())
    images = [ImageOps.fit(Image.open(file).convert("RGB"), (224, 224), Image.Resampling.BILINEAR) for file in files]
    found = model.predict(numpy.stack([numpy.asarray(image) for image in images]), verbose=0).argmax(axis=1)
    right, total = right + int((found == labels.index(label)).sum()), total + len(files)
print(json.dumps({"right": right, "total": total}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("photographs")
    data = request.getfixturevalue("real_data_folder")
    (folder / "ants-bees.yaml").write_text(SPACE.format(pictures=data / "data" / "hymenoptera"))
    return folder


@pytest.fixture(scope="module")
def environment(real_data_folder):
    return os.environ | {"KERAS_HOME": str(real_data_folder / "keras")}


@contextmanager
def command(*words, cwd, env, **options):
    process = subprocess.Popen([sys.executable, "-m", "automl.cli.main", *words], cwd=cwd, env=env, text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def finished(place, environment):
    """The study after a search that was killed when its second trial had ended, and resumed; with the log of the second run."""
    with command("search", "--space", "ants-bees.yaml", cwd=place, env=environment, stderr=subprocess.PIPE) as first:
        for line in first.stderr:
            if line.startswith("2/5"):
                os.kill(first.pid, signal.SIGKILL)
                break
        else:
            pytest.fail("the search ended before it could be killed")
    folder = StudyFolder(place / "studies" / "ants-bees")
    before = {result.number: result for result in folder.results()}
    assert len(before) >= 2
    with command(
        "search", "--space", "ants-bees.yaml", cwd=place, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as second:
        out, err = second.communicate(timeout=280)
    assert second.returncode == 0, err
    for number, result in before.items():
        assert folder.result(number) == result
    return folder, out


def test_killed_and_resumed_to_the_exact_total(finished):
    folder, _ = finished
    results = list(folder.results())
    assert [result.number for result in results] == [0, 1, 2, 3, 4]
    assert any(result.attempt == 2 for result in results)
    assert {result.outcome for result in results} <= {"complete", "pruned"}


def test_the_winner_knows_ants_from_bees_in_plain_keras(finished, real_data_folder):
    folder, out = finished
    test = real_data_folder / "data" / "hymenoptera" / "test"
    code = [sys.executable, "-c", PLAIN_KERAS, str(folder.best / "model.keras"), str(test)]
    done = subprocess.run(code, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(done.stdout.splitlines()[-1])
    said = json.loads((folder.best / "metrics.json").read_text())["test"]
    assert found["total"] == said["pictures"] == 153
    # Pillow's fit crops half a pixel elsewhere, so a picture or two may fall on the other side.
    assert found["right"] / 153 == pytest.approx(said["metrics"]["accuracy"], abs=0.04)
    assert found["right"] / 153 > 0.78
    assert f"{said['metrics']['accuracy']:.4f}" in out


def test_photographs_of_other_things_are_classified_without_a_hitch(finished, real_data_folder):
    folder, _ = finished
    photographs = sorted((real_data_folder / "photos").iterdir())
    predictions = automl.predict(folder.path, photographs)
    assert len(predictions) == len(photographs)
    assert all(sum(prediction.probabilities.values()) == pytest.approx(1.0, abs=1e-4) for prediction in predictions)


@pytest.mark.browser
def test_the_dashboard_shows_the_study(finished, place, environment, browser_program):
    from playwright.sync_api import sync_playwright

    folder, _ = finished
    with command("dashboard", str(folder.path), cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as served:
        url = next(found.group() for found in (re.search(r"http://127\.0\.0\.1:\d+", line) for line in served.stdout) if found)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_program, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 1200})
            complaints: list[str] = []
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.goto(f"{url}/dashboard/studies/1")
            expected = ("Hyperparameter Importance", "Intermediate values", "train.learning_rate", "model.unfreeze", "val_accuracy")
            for text in expected:
                page.get_by_text(text).first.wait_for(timeout=60_000)
            page.screenshot(path=place / "dashboard.png")
            browser.close()
    assert not complaints
