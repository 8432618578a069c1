"""What is known of each backbone without Keras: its arguments, sizes, stages and weight files, from `backbones.json`.

A backbone's facts are `pretrained`, `minimum_size` (smallest side of its input in pixels), `usual_size` (the side
that Keras assumes for its published weights), `parameters` and `stages` (all weights, and those of each stage
counted from the output, at default arguments), `boundaries` (see `widths.py`), `arguments`, `weights`, and
`scale_of_weights` where weights that were trained elsewhere need it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from automl.errors import BuildError
from automl.records import Backbone, ModelConfig
from automl.space.backbones import unknown_backbone

FACTS = Path(__file__).with_name("backbones.json")


@dataclass(frozen=True)
class WeightsFile:
    """A file of pretrained weights: its name below KERAS_HOME/models and where it is downloaded from."""

    name: str
    url: str


@cache
def load_facts() -> Mapping[str, Mapping[str, Any]]:
    """The facts of every backbone, under its name."""
    backbones: Mapping[str, Mapping[str, Any]] = json.loads(FACTS.read_text(encoding="utf-8"))["backbones"]
    return backbones


def facts_of(backbone: Backbone) -> Mapping[str, Any]:
    """The facts of one backbone.

    Raises:
        BuildError: There is no such backbone, or it takes no such argument.
    """
    facts = load_facts().get(backbone.name)
    if facts is None:
        raise BuildError(f"model.backbone: {unknown_backbone(backbone.name)}")
    unknown = sorted(set(backbone.arguments) - set(facts["arguments"]))
    if unknown:
        known = ", ".join(facts["arguments"]) or "none"
        raise BuildError(f"model.backbone: {backbone.name} takes the arguments {known}, but got {', '.join(unknown)}")
    return facts


def is_pretrained(config: ModelConfig) -> bool:
    """Whether the backbone begins from learned weights; if not, the network is trained as a whole.

    The small `cnn` has no pretrained weights, so `weights` says nothing about it.
    """
    return bool(facts_of(config.backbone)["pretrained"]) and config.weights != "none"


def find_imagenet_file(backbone: Backbone, image_size: int) -> WeightsFile | None:
    """The file that Keras loads for `weights: imagenet`, or None if there are no such weights for these arguments.

    Args:
        backbone: The backbone with its arguments.
        image_size: Side of the input in pixels; some backbones have a file for each of some sizes and one for all others.
    """
    facts = facts_of(backbone)
    wanted = {name: backbone.arguments.get(name, argument["default"]) for name, argument in facts["arguments"].items()}
    others = None
    for entry in facts["weights"]:
        if any(wanted[name] != value for name, value in entry["arguments"].items()):
            continue
        if entry["image_size"] == image_size:
            return WeightsFile(entry["file"], entry["url"])
        if entry["image_size"] is None:
            others = WeightsFile(entry["file"], entry["url"])
    return others
