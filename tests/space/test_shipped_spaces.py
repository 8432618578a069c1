"""Every shipped space file is read, says what it is for, and can be copied."""

from pathlib import Path

import pytest

from automl.errors import SpaceError
from automl.space import load
from automl.space.shipped import SCHEMA_FILE, copy_space, list_spaces, read_space

FOLDER = Path(__file__).parents[2] / "search_spaces"


def test_every_shipped_file_is_listed() -> None:
    assert [space.name for space in list_spaces()] == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert {"quickstart", "cnn", "transfer", "transfer-small"} <= {space.name for space in list_spaces()}


@pytest.mark.parametrize("space", list_spaces(), ids=lambda space: space.name)
def test_every_shipped_file_is_read_and_explains_itself(space, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lines = space.text.splitlines()
    assert lines[0] == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    assert space.purpose
    for word in ("# Purpose:", "# Command:", "# Override:", "# Cost:", "# Result:"):
        assert any(line.startswith(word) for line in lines)
    assert f"automl search --space search_spaces/{space.name}.yaml" in space.text
    copied = load(copy_space(space.name, tmp_path))
    assert copied.study == space.name
    assert copied.parameters == load(FOLDER / f"{space.name}.yaml").parameters
    assert copied.parameters


def test_the_overrides_in_the_headers_work() -> None:
    found = 0
    for space in list_spaces():
        header = next(line for line in space.text.splitlines() if line.startswith("# Override:"))
        words = header.split()
        overrides = [words[index + 1] for index, word in enumerate(words) if word == "--set"]
        found += len(overrides)
        assert load(FOLDER / f"{space.name}.yaml", overrides=overrides)
    assert found >= 3


def test_copies_do_not_overwrite(tmp_path: Path) -> None:
    target = copy_space("cnn", tmp_path / "deep" / "mine.yaml")
    assert target.read_text() == read_space("cnn.yaml")
    assert (tmp_path / "deep" / SCHEMA_FILE).read_bytes() == (FOLDER / SCHEMA_FILE).read_bytes()
    with pytest.raises(SpaceError, match=r"mine\.yaml: exists already; choose another name, or remove it first"):
        copy_space("cnn", target)
    with pytest.raises(SpaceError, match="expected the name of a shipped space, but got 'cn'; did you mean 'cnn'"):
        copy_space("cn", tmp_path)
