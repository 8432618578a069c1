"""What README.md and docs/ say is true: every command line runs, every Python block runs, every link leads somewhere.

The command lines run in order in one folder. Searches are made smaller by the overrides of `SMALLER`; everything else runs as it
is written. What cannot run here is named in `RUN_ELSEWHERE` with the test that runs it.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl.cli.main import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
INLINE_COMMAND = re.compile(r"`(?P<words>(?:automl|make) [a-z][a-z-]*)[^`]*`")

SMALLER = (
    "--trials=2", "--set=train.epochs=1", "--set=data.image_size=16", "--set=model.unfreeze=null", "--set=search.start=[]",
    "--set=model.backbone={name: cnn, blocks: 1, filters: 4}",
)  # fmt: skip
"""For `automl search`, whose own options come before and so lose against these."""

FEWER_FORMATS = {"keras,saved_model,onnx,litert": "keras,onnx"}
"""For `automl export`; tests/whole/test_quickstart.py writes all four."""

RUN_ELSEWHERE = {
    "automl stop": "tests/cli/test_cli_commands.py::test_stop_waits_until_the_owner_lets_go",
    "automl train": "tests/whole/test_quickstart.py::test_replay_gives_the_same_figures",
    "automl predict quickstart": "tests/whole/test_quickstart.py::test_the_winner_reads_digits",
}
INSTALLING = ("source .venv/bin/activate", ".venv/bin/pip install")
"""What `make` does too, and every run of the tests before it."""


def blocks(path, *languages):
    """The fenced blocks of some languages in a document."""
    return [found["text"] for found in FENCED.finditer(path.read_text(encoding="utf-8")) if found["language"] in languages]


def command_lines():
    """Every line of every shell block of every document, in order."""
    return [(path.name, line) for path in DOCUMENTS for block in blocks(path, "sh", "bash", "shell") for line in block.splitlines() if line]


# --- the folder in which all commands run ------------------------------------------------------------------------------------------


def paint(path, side, color):
    pixels = np.full((24, 32, 3), 200, np.uint8)
    pixels[4:20, side : side + 10] = color
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A checkout's files, the space file of the README, and made-up photographs."""
    folder = tmp_path_factory.mktemp("documents")
    shutil.copytree(ROOT / "search_spaces", folder / "search_spaces")
    (space,) = blocks(ROOT / "README.md", "yaml")
    (folder / "photos.yaml").write_text(space)
    for number in range(16):
        paint(folder / "photos" / "ants" / f"{number}.png", number % 8, (90 + number, 40, 30))
        paint(folder / "photos" / "bees" / f"{number}.png", 12 + number % 8, (220, 160 + number, 20))
    for number in (1, 2):
        paint(folder / "holiday" / f"{number}.jpg", 3 * number, (100, 45, 30))
    return folder


def environment():
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}


def run(words, home):
    done = subprocess.run(words, cwd=home, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def automl(*words):
    return [sys.executable, "-m", "automl.cli.main", *words]


def fetch_once(words, port, home):
    """Start a server, fetch its first page, end it."""
    server = subprocess.Popen([*words, "--port", str(port)], cwd=home, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/dashboard", timeout=10) as page:
                    assert b"<html" in page.read().lower()
                return
            except (urllib.error.URLError, ConnectionError):
                assert server.poll() is None, server.communicate()[0].decode()
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        server.terminate()
        server.communicate(timeout=30)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def targets():
    """The public targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def execute(line, home):
    """Run one command line of a document, or make sure that it is run elsewhere; fails for one of which neither is known."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        assert words[1] in targets()
    elif line.startswith(INSTALLING) or any(line.startswith(known) for known in RUN_ELSEWHERE):
        return
    elif words[0] == "optuna-dashboard" or words[:2] == ["automl", "dashboard"]:
        program = [str(Path(sys.executable).parent / "optuna-dashboard")] if words[0] == "optuna-dashboard" else automl()
        fetch_once([*program, *words[1:]], free_port(), home)
    elif words[0] == "automl":
        words = [FEWER_FORMATS.get(word, word) for word in words]
        run(automl(*words[1:], *(SMALLER if words[1] == "search" else ())), home)
    else:
        pytest.fail(f"expected a command that this test knows, but got: {line}")


# --- the tests ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("documents")
def test_every_command_line_and_python_block_runs(home):
    pytest.importorskip("onnxruntime")
    lines = command_lines()
    assert len(lines) > 20
    assert all(any(line.startswith(known) for _, line in lines) for known in (*RUN_ELSEWHERE, *INSTALLING))
    on_photos, *on_its_own = blocks(ROOT / "README.md", "python")
    with ThreadPoolExecutor() as beside:
        others = [beside.submit(run, [sys.executable, "-c", block], home) for block in on_its_own]
        # What `make demo` runs, and what the README's other commands need.
        execute("automl search --space search_spaces/quickstart.yaml", home)
        for document, line in lines:
            started = time.monotonic()
            execute(line, home)
            print(f"{time.monotonic() - started:5.1f} s  {document}: {line}")  # noqa: T201 - shown when the test fails
        # This block goes on with the study of the command lines, whose space stands in the study's folder.
        shutil.copyfile(home / "studies" / "photos" / "space.yaml", home / "photos.yaml")
        run([sys.executable, "-c", on_photos], home)
        for other in others:
            other.result()
    assert (home / "out" / "photos" / "model.keras").is_file()
    assert (home / "studies" / "arrays" / "best" / "model.keras").is_file()


def test_what_runs_elsewhere_is_there():
    for place in RUN_ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(), place


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_the_text_exist(path):
    commands = {command.callback.__name__ for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert {"search", "leaderboard", "spaces"} <= commands
    planned = path.name == "roadmap.md"
    for found in INLINE_COMMAND.finditer(FENCED.sub("", path.read_text(encoding="utf-8"))):
        program, name = found["words"].split()
        exists = name in (commands if program == "automl" else targets())
        assert exists or planned, found[0]


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "CHANGELOG.md", ROOT / "studies" / "README.md"], ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(path):
    for found in LINK.finditer(FENCED.sub("", path.read_text(encoding="utf-8"))):
        target = found["target"].partition("#")[0]
        if target and "://" not in target:
            assert (path.parent / target).is_file(), found[0]


def test_pictures_are_small_and_used():
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 300_000
        assert f"docs/images/{picture.name}" in text or f"images/{picture.name}" in text


def test_modules_that_the_architecture_names_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `([a-z_]+(?:\.py|/))", text, re.MULTILINE):
        assert (ROOT / "automl" / name).exists() or (ROOT / "automl" / "searches" / name).exists(), name
