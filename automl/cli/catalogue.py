"""The space files that come along: beside the package in a checkout, inside it when it is installed."""

from pathlib import Path

import automl
from automl.errors import SpaceError
from automl.space.problems import did_you_mean


def folder() -> Path:
    """Where they lie."""
    package = Path(automl.__file__).parent
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"


def names() -> list[str]:
    """Their names, without .yaml."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def listing() -> list[dict[str, str]]:
    """Name and purpose of each; the purpose is the first line of the file's header."""
    return [{"name": name, "purpose": _purpose(folder() / f"{name}.yaml"), "file": str(folder() / f"{name}.yaml")} for name in names()]


def _purpose(path: Path) -> str:
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.lstrip("#").strip()
        if line.startswith("#") and text and not text.startswith("yaml-language-server"):
            return text.removeprefix("Purpose:").strip()
        if line and not line.startswith("#"):
            break
    return ""


def find(name: str) -> Path:
    """The file of this name.

    Raises:
        SpaceError: There is none.
    """
    path = folder() / f"{name.removesuffix('.yaml')}.yaml"
    if name.removesuffix(".yaml") not in names():
        raise SpaceError(
            f"{name}: expected one of the space files that come along, but there is none of this name{did_you_mean(name, names())}"
        )
    return path


def copy(name: str, to: Path | None) -> Path:
    """Copy a file without overwriting one.

    Args:
        to: A file or an existing folder; None for the current folder.

    Raises:
        SpaceError: There is no such space file, or the target exists already.
    """
    source = find(name)
    target = Path(source.name) if to is None else to / source.name if to.is_dir() else to
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise SpaceError(f"{target}: expected a new file, but it exists; give another name after {name}") from None
    except FileNotFoundError:
        raise SpaceError(f"{target}: expected a file in a folder that exists, but there is no {target.parent}") from None
    return target
