"""Whatever a file holds, reading it gives a space or a SpaceError; and a space that was read keeps its promises."""

import atexit
import copy
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from automl.errors import SpaceError
from automl.records import Domain, Scalar, TrialConfig
from automl.space import SearchSpace, difference, from_mapping, load, start_values, suggest
from automl.space.domains import finite_values
from automl.space.schema import leaves

SHIPPED = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))
TEXTS = [path.read_text().partition("\n\n")[2] for path in SHIPPED]
TREES = [YAML(typ="safe", pure=True).load(text) for text in TEXTS]
NAMES = [".".join(str(part) for part in path) for path in leaves()]
WORDS = [*{part for name in NAMES for part in name.split(".")}, "choice", "int", "float", "log", "step", "when", "above", "below", "name"]
FILE = Path(tempfile.mkdtemp(prefix="automl-test-")) / "random.yaml"
atexit.register(shutil.rmtree, FILE.parent, ignore_errors=True)
MANY = settings(max_examples=2500, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))

SIGNS = [": ", "- ", "\n", "  ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: ", "? ", "!!int ", "%YAML 1.1\n", "---\n"]
SIGNS += ['"\\U', "0x", "1e5", "|\n"]
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.text("[]{}:,-&*#\n \t\"'!|>%@a1.<", max_size=4)), max_size=4)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.integers(),
    st.floats(),
    st.sampled_from([*WORDS, *NAMES, "cnn", "MobileNet", "adam", "sgd", "imagenet", "none", "all", "tpe", "2h", "digits"]),
    st.text(max_size=8),
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS + NAMES) | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def read_text(text: str | bytes) -> SearchSpace | None:
    FILE.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        return load(FILE)
    except SpaceError as error:
        return is_explained(error, "random.yaml")


def read_tree(tree: dict[str, Any]) -> SearchSpace | None:
    try:
        return from_mapping(tree, base="/nowhere")
    except SpaceError as error:
        return is_explained(error, "space")


def is_explained(error: SpaceError, source: str) -> None:
    assert str(error).startswith(f"{source} has ")
    assert error.problems


def answering(rng: random.Random) -> Any:
    def ask(name: str, domain: Domain) -> Scalar:
        if domain.kind == "float" and domain.step is None:
            return rng.uniform(domain.low, domain.high)
        value: Scalar = rng.choice(finite_values(domain))
        return value

    return ask


def keeps_its_promises(space: SearchSpace, seed: int) -> None:
    rng = random.Random(seed)
    seen: dict[str, str] = {}
    for number in range(3):
        asked: list[str] = []

        def ask(name: str, domain: Domain, asked: list[str] = asked) -> Scalar:
            asked.append(name)
            kind = f"choice {domain.options}" if domain.kind == "choice" else f"{domain.kind} {domain.log}"
            assert seen.setdefault(name, kind) == kind
            return answering(rng)(name, domain)

        config = suggest(space, number=number, seed=seed, ask=ask)
        assert len(set(asked)) == len(asked)
        assert list(config.params) == asked
        assert TrialConfig.model_validate_json(config.model_dump_json()) == config
        assert config.data.image_size in space.image_sizes() or len(space.image_sizes()) == 2
        assert (config.model.weights == "none") <= (config.model.unfreeze == "all")
    again = from_mapping(YAML(typ="safe", pure=True).load(space.dump()), base="/elsewhere")
    assert again == space
    assert again.parameters == space.parameters
    assert difference(space, again) == []
    assert len(start_values(space)) == len(space.search.start)
    assert space.backbones()
    assert space.combinations() is None or space.combinations() > 0


@settings(MANY, max_examples=2200)
@given(st.sampled_from(TEXTS), EDITS)
def test_a_file_with_changed_letters(text: str, edits: list[tuple[float, int, str]]) -> None:
    for place, removed, added in edits:
        at = int(place * len(text))
        text = text[:at] + added + text[at + removed :]
    space = read_text(text)
    if space is not None:
        keeps_its_promises(space, 1)


@settings(MANY, max_examples=4000)
@given(st.one_of(st.text(), st.binary(), st.lists(st.sampled_from([*WORDS, *SIGNS])).map("".join)))
def test_any_text(text: str | bytes) -> None:
    read_text(text)


