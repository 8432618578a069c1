"""The space files that come along, from a checkout's search_spaces/ or from the installed package."""

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from automl.errors import SpaceError
from automl.records import write_atomically
from automl.space.problems import did_you_mean, shown

SCHEMA_FILE = "space.schema.json"
"""The JSON Schema that the first line of each shipped file names for editors."""


@dataclass(frozen=True)
class ShippedSpace:
    """A space file that comes along.

    Attributes:
        name: The file's name without its ending.
        purpose: What it is for, from its header.
        text: The whole file.
    """

    name: str
    purpose: str
    text: str


def list_spaces() -> list[ShippedSpace]:
    """All shipped space files by name."""
    files = [item for item in _folder().iterdir() if item.name.endswith(".yaml")]
    return sorted((_read(item) for item in files), key=lambda space: space.name)


def read_space(name: str) -> str:
    """The text of one shipped file, for example of "quickstart".

    Raises:
        SpaceError: There is none with this name.
    """
    known = {space.name: space.text for space in list_spaces()}
    key = name.removesuffix(".yaml")
    if key not in known:
        raise SpaceError(f"expected the name of a shipped space, but got {shown(name)}{did_you_mean(key, known)}")
    return known[key]


def copy_space(name: str, to: Path | str) -> Path:
    """Copy a shipped file for editing, with the schema that its first line names beside it.

    Args:
        to: The new file, or a folder for it.

    Raises:
        SpaceError: There is no such shipped file, the target exists, or it cannot be written.
    """
    text = read_space(name)
    target = Path(to)
    if target.is_dir():
        target = target / f"{name.removesuffix('.yaml')}.yaml"
    if target.exists():
        raise SpaceError(f"{target}: exists already; choose another name, or remove it first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.parent / SCHEMA_FILE).exists():
            write_atomically(target.parent / SCHEMA_FILE, (_folder() / SCHEMA_FILE).read_text(encoding="utf-8"))
        write_atomically(target, text)
    except OSError as error:
        raise SpaceError(f"{target}: cannot be written ({error.strerror})") from None
    return target


def _folder() -> Traversable:
    package = resources.files("automl")
    installed = package / "search_spaces"
    if installed.is_dir():
        return installed
    checkout = Path(str(package)).parent / "search_spaces"
    if checkout.is_dir():
        return checkout
    raise SpaceError(f"the space files that come along are missing; expected a folder search_spaces in or beside {package}")


def _read(item: Traversable) -> ShippedSpace:
    text = item.read_text(encoding="utf-8")
    purposes = [line.removeprefix("# Purpose:").strip() for line in text.splitlines() if line.startswith("# Purpose:")]
    return ShippedSpace(item.name.removesuffix(".yaml"), purposes[0] if purposes else "", text)
