"""The list of mistakes in one space file: each knows its place, and all are raised at once."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.errors import SpaceError

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the file, for example ("train", "learning_rate", 0, "float")."""

_LONGEST_SHOWN = 80


def shown(value: Any) -> str:
    """A received value as it stands in a message, cut when it is long."""
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return shortened(text)


def shortened(text: str) -> str:
    """A text cut to what a message can hold."""
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 4] + " ..."


def listed(words: Iterable[Any], last: str = "or") -> str:
    """Words as a sentence lists them: a, b or c."""
    texts = [str(word) for word in words]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def some(names: Sequence[str], most: int = 6) -> str:
    """Names as a sentence lists them when there may be many: a, b and 37 more."""
    return listed(names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"], "and")


def nearest(word: Any, known: Iterable[Any]) -> str | None:
    """The known word that somebody who wrote `word` most likely meant."""
    if not isinstance(word, str):
        return None
    names = {str(name).lower(): str(name) for name in known if isinstance(name, str)}
    found = difflib.get_close_matches(word.lower()[:200], list(names), n=1, cutoff=0.6)
    return names[found[0]] if found else None


def did_you_mean(word: Any, known: Iterable[Any]) -> str:
    """The end of a message about an unknown word: the nearest known one, or all of them when they are few."""
    names = [name for name in known if isinstance(name, str)]
    near = nearest(word, names)
    if near is not None:
        return f"; did you mean '{near}'?"
    return f"; known are {listed(names, 'and')}" if 0 < len(names) <= 12 else ""


def unknown_key(word: str, known: Iterable[str]) -> str:
    """The message about a key that is not in the schema."""
    return f"unknown key{did_you_mean(word, known)}"


def dotted(path: Path) -> str:
    """A path as the user writes it: train.learning_rate[0]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True)
class Problem:
    """One mistake: what is wrong at which place."""

    path: Path
    message: str
    line: int | None
    option: str | None = None

    def __str__(self) -> str:
        place = self.option or (f"line {self.line}" if self.line is not None else "")
        name = dotted(self.path)
        return ": ".join(part for part in (place, name, self.message) if part)


class Problems:
    """Collects the mistakes of one file.

    Args:
        source: The file's name, as the messages show it.
        lines: The line of each path that the file holds.
    """

    def __init__(self, source: str, lines: Mapping[Path, int]) -> None:
        self.source = source
        self.broken: set[Path] = set()
        self._lines = lines
        self._options: dict[Path, str] = {}
        self._found: list[Problem] = []

    def add(self, path: Path, message: str, *, shows: Path | None = None, line: int | None = None) -> None:
        """Record a mistake.

        Args:
            path: The place in the file, as exact as it is known; its line is shown.
            shows: The name to show, when it is not the path itself.
            line: The line, when it is not that of the path.
        """
        problem = Problem(path if shows is None else shows, message, line or self._line(path), self._option(path))
        if problem not in self._found:
            self._found.append(problem)

    def add_option(self, option: str, message: str) -> None:
        """Record a mistake in an option of the command line itself."""
        self._found.append(Problem((), message, None, option))

    def is_broken(self, path: Path) -> bool:
        """Whether a mistake was found at this place, around it or inside it, so that more about it would be noise."""
        return any(path[: len(other)] == other or other[: len(path)] == path for other in self.broken)

    def use_options(self, options: Mapping[Path, str]) -> None:
        """Name these options instead of a line for the paths that they set."""
        self._options = dict(options)

    @property
    def found(self) -> Sequence[Problem]:
        """The mistakes in the order of their lines, those of the options last."""
        return sorted(self._found, key=lambda problem: (problem.option is not None, problem.line or 0))

    def raise_found(self) -> None:
        """End the reading if there was any mistake.

        Raises:
            SpaceError: With all of them.
        """
        if self._found:
            texts = [str(problem) for problem in self.found]
            count = f"{len(texts)} problem" + ("s" if len(texts) > 1 else "")
            raise SpaceError(f"{self.source} has {count}:\n" + "\n".join(f"  {text}" for text in texts), texts)

    def _option(self, path: Path) -> str | None:
        for end in range(len(path), 0, -1):
            if path[:end] in self._options:
                return self._options[path[:end]]
        if path and path not in self._lines:
            return next((option for other, option in self._options.items() if other[: len(path)] == path), None)
        return None

    def _line(self, path: Path) -> int | None:
        if self._option(path):
            return None
        for end in range(len(path), -1, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return None
