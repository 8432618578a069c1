"""YAML 1.2 text to plain values with the line of each; the nodes are walked here, so that all mistakes are found in one go.

ruamel.yaml only scans and composes: duplicate keys, merge keys, aliases, tags and numbers are judged in this file, and no
tag of a file ever makes an object.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from automl.space.problems import Path, shown

LARGEST_BYTES = 256 * 1024
_DEEPEST = 30
_MOST_VALUES = 20_000
_LARGEST_INTEGER = 2**63 - 1
_TAG = "tag:yaml.org,2002:"
_NULLS = ("", "~", "null", "Null", "NULL")
# What ruamel's scanner raises on some malformed text besides its own errors, for example chr() of too large an escape.
_SCANNER_ERRORS = (YAMLError, ValueError, OverflowError, IndexError, KeyError, TypeError, AttributeError, AssertionError)


@dataclass
class Document:
    """What was read: plain values, the line of each path, and the mistakes as (path, message).

    Attributes:
        lost: The paths whose values could not be read, so that nothing more is to be said about them.
        repeated: Keys that stand in one mapping twice: their paths, the messages, and the lines of the second ones.
        whole: False when the text could not be read to its end, so that looking at `value` makes no sense.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[tuple[Path, str]] = field(default_factory=list)
    lost: set[Path] = field(default_factory=set)
    repeated: list[tuple[Path, str, int]] = field(default_factory=list)
    whole: bool = True


def read_document(content: bytes | str) -> Document:
    """Read one YAML document; mistakes are collected, never raised."""
    document = Document()
    if len(content) > LARGEST_BYTES:
        return _refused(document, f"expected a space file, but got {len(content):,} bytes; at most {LARGEST_BYTES:,} are read")
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            byte = error.object[error.start]
            return _refused(document, f"expected UTF-8 text, but got the byte 0x{byte:02x}; save the file as UTF-8", line)
    try:
        node = _compose(content)
    except MarkedYAMLError as error:
        return _refused(document, *_syntax(error))
    except _SCANNER_ERRORS as error:
        first = str(error).strip().split("\n")[0]
        return _refused(document, f"not YAML: {first}")
    if node is None:
        return _refused(document, "the file is empty; expected at least data.path and model.backbone")
    document.lines[()] = node.start_mark.line + 1
    _Walk(document).visit(node, (), ())
    return document


def plain(value: Any) -> Document:
    """The same for a mapping that was made in Python: plain values, and what cannot be written as YAML as mistakes."""
    document = Document()
    document.value = _plain(value, (), document, [_MOST_VALUES])
    return document


