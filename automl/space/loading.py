"""`load` and `from_mapping`: a file or dict, the command line's options and all checks, to a `SearchSpace` or one SpaceError."""

import copy
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from automl.errors import SpaceError
from automl.space import backbones, checks
from automl.space.document import LARGEST_BYTES, Document, plain, read_document
from automl.space.fields import ERROR_TYPE
from automl.space.parameters import compile_parameters
from automl.space.problems import Path as Place
from automl.space.problems import Problems, did_you_mean, dotted, listed, nearest, shortened, shown
from automl.space.schema import leaves, sections, space_model
from automl.space.searchspace import SearchSpace
from automl.space.settings import BUILTINS, ExportConfig, SearchConfig


def load(path: Path | str, *, overrides: Sequence[str] = (), data: str | None = None, study: str | None = None) -> SearchSpace:
    """Read a space file.

    Args:
        path: The YAML file. Relative paths in it are taken from its folder.
        overrides: `name=value` as `--set` has it, for example "train.epochs=3"; the value is read as YAML.
        data: Takes the place of data.path; a relative path is taken from the current directory.
        study: Takes the place of the study's name.

    Raises:
        SpaceError: With every mistake in the file and in the options.

    Example:
        >>> load("search_spaces/quickstart.yaml", overrides=["train.epochs=3"]).epochs
        3
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpaceError(f"{file}: cannot read the space file ({reason}); `automl spaces list` shows those that come along") from None
    given = _Given(read_document(content), file.name, Path(os.path.abspath(file)).parent, overrides, data, study)
    return given.space(_folder_name(file.stem))


def from_mapping(
    mapping: Mapping[str, Any],
    *,
    base: Path | str,
    source: str = "space",
    overrides: Sequence[str] = (),
    data: str | None = None,
    study: str | None = None,
) -> SearchSpace:
    """The same for a mapping; `base` is the folder from which relative paths are taken, `source` its name in messages.

    Raises:
        SpaceError: With every mistake in the mapping and in the options.
    """
    given = _Given(plain(mapping), source, Path(os.path.abspath(base)), overrides, data, study)
    return given.space(_folder_name(Path(source).stem))


def _folder_name(stem: str) -> str:
    """A file's name as the name of a folder: what is unusual in it becomes a dash."""
    return re.sub(r"[^\w.-]+", "-", stem).strip("-._")[:100] or "study"


class _Given:
    """What one call was given, and the steps from there to a space."""

    def __init__(self, document: Document, source: str, base: Path, overrides: Sequence[str], data: str | None, study: str | None) -> None:
        self.base = base
        self.options: dict[Place, str] = {}
        self.document = document
        self.source = source
        self.overrides = list(overrides)
        self.data = data
        self.study = study

    def space(self, name: str) -> SearchSpace:
        problems = Problems(self.source, self.document.lines)
        for path, message in self.document.mistakes:
            problems.add(path, message)
        for path, message, line in self.document.repeated:
            problems.add(path, message, line=line)
        if not self.document.whole:
            problems.raise_found()
        problems.broken |= self.document.lost
        tree = self.document.value
        if not isinstance(tree, dict):
            known = listed((path[0] for path in sections() if len(path) == 1), "and")
            problems.add((), f"expected a mapping with the sections {known}, but got {shown(tree)}")
            problems.raise_found()
        tree = copy.deepcopy(tree)
        self._apply_options(tree, problems)
        tree = _validated(tree, problems)
        tree["study"] = name if tree["study"] is None else tree["study"]
        self._resolve_paths(tree)
        fields = checks.run(tree, problems)
        problems.raise_found()
        return _assembled(tree, compile_parameters(fields))

    def _apply_options(self, tree: dict[str, Any], problems: Problems) -> None:
        for option in self.overrides:
            shows = shortened(f"--set {option}")
            name, equals, text = option.partition("=")
            path: Place = tuple(name.strip().split("."))
            if not equals or not all(path):
                problems.add_option(shows, "expected NAME=VALUE, for example train.epochs=3")
                continue
            document = read_document(text) if text.strip() else Document()
            for _, message in document.mistakes:
                problems.add_option(shows, message)
            for _, message, _ in document.repeated:
                problems.add_option(shows, message.split(";")[0])
            self._set(tree, path, document.value, shows, problems)
            problems.broken |= {(*path, *inner) for inner in document.lost} if document.whole else {path}
        if self.data is not None:
            held = self.data if self.data in BUILTINS else os.path.abspath(os.path.expanduser(self.data))
            self._set(tree, ("data", "path"), held, "--data", problems)
        if self.study is not None:
            self._set(tree, ("study",), self.study, "--study", problems)
        problems.use_options(self.options)

    def _set(self, tree: dict[str, Any], path: Place, value: Any, option: str, problems: Problems) -> None:
        held: Any = tree
        for end, part in enumerate(path[:-1], 1):
            if held.get(part) is None:
                held[part] = {}
            held = held[part]
            if not isinstance(held, dict):
                problems.add_option(option, f"{dotted(path[:end])} is {shown(held)}, which has no parts; set it as a whole")
                return
        held[path[-1]] = value
        self.options[path] = option

    def _resolve_paths(self, tree: dict[str, Any]) -> None:
        data, model = tree["data"], tree["model"]
        if data["path"] and data["path"] not in BUILTINS:
            data["path"] = self._absolute(data["path"])
        if model["weights"] not in ("imagenet", "none", ""):
            model["weights"] = self._absolute(model["weights"])

    def _absolute(self, path: str) -> str:
        home = os.path.expanduser(path) if path.startswith("~/") else path
        return os.path.abspath(self.base / home)


