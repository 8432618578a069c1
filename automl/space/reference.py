"""Writes what is generated from the schema and the catalog: docs/space-file.md, docs/backbones.md, search_spaces/space.schema.json.

Run `python -m automl.space.reference` in a checkout after a change to records.py, settings.py or the backbones.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.records import METRICS, write_atomically
from automl.space.backbones import BackboneEntry, argument_field, catalog
from automl.space.fields import Field, expected
from automl.space.problems import dotted
from automl.space.schema import json_schema, leaves, sections
from automl.space.settings import BUILTINS
from automl.space.shipped import SCHEMA_FILE
from automl.space.strategies import PRUNERS, SAMPLERS

_INTRODUCTION = """\
# The space file

One YAML file says which pictures, which networks, what may vary, and how long to search. This page is generated from the schema by
`python -m automl.space.reference`; `automl schema` prints the same as JSON Schema, and an editor that finds it through a first line like
`# yaml-language-server: $schema=space.schema.json` completes names, keys and domains. Only `data.path` and `model.backbone` must be given.

## Values and domains

Where a field may vary, its value is either concrete or a domain:

| domain | meaning |
|---|---|
| `{choice: [a, b, c]}` | one of these; a list counts as one option |
| `{int: [low, high]}` | an integer, both ends included |
| `{float: [low, high]}` | a number, both ends included |

With `log: true` small values come as often as large ones; with `step: s` only every s-th value is taken, and `s` must
divide the range. The two exclude each other.

`when` makes a domain depend on other fields: `{float: [0.8, 0.99], when: {train.optimizer: sgd}}`. It takes a value, a
list of values, `{above: x}` or `{below: x}`, and all its lines must hold. Otherwise the parameter is absent from the
trial and the field's default holds, which is also what other conditions see then. 'all' stages are above any number. A
field may hold a list of domains whose `when` exclude each other:

```yaml
train:
  learning_rate:
    - {float: [1e-5, 1e-2], log: true, when: {train.optimizer: adam}}
    - {float: [1e-3, 1e-1], log: true, when: {train.optimizer: sgd}}
```

A condition on a field that does not vary is decided when the file is read, so `--set train.optimizer=adam` works on this file.

## Names of parameters

A parameter is named by its dotted path, in Optuna, in the dashboard, on the leaderboard and for `--set`:
`train.learning_rate`. An argument of a backbone that varies itself is named with the backbone:
`model.backbone.MobileNet.alpha`. Lists stand under their JSON text, as in `[512,256]`. Two options of one backbone are
told apart by their arguments: `MobileNet(alpha=0.25)`, `MobileNet(alpha)` where it varies; a `when` on `MobileNet` means
both. Domains of one field that Optuna cannot keep under one name (choices with different options, different kinds, with
and without `log`) have their condition in the name: `train.batch_size[model.backbone=cnn]`.

## YAML

YAML 1.2: `1e-5` is a number, `no` and `on` are words. Anchors, aliases and merge keys (`<<`) work; tags are refused, and
so is a key that stands twice. All mistakes are reported in one go, with their lines. Relative paths are taken from the
file's folder. `--set name=value` reads the value as YAML and is checked like the file; `--data` takes a path from the
current directory.
"""

_CACHE = """
## What is kept of frozen parts

`train.cache: exact` changes figures in their last digits only. With `{views: N}` a picture is seen under N fixed changes,
drawn once for each strength, instead of new ones in every epoch. That is worth it where trials have more epochs than views and
`augment.strength` is a continuous range, or where stages are fine-tuned for many epochs; kept feature maps take N times the
room. What it costs in accuracy was measured with N = 4 on trials of 8 epochs, four of which fine-tune (the mixed search of
`benchmarks/peers.py`: 12 trials at 224 px, mean of three seeds, two cores of an AMD EPYC processor):

| set | exact: test accuracy | seconds | 4 views: test accuracy | seconds |
|---|--:|--:|--:|--:|
| hymenoptera, 153 test pictures | 0.889 | 131 | 0.895 | 129 |
| cats_dogs, 200 test pictures | 0.972 | 197 | 0.977 | 175 |

The differences in accuracy are smaller than what another seed changes. Trials this short gain little time.
"""

_BACKBONES = """\
# Backbones

What `model.backbone` may name: a small network that is trained from scratch, `cnn`, and every network of `keras.applications`.
This page is generated from the installed Keras by `python -m automl.models.catalog` and `python -m automl.space.reference`.

```yaml
model:
  backbone: {choice: [EfficientNetV2B0, ConvNeXtTiny, {name: MobileNet, alpha: {choice: [0.25, 0.5]}}]}
```

- **Pictures** may have any side from the smallest on, odd ones too; the usual side is the one that Keras
  assumes for the published weights. Each network takes pixels from 0 to 255: what `preprocess_input` of its family does to them is part of
  the model and of everything that is exported from it.
- **Stages** are what `model.unfreeze` counts, from the output on; the table shows their shares of the weights. With
  `unfreeze: 2` the first two of them train. A stage lies between two halvings of the resolution. NASNet, whose cells each take
  the outputs of two cells before them, is cut into fifths of its weights at its cells.
- **What is pretrained runs in inference mode,** frozen or not: BatchNormalization uses its stored statistics, and dropout inside
  the network, which the EfficientNets have, is off. With `model.batch_normalization: training` both run in training mode in the
  stages that are being trained.
- **A weights file** (`model.weights: some.weights.h5`) is one that was saved from the network without its classifier. That may
  be one of the published files below, for a picture size or a machine for which `imagenet` would want another.

