"""How many values a frozen backbone passes on for one picture, from `boundaries` in `backbones.json`, without Keras.

These hold, for each depth from 0 (the output) on, the channels of each tensor and how often its side goes into the
picture's, for the arguments named there. The figures here are upper bounds: sides are rounded up, where networks
without padding lose a few pixels, and for other arguments those of the next wider network stand.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from automl.models.facts import facts_of
from automl.records import Backbone

_DIVISOR = 8
"""Networks of any width have channels in multiples of this."""


def feature_width(backbone: Backbone, image_size: int, depth: int, pooling: str) -> int:
    """The values of one picture where the last `depth` stages begin, at most.

    Args:
        backbone: A pretrained one.
        image_size: Side of the picture in pixels.
        depth: 0 for what the head takes, else below the backbone's number of stages.
        pooling: avg and max leave one value a channel at depth 0, flatten leaves the map.

    Raises:
        BuildError: There is no such backbone.
    """
    facts = facts_of(backbone)
    numbers = {name: argument["default"] for name, argument in facts["arguments"].items() if argument["type"] in ("int", "float")}
    wanted = {name: backbone.arguments.get(name, default) for name, default in numbers.items()}
    is_pooled = depth == 0 and pooling != "flatten"
    known: Sequence[Mapping[str, Any]] = facts["boundaries"]
    wide_enough = [entry for entry in known if all(entry["arguments"][name] >= value for name, value in wanted.items())]
    if wide_enough:
        return min(_width(entry["tensors"][depth], image_size, is_pooled) for entry in wide_enough)
    largest = {name: max(entry["arguments"][name] for entry in known) for name in wanted}
    factor = math.prod(max(1.0, value / largest[name]) for name, value in wanted.items())
    return max(_width([_widened(tensor, factor) for tensor in entry["tensors"][depth]], image_size, is_pooled) for entry in known)


def _width(tensors: Sequence[Sequence[int]], image_size: int, is_pooled: bool) -> int:
    return sum(channels * (1 if is_pooled else math.ceil(image_size / reduction) ** 2) for channels, reduction in tensors)


def _widened(tensor: Sequence[int], factor: float) -> tuple[int, int]:
    channels, reduction = tensor
    return (math.ceil(channels * factor / _DIVISOR) + 1) * _DIVISOR, reduction
