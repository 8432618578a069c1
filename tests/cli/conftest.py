"""The command line in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_studies import SPACE
from typer.testing import CliRunner

from automl.cli.main import app


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keras_home: Path) -> Callable[..., Any]:
    """`automl WORD...` in an empty folder, in this process; a crash fails the test instead of becoming an exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))

    def call(*words: object) -> Any:
        found = CliRunner().invoke(app, [str(word) for word in words])
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return found

    return call