Parameters and stages are those at the default arguments, without a classifier.
"""

_FILES = """\
## Published weights

What `model.weights: imagenet` loads. Keras looks for these files in the folder `models` of `KERAS_HOME`, by default `~/.keras`,
and downloads what is missing; on a machine without a network put them there.
"""


def space_file_page() -> str:
    """The text of docs/space-file.md."""
    parts = [_INTRODUCTION, "\n## Fields\n\n", _table([("`study`", leaves()[("study",)])])]
    for path, model in sections().items():
        rows = [(f"`{place[-1]}`", found) for place, found in leaves().items() if place[:-1] == path and path]
        if rows:
            parts.append(f"\n### {dotted(path)}\n\n{(model.__doc__ or '').strip()}\n\n{_table(rows)}")
    parts += [_weights(), _CACHE]
    builtins = ", ".join(f"`{name}`" for name in BUILTINS)
    parts.append(f"\n## Built-in data\n\n`data.path` may name {builtins}; a folder of that name is `./digits`.\n")
    metrics = [f"| `{name}` | {direction} |" for name, direction in METRICS.items()]
    parts.append("\n## Metrics\n\n| `search.metric` | direction |\n|---|---|\n" + "\n".join(metrics) + "\n")
    parts.append(_strategies("Samplers", "search.sampler", SAMPLERS) + _strategies("Pruners", "search.pruner", PRUNERS))
    return "".join(parts)


def _table(rows: list[tuple[str, tuple[Field, Any]]]) -> str:
    lines = ["| key | value | may vary as | default | |", "|---|---|---|---|---|"]
    for name, (field, info) in rows:
        default = "required" if info.is_required() else f"`{_shown(info)}`"
        lines.append(f"| {name} | {field.expected} | {', '.join(field.kinds)} | {default} | {info.description or ''} |")
    return "\n".join(lines) + "\n"


def _shown(info: Any) -> str:
    default = info.get_default(call_default_factory=True)
    if isinstance(default, dict):
        return str(default["name"])
    return default if isinstance(default, str) else json.dumps(default)


def _weights() -> str:
    return """
## Weights

`imagenet` loads the published weights of each pretrained backbone; their arguments must then be among the published
ones, see [backbones.md](backbones.md). A file is loaded by path. With `none`, and for a backbone that is never pretrained (`cnn`, whatever
`model.weights` says), the whole network trains from random weights: `unfreeze` is 'all' and BatchNormalization in
training mode, and a file that asks for something else is refused. In a choice of both kinds `unfreeze` and
`batch_normalization` vary only for the pretrained ones. A depth of `unfreeze` beyond a backbone's stages is 'all'.
"""


def _strategies(title: str, field: str, table: dict[str, dict[str, Any]]) -> str:
    lines = [f"\n## {title}\n", f"`{field}` is a name, or a mapping of a name and options under Optuna's argument names.\n"]
    lines += ["| name | option | value |", "|---|---|---|"]
    for name, options in table.items():
        rows = [(f"`{key}`", expected(annotation)) for key, annotation in options.items()] or [("", "")]
        lines += [f"| {f'`{name}`' if index == 0 else ''} | {key} | {text} |" for index, (key, text) in enumerate(rows)]
    return "\n".join(lines) + "\n"


def backbones_page() -> str:
    """The text of docs/backbones.md."""
    lines = ["| name | million parameters | smallest side | usual side | stages | arguments |", "|---|---|---|---|---|---|"]
    for entry in catalog().values():
        shares = ", ".join(_percent(weights / entry.parameters) for weights in entry.stage_parameters)
        usual = entry.usual_size or ""
        row = f"| `{entry.name}` | {entry.parameters / 1e6:.3g} | {entry.minimum_size} | {usual} | {shares} | {_arguments(entry)} |"
        lines.append(row)
    files = ["| name | arguments | side | file |", "|---|---|---|---|"]
    for entry in catalog().values():
        several = {file["image_size"] for file in entry.weights} != {None}
        for file in entry.weights:
            side = (file["image_size"] or "any other") if several else "any"
            files.append(f"| `{entry.name}` | {_values(file['arguments'])} | {side} | [{file['file']}]({file['url']}) |")
    return f"{_BACKBONES}\n" + "\n".join(lines) + f"\n\n{_FILES}\n" + "\n".join(files) + "\n"


def _percent(share: float) -> str:
    return f"{share:.0%}" if round(100 * share) else "<1%"


def _arguments(entry: BackboneEntry) -> str:
    texts = []
    for name, argument in entry.arguments.items():
        published = f"; with imagenet {', '.join(map(json.dumps, argument['imagenet']))}" if argument.get("imagenet") else ""
        texts.append(f"`{name}`: {argument_field(entry.name, name).expected}, default {json.dumps(argument['default'])}{published}")
    return ". ".join(texts)


def _values(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}: {json.dumps(value)}`" for name, value in arguments.items())


def schema_text() -> str:
    """The text of search_spaces/space.schema.json."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def generated(checkout: Path) -> dict[Path, str]:
    """Every generated file of a checkout with the text that it must have."""
    docs = checkout / "docs"
    return {
        docs / "space-file.md": space_file_page(),
        docs / "backbones.md": backbones_page(),
        checkout / "search_spaces" / SCHEMA_FILE: schema_text(),
    }


def main() -> None:
    """Write the generated files of the checkout in which this module lies."""
    for path, text in generated(Path(__file__).parents[2]).items():
        write_atomically(path, text)


__all__ = ["backbones_page", "generated", "main", "schema_text", "space_file_page"]

if __name__ == "__main__":
    main()