def _compose(text: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = None
    yaml.max_depth = _DEEPEST
    yaml.composer.warn_double_anchors = False
    return yaml.compose(io.StringIO(text))


def _refused(document: Document, message: str, line: int | None = None) -> Document:
    document.whole = False
    if line is not None:
        document.lines[()] = line
    document.mistakes.append(((), message))
    return document


def _syntax(error: MarkedYAMLError) -> tuple[str, int | None]:
    mark = error.problem_mark or error.context_mark
    what = (error.problem or error.context or "cannot be read").split(", if necessary")[0]
    if what.startswith("but ") and error.context:
        what = f"{error.context}, {what}"
    if mark is None:
        return f"not YAML: {what}", None
    return f"not YAML: {what} (column {mark.column + 1})", mark.line + 1


class _Walk:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._visited = 0

    def visit(self, node: Any, path: Path, parents: tuple[int, ...]) -> None:
        self._document.value = self._value(node, path, parents)

    def _mistake(self, path: Path, message: str, node: Any, *, is_lost: bool = True) -> None:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        self._document.mistakes.append((path, message))
        if is_lost:
            self._document.lost.add(path)

    def _value(self, node: Any, path: Path, parents: tuple[int, ...]) -> Any:
        self._visited += 1
        if self._visited > _MOST_VALUES:
            if self._visited == _MOST_VALUES + 1:
                self._document.whole = False
                self._mistake((), f"more than {_MOST_VALUES:,} values; aliases (*name) multiply what they stand for", node)
            return None
        if id(node) in parents:
            self._mistake(path, "an alias (*name) that contains itself", node)
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, SequenceNode):
            self._check_tag(node, path, "seq")
            return self._sequence(node, path, (*parents, id(node)))
        self._check_tag(node, path, "map")
        return self._mapping(node, path, (*parents, id(node)))

    def _check_tag(self, node: Any, path: Path, kind: str) -> None:
        if str(node.tag) != _TAG + kind:
            self._mistake(path, f"expected a value without a tag, but got {_short(node.tag)}", node)

    def _sequence(self, node: SequenceNode, path: Path, parents: tuple[int, ...]) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self._document.lines[(*path, index)] = item.start_mark.line + 1
            values.append(self._value(item, (*path, index), parents))
        return values

    def _mapping(self, node: MappingNode, path: Path, parents: tuple[int, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, ScalarNode) and str(key_node.tag) == _TAG + "merge":
                self._merge(value_node, path, parents, merged)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            inner = (*path, key)
            line = key_node.start_mark.line + 1
            if key in own:
                self._repeated(inner, key_node, value_node, parents)
                continue
            self._document.lines[inner] = line
            own[key] = self._value(value_node, inner, parents)
        return {**merged, **own}

    def _repeated(self, path: Path, key_node: Any, value_node: Any, parents: tuple[int, ...]) -> None:
        """A key for the second time: its value is looked at for mistakes only; the first one counts."""
        before = dict(self._document.lines)
        self._value(value_node, path, parents)
        self._document.lines.update(before)
        message = f"this key stands here twice; the first is in line {before[path]}"
        self._document.repeated.append((path, message, key_node.start_mark.line + 1))

    def _merge(self, node: Any, path: Path, parents: tuple[int, ...], merged: dict[str, Any]) -> None:
        items = node.value if isinstance(node, SequenceNode) else [node]
        for item in items:
            if not isinstance(item, MappingNode):
                self._mistake(path, f"expected a mapping after '<<', but got {shown(getattr(item, 'value', None))}", item)
                continue
            before = dict(self._document.lines)
            value = self._value(item, path, parents)
            # A key that stands in the mapping itself, or in an earlier merge, wins; so does its line.
            self._document.lines.update(before)
            for key, inner in (value or {}).items():
                merged.setdefault(key, inner)

    def _key(self, node: Any, path: Path) -> str | None:
        if not isinstance(node, ScalarNode):
            self._mistake(path, "expected a word as a key, but got a list or mapping", node, is_lost=False)
            return None
        value = self._scalar(node, (*path, str(node.value)))
        if value is None or isinstance(value, str):
            return value or str(node.value)
        # Numbers and true/false as keys only ever stand where they are unknown, so they are named as they were written.
        return str(node.value)

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        text = str(node.value)
        if kind in ("str", "timestamp", "value", "merge"):
            return self._text(text, path, node)
        if kind == "null":
            return None if text in _NULLS else self._text(text, path, node)
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in ("int", "float"):
            return self._number(text, kind, path, node)
        if kind != "bool":
            self._mistake(path, f"expected a value without a tag, but got {_short(node.tag)}", node)
        return self._text(text, path, node)

    def _text(self, text: str, path: Path, node: Any) -> str:
        if (message := _bad_text(text)) is not None:
            self._mistake(path, message, node)
            return ""
        return text

    def _number(self, text: str, kind: str, path: Path, node: Any) -> Any:
        digits = text.replace("_", "").lower()
        if kind == "int" and len(digits) > 25:
            self._mistake(path, f"expected a number of at most 64 bits, but got {shown(text)}", node)
            return None
        try:
            value = _integer(digits) if kind == "int" else float(digits.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            return self._text(text, path, node)
        if (message := _bad_number(value, text)) is not None:
            self._mistake(path, message, node)
            return None
        return value


def _integer(digits: str) -> int:
    sign = -1 if digits.startswith("-") else 1
    body = digits.lstrip("+-")
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2)):
        if body.startswith(prefix):
            return sign * int(body[2:], base)
    return sign * int(body)


def _bad_number(value: float, text: str) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"expected a finite number, but got {text}"
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return f"expected a number of at most 64 bits, but got {shown(text)}"
    return None


def _bad_text(text: str) -> str | None:
    if "\x00" in text:
        return "expected text, but got a zero character in it"
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "expected text, but got half of a surrogate pair in it"
    return None


def _short(tag: Any) -> str:
    return str(tag).replace(_TAG, "!!")


def _plain(value: Any, path: Path, document: Document, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0 or len(path) > _DEEPEST:
        document.whole = False
        document.mistakes = [((), "expected a space, but got a mapping that is too deep or too large, or contains itself")]
        return None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                document.mistakes.append((path, f"expected a word as a key, but got {shown(key)}"))
        return {key: _plain(item, (*path, key), document, left) for key, item in value.items() if isinstance(key, str)}
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_plain(item, (*path, index), document, left) for index, item in enumerate(value)]
    message = None
    if isinstance(value, str):
        message = _bad_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        message = _bad_number(value, str(value)[:100])
    elif value is not None and not isinstance(value, bool):
        message = f"expected a plain value, list or mapping, but got {type(value).__name__}"
    if message is not None:
        document.mistakes.append((path, message))
        document.lost.add(path)
        return None
    return value
