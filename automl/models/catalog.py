"""Writes `backbones.json` from the installed Keras: `python -m automl.models.catalog`.

Nothing is typed in that Keras can be asked: which networks there are, which values have ImageNet weights, and in which
files, is found by building each network with the download intercepted. Weights are counted but never made, so that a
network of 350 million of them costs as little memory as a small one; all of it takes about a minute.
"""

import contextlib
import inspect
import itertools
import json
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import keras
from keras.src.utils import file_utils

from automl.models.cnn import cnn
from automl.models.facts import FACTS, WeightsFile
from automl.models.preprocessing import build_preprocessing
from automl.models.stages import Stage, find_stages
from automl.records import write_atomically

NOT_ARGUMENTS = frozenset(
    {
        "include_top",
        "weights",
        "input_tensor",
        "input_shape",
        "pooling",
        "classes",
        "classifier_activation",
        "name",
        "include_preprocessing",
    }
)
"""What automl decides itself."""

LIMITS: Mapping[str, tuple[float, float]] = {"alpha": (0.05, 4.0), "depth_multiplier": (1, 8), "blocks": (1, 7), "filters": (2, 512)}
"""Ranges outside which no sensible network results; Keras states none."""

CNN_SIZE = 224
ODD_SIZE = 210
"""A size for which no family has a file of its own."""
SIZES = (96, 128, 160, 192, 224, 240, 256, 299, 331)
CANDIDATES: Mapping[type, Sequence[Any]] = {float: [step / 100 for step in range(5, 205, 5)], int: range(1, 9), bool: (False, True)}
"""Values tried to learn which have ImageNet weights."""


_NUMBERS = re.compile(r"\[[\[\]\s\d.,-]*\]")
"""A list of numbers, or of such lists, which takes one line."""


def find_constructors() -> dict[str, Callable[..., Any]]:
    """The networks of keras.applications, each a function with an `include_top`, under their names."""
    functions = {name: found for name, found in vars(keras.applications).items() if inspect.isfunction(found)}
    return {name: found for name, found in functions.items() if "include_top" in inspect.signature(found).parameters}


def generate() -> dict[str, Any]:
    """The facts of all backbones, as they are stored: `cnn`, then family by family, each from its smallest member on."""
    constructors = find_constructors()
    with keras.StatelessScope(initialize_variables=False):
        entries = {name: _describe(constructor) for name, constructor in constructors.items()}
        small = _describe_cnn()
    keras.utils.clear_session()  # or the next scope of this process would make the weights after all
    ordered = sorted(entries, key=lambda name: (constructors[name].__module__, entries[name]["parameters"]))
    return {"keras": keras.__version__, "backbones": {"cnn": small} | {name: entries[name] for name in ordered}}


def render() -> str:
    """The text of `backbones.json`."""
    spread = json.dumps(generate(), indent=1)
    return _NUMBERS.sub(lambda found: json.dumps(json.loads(found[0])), spread) + "\n"


def _describe_cnn() -> dict[str, Any]:
    network = cnn(input_tensor=keras.Input((CNN_SIZE, CNN_SIZE, 3)))
    arguments = {name: _describe_default(name, default) for name, default in _defaults(cnn).items()}
    return {
        "pretrained": False,
        "minimum_size": 2 ** arguments["blocks"]["default"],
        **_count_parameters(network, find_stages(network)),
        "arguments": arguments,
        "weights": [],
    }


def _describe(constructor: Callable[..., Any]) -> dict[str, Any]:
    build_preprocessing(constructor.__name__)  # raises for a family whose pixels plain layers cannot prepare
    plain = _construct_smallest(constructor)
    arguments = {
        name: _describe_default(name, default)
        for name, default in _defaults(constructor).items()
        if _has_effect(constructor, plain, name, default)
    }
    for name, argument in arguments.items():
        argument["imagenet"] = [
            value for value in _candidates(argument["default"]) if _construct_pretrained(constructor, ODD_SIZE, **{name: value})
        ]
    published = {name: argument["imagenet"] for name, argument in arguments.items()}
    pretrained = _construct_pretrained(constructor, ODD_SIZE)
    if pretrained is None:
        raise AssertionError(f"{constructor.__name__} has no ImageNet weights at {ODD_SIZE} px, or takes only some sizes with them")
    scale = _find_scale_of_weights(plain, pretrained[0])
    stages = find_stages(pretrained[0])
    return {
        "pretrained": True,
        "minimum_size": int(plain.input_shape[1]),
        "usual_size": _find_usual_size(constructor, pretrained[1]),
        **_count_parameters(plain, stages),
        "boundaries": list(_list_boundaries(constructor, published, _boundaries(pretrained[0], stages))),
        "arguments": arguments,
        **({"scale_of_weights": scale} if scale else {}),
        "weights": list(_list_weights(constructor, published, pretrained[1])),
    }


def _count_parameters(network: Any, stages: Sequence[Stage]) -> dict[str, Any]:
    return {"parameters": network.count_params(), "stages": [stage.parameters for stage in stages]}


def _list_boundaries(
    constructor: Callable[..., Any], published: Mapping[str, Sequence[Any]], usual: list[list[list[int]]]
) -> Iterator[dict[str, Any]]:
    """What is passed on where a depth's stages begin, for default arguments and for each published combination that differs."""
    defaults = {name: default for name, default in _defaults(constructor).items() if name in published}
    yield {"arguments": defaults, "tensors": usual}
    for values in itertools.product(*published.values()):
        arguments = dict(zip(published, values, strict=True))
        other = _construct_pretrained(constructor, ODD_SIZE, **arguments) if arguments != defaults else None
        if other is not None and (tensors := _boundaries(other[0], find_stages(other[0]))) != usual:
            yield {"arguments": arguments, "tensors": tensors}


