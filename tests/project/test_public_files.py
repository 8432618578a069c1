"""What is published: no path of somebody's machine in a text, and a wheel with all that the installed tool reads."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
PRIVATE = {".git", ".venv", "__pycache__", "build", "dist", "node_modules"}
# Written apart, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(?:" + "|".join(("work", "root", "tmp", r"opt/(?:pypi\S*|wheels)")) + r")/[\w.]")
TEXT_LIMIT_BYTES = 2_000_000


def public_texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project that is not ignored by git, as (path relative to the root, text)."""
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        parts = relative.parts
        is_private = bool(PRIVATE.intersection(parts)) or any(part.endswith(("_cache", ".egg-info")) for part in parts)
        is_output = parts[0] == "studies" and parts[1:] != ("README.md",)
        if is_private or is_output or ".hypothesis" in parts or not path.is_file() or path.stat().st_size > TEXT_LIMIT_BYTES:
            continue
        try:
            yield relative, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_machine_paths() -> None:
    texts = dict(public_texts())
    assert {Path("pyproject.toml"), Path("Makefile"), Path(".ci/run"), Path("tests/conftest.py")} <= texts.keys()

    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_machine_path_is_recognised() -> None:
    assert MACHINE_PATH.search("see " + "/".join(("", "work", "main")))
    assert not MACHINE_PATH.search("photos/tmp/x and ~/tmp/x and https://example.org")


def test_wheel_holds_what_the_installed_tool_reads(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr

    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as opened:
        names = set(opened.namelist())
        (entry_points,) = (opened.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    spaces = {f"automl/search_spaces/{path.name}" for path in (ROOT / "search_spaces").glob("*.yaml")}
    assert spaces
    assert spaces | {"automl/models/backbones.json"} <= names
    assert {name.partition("/")[0] for name in names} == {"automl", f"automl-{version()}.dist-info"}
    assert "automl = automl.cli.main:main" in entry_points
    assert any(name.endswith("licenses/LICENSE") for name in names)


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
