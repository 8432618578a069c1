"""What a file may do besides fields: YAML 1.2, names, paths; the command line's options; and mappings instead of files."""

import os
from pathlib import Path
from typing import Any

import pytest
from space_texts import SOUND, problems, read

from automl.errors import SpaceError
from automl.records import TrialConfig
from automl.space import from_mapping, load, suggest


def test_yaml_1_2_with_anchors_and_merges(tmp_path: Path) -> None:
    text = """\
study: "no"
data: {path: digits, validation: &share 0.2, test: *share}
model: {backbone: cnn}
train:
  optimizer: {choice: [adam, sgd]}
  learning_rate:
    - &rate {float: [1e-5, 1e-2], log: true, when: {train.optimizer: adam}}
    - {<<: *rate, float: [1e-3, 1E-1], when: {train.optimizer: sgd}}
  epochs: 0x10
augment:
search: {storage: "sqlite:///relative.db"}
"""
    space = read(text, tmp_path)
    assert (space.study, space.validation, space.test, space.epochs) == ("no", 0.2, 0.2, 16)
    assert [parameter.domain.log for parameter in space.parameters if parameter.name == "train.learning_rate"] == [True, True]
    assert space.search.storage == "sqlite:///relative.db"


@pytest.mark.parametrize(
    ("name", "study"), [("a.yaml", "a"), ("my space!.yaml", "my-space"), ("Größe.2.yml", "Größe.2"), ("---.yaml", "study")]
)
def test_the_study_is_named_after_the_file(name: str, study: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(SOUND)
    assert load(tmp_path / name).study == study


@pytest.mark.parametrize(
    ("text", "expected"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("1.5h", 5400), ("120", 120), ("null", None)]
)
def test_times(text: str, expected: float | None, tmp_path: Path) -> None:
    assert read(f"{SOUND}search: {{time: {text}}}\n", tmp_path).search.time == expected


def test_options_take_the_files_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["train.epochs=3", "model.backbone={choice: [cnn]}", "export.formats=[onnx]", "train.learning_rate=1e-5"]
    (tmp_path / "deep").mkdir()
    space = read(SOUND, tmp_path / "deep", overrides=overrides, data="photos", study="other")
    assert (space.epochs, space.export.formats, space.study) == (3, ("onnx",), "other")
    assert space.data_path == os.path.join(os.getcwd(), "photos")
    assert space.tree["train"]["learning_rate"] == 1e-5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("train.cache=none", "none"),
        ("train.cache={views: 8}", {"views": 8, "maps": "float32"}),
        ("train.cache.maps=float16", {"views": None, "maps": "float16"}),
    ],
)
def test_the_cache_is_a_word_or_a_mapping(value: str, expected: Any, tmp_path: Path) -> None:
    space = read(SOUND, tmp_path, overrides=[value])
    assert space.tree["train"]["cache"] == expected
    config = suggest(space, number=0, seed=0, ask=lambda name, domain: domain.options[0])
    assert config.model_dump()["train"]["cache"] == expected
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


OPTIONS = [
    ({"overrides": ["train.epoch=3"]}, "--set train.epoch=3: train.epoch: unknown key; did you mean 'epochs'?"),
    ({"overrides": ["epochs=3"]}, "--set epochs=3: epochs: unknown key; did you mean 'train.epochs'?"),
    ({"overrides": ["train.epochs=abc"]}, "--set train.epochs=abc: train.epochs: expected an integer from 1 to 100000, but got 'abc'"),
    ({"overrides": ["train.epochs="]}, "--set train.epochs=: train.epochs: expected an integer from 1 to 100000, but got nothing"),
    ({"overrides": ["train.epochs"]}, "--set train.epochs: expected NAME=VALUE, for example train.epochs=3"),
    ({"overrides": ["train.epochs.x=1"]}, '--set train.epochs.x=1: train.epochs: expected an integer from 1 to 100000, but got {"x": 1}'),
    ({"overrides": ["data.path.x=1"]}, "--set data.path.x=1: data.path is 'digits', which has no parts; set it as a whole"),
    ({"overrides": ["data={"]}, "--set data={: not YAML: expected the node content, but found '<stream end>' (column 2)"),
    (
        {"study": "../x"},
        "--study: study: expected letters, digits, '.', '-' and '_', beginning with a letter or digit, at most 100, "
        "because the study's folder has this name, but got '../x'",
    ),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS, ids=[str(options) for options, _ in OPTIONS])
def test_mistakes_in_options_name_the_option(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    found = problems(SOUND, tmp_path, **options)
    assert message in found


def test_a_mapping_is_read_like_a_file(tmp_path: Path) -> None:
    mapping = {"data": {"path": tmp_path / "photos"}, "model": {"backbone": "cnn", "head": {"units": (8, 4)}}}
    space = from_mapping(mapping, base=tmp_path)
    assert (space.study, space.data_path) == ("space", str(tmp_path / "photos"))
    assert space.tree["model"]["head"]["units"] == [8, 4]
    with pytest.raises(SpaceError, match=r"\Aspace has 2 problems:") as caught:
        from_mapping({"data": {"path": object()}, "model": {"backbone": "cnn"}, "augment": 3}, base=tmp_path)
    assert caught.value.problems == (
        "data.path: expected a plain value, list or mapping, but got object",
        "augment: expected a mapping with strength and flip, but got 3",
    )


def test_a_mapping_that_contains_itself() -> None:
    mapping: dict[str, Any] = {"data": {"path": "digits"}}
    mapping["model"] = mapping
    with pytest.raises(SpaceError, match="too deep or too large, or contains itself"):
        from_mapping(mapping, base=".")
