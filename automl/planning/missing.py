"""What has to be fetched or installed before a search."""

import importlib.util
from pathlib import Path

from automl.export.artifacts import EXPORTERS
from automl.models.facts import find_imagenet_file, load_facts
from automl.models.weights import keras_models_folder
from automl.records import Backbone
from automl.searches.rules import SAMPLER_PACKAGES
from automl.space import SearchSpace


def find_missing(space: SearchSpace) -> list[str]:
    """One sentence for each thing."""
    return [*_missing_weights(space), *_missing_packages(space)]


def _missing_weights(space: SearchSpace) -> list[str]:
    weights = space.weights
    if weights == "none":
        return []
    if weights != "imagenet":
        return [] if Path(weights).is_file() else [f"model.weights: there is no file {weights}"]
    home = keras_models_folder()
    files: dict[str, str] = {}
    found = []
    for flat in space.backbones():
        backbone = Backbone.model_validate(flat)
        if not load_facts()[backbone.name]["pretrained"]:
            continue
        for side in space.image_sizes():
            file = find_imagenet_file(backbone, side)
            if file is None:
                found.append(f"model.weights: there are no ImageNet weights for {_described(backbone)} at {side} px")
            elif not (home / file.name).exists():
                files.setdefault(file.name, _described(backbone))
    found += [f"{name}: ImageNet weights of {who}, not in {home}; the search downloads them first" for name, who in files.items()]
    return list(dict.fromkeys(found))


def _described(backbone: Backbone) -> str:
    arguments = ", ".join(f"{name} {value}" for name, value in backbone.arguments.items())
    return f"{backbone.name} ({arguments})" if arguments else backbone.name


def _missing_packages(space: SearchSpace) -> list[str]:
    found = []
    sampler = space.search.sampler.name
    absent = [package for package in SAMPLER_PACKAGES.get(sampler, ()) if importlib.util.find_spec(package) is None]
    if absent:
        found.append(f"search.sampler: {sampler} needs {' and '.join(absent)}; run `pip install 'automl[samplers]'`")
    for name in space.export.formats:
        absent = [package for package in EXPORTERS[name].needs if importlib.util.find_spec(package) is None]
        if absent:
            found.append(f"export.formats: {name} needs {' and '.join(absent)}; run `pip install 'automl[export]'`")
    return found
