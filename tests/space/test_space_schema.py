"""The JSON Schema is valid, agrees with the reader, and what is generated from the schema is current."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from automl.errors import SpaceError
from automl.records import METRICS
from automl.space import from_mapping
from automl.space.backbones import catalog
from automl.space.reference import backbones_page, generated
from automl.space.schema import json_schema, leaves

CHECKOUT = Path(__file__).parents[2]
SCHEMA = json_schema()
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float)}
NOTES = {"$schema", "$defs", "title", "description", "default"}


def is_type(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and not (isinstance(value, bool) and name in ("integer", "number"))


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """A validator of the keywords that occur in this schema; it refuses others, so that none goes unnoticed."""
    checks = {
        "$ref": lambda held: fits(value, SCHEMA["$defs"][held.removeprefix("#/$defs/")]),
        "anyOf": lambda held: any(fits(value, part) for part in held),
        "oneOf": lambda held: sum(fits(value, part) for part in held) == 1,
        "enum": lambda held: value in held,
        "const": lambda held: value == held,
        "type": lambda held: any(is_type(value, name) for name in ([held] if isinstance(held, str) else held)),
        "minimum": lambda held: not is_type(value, "number") or value >= held,
        "maximum": lambda held: not is_type(value, "number") or value <= held,
        "exclusiveMinimum": lambda held: not is_type(value, "number") or value > held,
        "exclusiveMaximum": lambda held: not is_type(value, "number") or value < held,
        "minItems": lambda held: not isinstance(value, list) or len(value) >= held,
        "maxItems": lambda held: not isinstance(value, list) or len(value) <= held,
        "items": lambda held: not isinstance(value, list) or all(fits(item, held) for item in value),
        "minProperties": lambda held: not isinstance(value, dict) or len(value) >= held,
        "required": lambda held: not isinstance(value, dict) or all(name in value for name in held),
        "properties": lambda held: not isinstance(value, dict) or all(fits(item, held[key]) for key, item in value.items() if key in held),
        "additionalProperties": lambda held: (
            not isinstance(value, dict)
            or all(isinstance(held, dict) and fits(item, held) for key, item in value.items() if key not in schema.get("properties", {}))
            or held is True
        ),
    }
    return all(checks[keyword](held) for keyword, held in schema.items() if keyword not in NOTES)


def test_every_shipped_file_fits() -> None:
    files = sorted((CHECKOUT / "search_spaces").glob("*.yaml"))
    assert len(files) >= 3
    for file in files:
        assert fits(YAML(typ="safe", pure=True).load(file.read_text()), SCHEMA), file


AGREE: list[dict[str, Any]] = [
    {},
    {"train": {"epochs": 3, "learning_rate": {"float": [0.1, 0.2], "log": True}}},
    {"train": {"learning_rate": [{"float": [0.1, 0.2], "when": {"train.optimizer": ["adam"]}}]}},
    {"train": {"batch_size": {"int": [8, 16], "step": 4, "when": {"train.epochs": {"above": 3}}}}},
    {"search": {"time": "2h", "sampler": {"name": "tpe", "n_startup_trials": 3}, "pruner": "none", "start": [{}], "devices": [0]}},
    {"export": {"formats": ["onnx"]}},
    {"train": {"epoch": 3}},
    {"train": {"epochs": "3"}},
    {"train": {"epochs": {"int": [1, 3]}}},
    {"train": {"learning_rate": {"floot": [0.1, 0.2]}}},
    {"train": {"learning_rate": {"int": [1, 2]}}},
    {"train": {"learning_rate": {"float": [0.1]}}},
    {"train": {"learning_rate": {"choice": []}}},
    {"train": {"learning_rate": {"choice": [0.1], "float": [0.1, 0.2]}}},
    {"train": {"batch_size": True}},
    {"train": {"cache": "none"}},
    {"train": {"cache": {"views": 8, "maps": "float16"}}},
    {"train": {"cache": {"views": None}}},
    {"train": {"cache": {"views": 0}}},
    {"train": {"cache": {"view": 8}}},
    {"train": {"cache": {"choice": ["exact", "none"]}}},
    {"search": {"metric": "accuracy"}},
    {"search": {"sampler": {"name": "tpe", "n_startup": 3}}},
    {"search": {"devices": []}},
    {"other": 3},
    {"model": {"backbone": "MobilNet"}},
    {"model": {"backbone": {"choice": ["cnn", {"name": "MobileNet", "alpha": {"choice": [0.25, 0.5]}}]}}},
    {"model": {"backbone": {"name": "cnn", "blocs": 3}}},
    {"model": {"backbone": {"name": "cnn", "blocks": 0}}},
    {"model": {"backbone": {"name": "VGG16"}}},
    {"model": {"backbone": {"name": "VGG16", "alpha": 1.0}}},
    {"model": {"backbone": {"name": "VGG"}}},
    {"model": {"backbone": {"name": "MobileNetV3Small", "minimalistic": True}}},
    {"model": {"backbone": {"name": "MobileNetV3Small", "minimalistic": 1}}},
    {"model": {"backbone": "cnn", "head": {"units": [8, 8], "dropout": 0.2}}},
    {"model": {"backbone": "cnn", "head": {"units": {"choice": [[], [8]]}}}},
]


@pytest.mark.parametrize("sections", AGREE, ids=str)
def test_schema_and_reader_agree(sections: dict[str, Any]) -> None:
    tree = {"data": {"path": "digits"}, "model": {"backbone": "cnn"}, **sections}
    try:
        from_mapping(tree, base=".")
    except SpaceError as error:
        is_right = "expected at least one parameter" in str(error)
    else:
        is_right = True
    assert fits(tree, SCHEMA) == is_right


def test_an_editor_completes_names_keys_and_domains() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$defs"]["Backbone"]["anyOf"][0] == {"enum": sorted(catalog())}
    assert set(SCHEMA["$defs"]["TrainConfig"]["properties"]) == {path[1] for path in leaves() if path[0] == "train"} | {"fine_tune"}
    assert SCHEMA["$defs"]["SearchConfig"]["properties"]["metric"]["enum"] == list(METRICS)
    references = set(re.findall(r"#/\$defs/(\w+)", str(SCHEMA)))
    assert references == set(SCHEMA["$defs"])


def test_what_is_generated_is_current() -> None:
    files = generated(CHECKOUT)
    assert {path.name for path in files} == {"space-file.md", "backbones.md", "space.schema.json"}
    for path, text in files.items():
        assert path.read_text(encoding="utf-8") == text, f"run python -m automl.space.reference, {path.name} is old"


def test_the_page_of_backbones_names_each_with_its_stages_and_files() -> None:
    page = backbones_page()
    assert "| `VGG16` | 14.7 | 32 | 224 | 48%, 40%, 10%, 2%, <1% |  |" in page
    assert "| `NASNetMobile` | 4.27 | 32 | 224 | 17%, 17%, 15%, 31%, 20% |  |" in page
    assert "| `cnn` | 0.288 | 8 |  | 77%, 19%, 4% | `blocks`: an integer from 1 to 7, default 3." in page
    assert "`minimalistic`: true or false, default false; with imagenet false, true |" in page
    for entry in catalog().values():
        assert page.count(f"\n| `{entry.name}` |") == 1 + len(entry.weights)
        assert all(f"[{file['file']}]({file['url']})" in page for file in entry.weights)


def test_reading_a_space_imports_nothing_heavy() -> None:
    code = (
        "import sys, automl.space as space; space.load(sys.argv[1]);"
        "print(sorted({'numpy', 'keras', 'tensorflow', 'optuna', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    file = CHECKOUT / "search_spaces" / "quickstart.yaml"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout.strip() == "[]"