def _assembled(tree: dict[str, Any], parameters: Any) -> SearchSpace:
    search = SearchConfig.model_validate(tree["search"])
    search = search.model_copy(update={"direction": search.resolved_direction})
    export = ExportConfig.model_validate(tree["export"])
    return SearchSpace(study=tree["study"], parameters=parameters, search=search, export=export, tree=tree)


# --- the schema's pass -----------------------------------------------------------------------------------------------


def _validated(tree: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """The normalised tree. What is wrong is recorded and left out, so that the rest can still be checked."""
    placeholders = {("data", "path"): ".", ("model", "backbone"): next(iter(backbones.catalog()))}
    for _ in range(len(leaves())):
        _open_sections(tree, problems)
        try:
            return space_model().model_validate_json(json.dumps(tree), strict=True).model_dump()
        except pydantic.ValidationError as error:
            _record(error, tree, problems)
        for path, value in placeholders.items():
            if any(other == path for other in problems.broken):
                _place(tree, path, value)
    raise AssertionError("a field without its mistakes is still refused")


def _open_sections(tree: dict[str, Any], problems: Problems) -> None:
    """An empty section is one in which everything is left to its default."""
    for path in sections():
        if not path:
            continue
        held = _inside(tree, path[:-1])
        if not isinstance(held, dict):
            continue
        if held.get(path[-1]) is None:
            held[path[-1]] = {}
        elif not isinstance(held[path[-1]], dict):
            _complain(problems, path, f"expected a mapping with {_keys(path)}, but got {shown(held[path[-1]])}")
            problems.broken.add(path)
            held[path[-1]] = {}


def _keys(path: Place) -> str:
    return listed(sections()[path].model_fields, "and")


def _record(error: pydantic.ValidationError, tree: dict[str, Any], problems: Problems) -> None:
    found = sorted(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
    wrong: set[Place] = set()
    for item in found:
        path: Place = tuple(item["loc"])
        leaf = next((path[:end] for end in range(1, len(path) + 1) if path[:end] in leaves()), None)
        if item["type"] == "extra_forbidden":
            wrong |= _unknown(path, problems)
        elif item["type"] == "missing":
            _complain(problems, path, f"missing; expected {leaves()[path][0].expected}")
            wrong.add(path)
        elif leaf is None or item["type"] != ERROR_TYPE:
            _complain(problems, path, f"{item['msg']}, but got {shown(item['input'])}")
            wrong.add(leaf or path)
        else:
            names_itself = item["msg"].startswith("unknown ") and "'" not in item["msg"].split(";")[0]
            _complain(problems, path, item["msg"], path if names_itself else leaf)
            wrong.add(leaf)
    for path in wrong:
        problems.broken.add(path)
        held = _inside(tree, path[:-1])
        if isinstance(held, dict):
            held.pop(path[-1], None)


def _unknown(path: Place, problems: Problems) -> set[Place]:
    section, key = path[:-1], path[-1]
    known = sections()[section].model_fields
    elsewhere = [dotted(other) for other in leaves() if other[-1] == key]
    if elsewhere and nearest(key, known) is None:
        _complain(problems, path, f"unknown key; did you mean {listed(map(repr, elsewhere))}?")
    else:
        _complain(problems, path, f"unknown key{did_you_mean(key, known)}")
    meant = nearest(key, known)
    if meant is not None:
        problems.broken.add((*section, meant))
    return {path}


def _complain(problems: Problems, path: Place, message: str, shows: Place | None = None) -> None:
    if not problems.is_broken(path):
        problems.add(path, message, shows=shows)


def _inside(tree: Any, path: Place) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _place(tree: dict[str, Any], path: Place, value: Any) -> None:
    held = _inside(tree, path[:-1])
    if isinstance(held, dict):
        held.setdefault(path[-1], value)


__all__ = ["from_mapping", "load"]