def _boundaries(network: Any, stages: Sequence[Stage]) -> list[list[list[int]]]:
    """For each depth from 0 on the channels of each tensor, and how often its side goes into the picture's, which is of `ODD_SIZE`."""
    crossing = [network.outputs, *(stage.boundary for stage in stages[:-1])]
    return [[[int(tensor.shape[-1]), 2 ** round(math.log2(ODD_SIZE / tensor.shape[1]))] for tensor in tensors] for tensors in crossing]


def _defaults(constructor: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(constructor).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.name not in NOT_ARGUMENTS}


def _describe_default(name: str, default: Any) -> dict[str, Any]:
    argument: dict[str, Any] = {"type": type(default).__name__, "default": default}
    if name in LIMITS:
        argument["low"], argument["high"] = LIMITS[name]
    return argument


def _candidates(default: Any) -> list[Any]:
    tried = list(CANDIDATES.get(type(default), ()))
    return tried if default in tried else [*tried, default]


def _has_effect(constructor: Callable[..., Any], plain: Any, name: str, default: Any) -> bool:
    """Whether an argument changes the network without its top; MobileNet's `dropout` does not."""
    other = next(value for value in reversed(_candidates(default)) if value != default)
    return bool(_shape_of(_construct(constructor, plain.input_shape[1], **{name: other})) != _shape_of(plain))


def _shape_of(network: Any) -> list[Any]:
    return [(type(layer).__name__, {**layer.get_config(), "name": None}) for layer in network.layers[1:]]


# --- networks --------------------------------------------------------------------------------------------------------


def _construct(constructor: Callable[..., Any], size: int, *, weights: str | None = None, **arguments: Any) -> Any:
    return constructor(include_top=False, weights=weights, input_shape=(size, size, 3), **arguments)


def _construct_smallest(constructor: Callable[..., Any]) -> Any:
    """The network for the smallest pictures that it takes."""
    for size in itertools.count(1):
        with contextlib.suppress(ValueError):
            return _construct(constructor, size)
    raise AssertionError("unreachable: itertools.count does not end")


def _construct_pretrained(constructor: Callable[..., Any], size: int, **arguments: Any) -> tuple[Any, WeightsFile] | None:
    """The network as it is with ImageNet weights, and the file that it asks for; None if there are none for these arguments."""
    asked: list[WeightsFile] = []

    def get_file(fname: str, origin: str, **_: Any) -> str:
        asked.append(WeightsFile(fname, origin))
        return fname

    with (
        mock.patch.object(file_utils, "get_file", get_file),
        mock.patch.object(keras.Model, "load_weights"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            network = _construct(constructor, size, weights="imagenet", **arguments)
        except ValueError:
            return None
    (file,) = asked
    return network, file


def _find_usual_size(constructor: Callable[..., Any], file: WeightsFile) -> int:
    """The side in pixels that Keras assumes for the published weights.

    The constructor takes it if it is not told; where it takes any (MobileNetV3), the file's name says it.
    """
    assumed = constructor(include_top=True, weights=None).input_shape[1]
    if assumed is not None:
        return int(assumed)
    (size,) = _sizes_in(file)
    return size


def _sizes_in(file: WeightsFile) -> list[int]:
    return [size for size in SIZES if str(size) in file.name]


# --- weights ---------------------------------------------------------------------------------------------------------


def _find_scale_of_weights(plain: Any, pretrained: Any) -> list[float] | None:
    """What the network with ImageNet weights multiplies its normalized pixels by, channel by channel, and the plain one does not.

    Only the first EfficientNets have such a layer; their weights, read from a file, need it as well.

    Raises:
        AssertionError: They differ in something else, which whoever reads weights from a file would have to know.
    """
    kinds, others = ([type(layer).__name__ for layer in network.layers] for network in (plain, pretrained))
    if kinds == others:
        return None
    index = next(index for index, kind in enumerate(others) if kind != kinds[index])
    if others[index - 1 : index + 1] != ["Normalization", "Rescaling"] or [*others[:index], *others[index + 1 :]] != kinds:
        raise AssertionError(f"{pretrained.name} has other layers with ImageNet weights than without: {others[index]} at {index}")
    return [float(factor) for factor in pretrained.layers[index].scale]


def _list_weights(constructor: Callable[..., Any], published: Mapping[str, Sequence[Any]], usual: WeightsFile) -> Iterator[dict[str, Any]]:
    sizes: Sequence[int] | None = None
    for values in itertools.product(*published.values()):
        arguments = dict(zip(published, values, strict=True))
        others = _find_file(constructor, ODD_SIZE, arguments) if arguments else usual
        if others is None:
            continue
        if sizes is None:
            sizes = SIZES if _sizes_in(others) else ()  # a file that is one of several for several sizes says so in its name
        own = {size: file for size in sizes if (file := _find_file(constructor, size, arguments)) not in (None, others)}
        sizes = list(own)  # those of the first arguments are those of all
        for size, file in [*own.items(), (None, others)]:
            assert file is not None
            yield {"arguments": arguments, "image_size": size, "file": file.name, "url": file.url}


def _find_file(constructor: Callable[..., Any], size: int, arguments: Mapping[str, Any]) -> WeightsFile | None:
    found = _construct_pretrained(constructor, size, **arguments)
    return found[1] if found else None


if __name__ == "__main__":
    write_atomically(FACTS, render())
    sys.stdout.write(f"wrote {FACTS.name}\n")