@settings(MANY, max_examples=2200)
@given(st.sampled_from(TREES), st.lists(st.tuples(st.integers(0, 10**6), trees), min_size=1, max_size=4))
def test_a_file_with_changed_values(tree: dict[str, Any], edits: list[tuple[int, Any]]) -> None:
    tree = copy.deepcopy(tree)
    for place, value in edits:
        places = list(parts(tree))
        held, key = places[place % len(places)]
        held[key] = value
    space = read_tree(tree)
    if space is not None:
        keeps_its_promises(space, 2)


@settings(MANY, max_examples=1600)
@given(trees)
def test_any_values(tree: Any) -> None:
    if isinstance(tree, dict):
        read_tree(tree)
    read_tree({"data": tree, "model": {"backbone": tree}, "train": tree})


def parts(tree: Any) -> Any:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from parts(tree[key])


# --- files that are right --------------------------------------------------------------------------------------------

optimizers = ["adam", "adamw", "sgd", "rmsprop"]


@st.composite
def ranges(draw: Any, kind: str, values: list[Any], steps: bool = True) -> dict[str, Any]:
    low, high = sorted(draw(st.lists(st.sampled_from(values), min_size=2, max_size=2, unique=True)))
    made: dict[str, Any] = {kind: [low, high]}
    extra = draw(st.sampled_from(["", "log", "step"]))
    if extra == "log" and low > 0:
        made["log"] = True
    elif extra == "step" and steps:
        made["step"] = (high - low) if kind == "int" else float(high - low)
    return made


def varying(kind: str, values: list[Any]) -> st.SearchStrategy[Any]:
    choice = st.lists(st.sampled_from(values), min_size=1, unique_by=repr).map(lambda options: {"choice": options})
    numbers = [value for value in values if not isinstance(value, str)]
    return st.one_of(st.sampled_from(values), choice, *([ranges(kind, numbers, steps=kind == "int")] if kind else []))


@st.composite
def spaces(draw: Any) -> dict[str, Any]:
    alpha = varying("", [0.25, 0.5, 0.75, 1.0])
    options = st.sampled_from(
        ["cnn", "MobileNet", "MobileNetV2", {"name": "MobileNet", "alpha": 0.5}, {"name": "MobileNet", "alpha": {"choice": [0.25, 0.75]}}]
    )
    backbones = st.lists(options, min_size=1, max_size=4, unique_by=str)
    chosen = draw(backbones)
    labels = [option if isinstance(option, str) else option["name"] for option in chosen]
    model: dict[str, Any] = {"backbone": {"choice": chosen} if labels != ["MobileNet"] else {"name": "MobileNet", "alpha": draw(alpha)}}
    if any(label != "cnn" for label in labels):
        model["unfreeze"] = draw(varying("int", [0, 1, 3, 5, 9, "all"]))
    model["head"] = {"units": draw(varying("", [[], [8], [16, 8]])), "dropout": draw(varying("float", [0.0, 0.25, 0.5]))}
    used = draw(st.lists(st.sampled_from(optimizers), min_size=1, max_size=4, unique=True))
    train: dict[str, Any] = {"optimizer": {"choice": used}}
    rates = ranges("float", [0.0001, 0.001, 0.01, 1.0], steps=False)
    train["learning_rate"] = [{**draw(rates), "when": {"train.optimizer": name}} for name in used]
    other = draw(st.sampled_from([{"choice": [8, 16]}, {"int": [4, 8]}, {"int": [1, 64], "log": True}]))
    train["batch_size"] = [
        {"choice": [2, 4], "when": {"model.head.dropout": {"below": 0.1}}},
        {**other, "when": {"model.head.dropout": {"above": 0.1}}},
    ]
    if isinstance(model["head"]["dropout"], dict):
        train.pop("batch_size")
    size = draw(varying("int", [32, 64, 96]))
    return {"data": {"path": "digits", "image_size": size}, "model": model, "train": train}


@settings(MANY, max_examples=300)
@given(spaces(), st.integers(0, 9))
def test_a_right_file_is_read_and_keeps_its_promises(tree: dict[str, Any], seed: int) -> None:
    keeps_its_promises(from_mapping(tree, base="/nowhere"), seed)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_keep_their_promises(path: Path) -> None:
    for seed in range(20):
        keeps_its_promises(load(path), seed)
