"""constraints.txt pins everything that pyproject.toml asks for, and what that brings along."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GROUPS = {"base": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
DIRECT = [pytest.param(line, id=f"{group}: {line}") for group, lines in GROUPS.items() for line in lines]


def read_pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[^\s;=,]+", line) for line in pins)
    assert pins == sorted(set(pins), key=lambda line: line.partition("==")[0])
    return dict(line.split("==") for line in pins)


PINS = read_pins()


@pytest.mark.parametrize("line", DIRECT)
def test_pin_satisfies_pyproject(line: str) -> None:
    requirement = Requirement(line)
    name = canonicalize_name(requirement.name)

    assert requirement.specifier, f"{line}: expected a lower bound"
    assert name in PINS
    assert requirement.specifier.contains(PINS[name], prereleases=True)


def test_everything_brought_along_is_pinned() -> None:
    """Follows the requirements of what is installed; what is not installed here cannot be followed."""
    waiting = [Requirement(line) for lines in GROUPS.values() for line in lines]
    seen: set[tuple[str, frozenset[str]]] = set()
    unpinned: dict[str, str] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        if name not in PINS:
            unpinned[name] = str(requirement)
        try:
            brought = [Requirement(line) for line in requires(requirement.name) or []]
        except PackageNotFoundError:
            continue
        extras = [*requirement.extras, ""]
        waiting += [each for each in brought if not each.marker or any(each.marker.evaluate({"extra": extra}) for extra in extras)]

    assert len(seen) > len(DIRECT)
    assert unpinned == {}
