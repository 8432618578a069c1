"""Writes `backbones.json` from the installed Keras: `python -m automl.models.catalog`.

Nothing is typed in that Keras can be asked: which values have ImageNet weights, and in which files, is found by building
each network with the download intercepted.
"""

import contextlib
import inspect
import itertools
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import keras
from keras.src.utils import file_utils

from automl.models.cnn import cnn
from automl.models.facts import FACTS
from automl.models.preprocessing import build_preprocessing
from automl.models.stages import find_stages
from automl.records import write_atomically

FROM_KERAS = ("MobileNet", "MobileNetV2")

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

USUAL_SIZE = 224
ODD_SIZE = 210
"""A size for which no family has a file of its own."""
SIZES = (96, 128, 160, 192, 224, 240, 256, 299, 331)
CANDIDATES: Mapping[type, Sequence[Any]] = {float: [step / 100 for step in range(5, 205, 5)], int: range(1, 9), bool: (False, True)}
"""Values tried to learn which have ImageNet weights."""


class _AskedForFile(Exception):  # noqa: N818 - not an error: how the intercepted download reports what was wanted
    def __init__(self, name: str, url: str) -> None:
        super().__init__(name)
        self.name = name
        self.url = url


def generate() -> dict[str, Any]:
    """The facts of all backbones, as they are stored; takes about half a minute."""
    backbones = {"cnn": _describe_cnn()} | {name: _describe(getattr(keras.applications, name)) for name in FROM_KERAS}
    return {"keras": keras.__version__, "backbones": backbones}


def render() -> str:
    """The text of `backbones.json`."""
    return json.dumps(generate(), indent=1) + "\n"


def _describe_cnn() -> dict[str, Any]:
    pixels = keras.Input((USUAL_SIZE, USUAL_SIZE, 3))
    arguments = {name: _describe_default(name, default) for name, default in _defaults(cnn).items()}
    return {
        "pretrained": False,
        "minimum_size": 2 ** arguments["blocks"]["default"],
        "stages": len(find_stages(cnn(input_tensor=pixels))),
        "arguments": arguments,
        "weights": [],
    }


def _describe(constructor: Callable[..., Any]) -> dict[str, Any]:
    build_preprocessing(constructor.__name__)  # raises for a family whose pixels plain layers cannot prepare
    usual = _construct(constructor, USUAL_SIZE)
    arguments = {
        name: _describe_default(name, default)
        for name, default in _defaults(constructor).items()
        if _has_effect(constructor, usual, name, default)
    }
    for name, argument in arguments.items():
        argument["imagenet"] = [
            value for value in _candidates(argument["default"]) if _wanted_file(constructor, USUAL_SIZE, **{name: value})
        ]
    return {
        "pretrained": True,
        "minimum_size": _find_minimum_size(constructor),
        "stages": len(find_stages(usual)),
        "arguments": arguments,
        "weights": list(_list_weights(constructor, {name: argument["imagenet"] for name, argument in arguments.items()})),
    }


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


def _has_effect(constructor: Callable[..., Any], usual: Any, name: str, default: Any) -> bool:
    """Whether an argument changes the network without its top; MobileNet's `dropout` does not."""
    other = next(value for value in reversed(_candidates(default)) if value != default)
    return bool(_shape_of(_construct(constructor, USUAL_SIZE, **{name: other})) != _shape_of(usual))


def _shape_of(network: Any) -> list[Any]:
    return [(type(layer).__name__, {**layer.get_config(), "name": None}) for layer in network.layers[1:]]


def _construct(constructor: Callable[..., Any], size: int, **arguments: Any) -> Any:
    return constructor(include_top=False, weights=None, input_shape=(size, size, 3), **arguments)


def _find_minimum_size(constructor: Callable[..., Any]) -> int:
    for size in itertools.count(1):
        with contextlib.suppress(ValueError):
            _construct(constructor, size)
            return size
    raise AssertionError("unreachable: itertools.count does not end")


def _wanted_file(constructor: Callable[..., Any], size: int, **arguments: Any) -> _AskedForFile | None:
    """The file that the constructor asks for with ImageNet weights, or None if it refuses these arguments."""

    def ask(fname: str, origin: str, **_: Any) -> str:
        raise _AskedForFile(fname, origin)

    with mock.patch.object(file_utils, "get_file", ask), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            constructor(include_top=False, weights="imagenet", input_shape=(size, size, 3), **arguments)
        except _AskedForFile as asked:
            return asked
        except ValueError:
            return None
    raise AssertionError(f"{constructor.__name__} made a network with ImageNet weights without asking for a file")


def _list_weights(constructor: Callable[..., Any], allowed: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    own_sizes: list[int] | None = None
    for values in itertools.product(*allowed.values()):
        arguments = dict(zip(allowed, values, strict=True))
        usual = _wanted_file(constructor, ODD_SIZE, **arguments)
        if usual is None:
            continue
        files = {size: _wanted_file(constructor, size, **arguments) for size in own_sizes or SIZES}
        if own_sizes is None:
            own_sizes = [size for size, asked in files.items() if asked and asked.name != usual.name] or [USUAL_SIZE]
        for size, asked in files.items():
            if asked and asked.name != usual.name:
                yield {"arguments": arguments, "image_size": size, "file": asked.name, "url": asked.url}
        yield {"arguments": arguments, "image_size": None, "file": usual.name, "url": usual.url}


if __name__ == "__main__":
    write_atomically(FACTS, render())
    sys.stdout.write(f"wrote {FACTS.name}\n")
