"""Stages of a convolutional backbone, found in its graph, so that an unfreeze depth means the same for every backbone.

A stage lies between two halvings of the resolution. Where a halving has no weights (pooling), the stage begins with the
tensor after it. Otherwise it begins before the pointwise layers that lead up to the halving: at the smallest tensor met on
the way back that every path through the network crosses, the latest where several are equally small.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A run of layers.

    Attributes:
        layers: In the order in which the data passes them.
        boundary: The tensor that the stage takes from the one before it; every path crosses it. None for the first stage.
    """

    layers: tuple[Any, ...]
    boundary: Any | None

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(int(layer.count_params()) for layer in self.layers)


@dataclass(frozen=True)
class _Step:
    """One operation of the graph with its place, its tensors and how often the picture was halved before and after it."""

    position: int
    operation: Any
    inputs: tuple[Any, ...]
    output: Any
    level_before: float
    level: float

    @property
    def name(self) -> str:
        return str(self.operation.name)


def find_stages(backbone: Any) -> tuple[Stage, ...]:
    """The stages of a functional model, counted from its output: the first is what `unfreeze: 1` trains.

    Args:
        backbone: A functional Keras model from (n, size, size, channels) to its last feature map.
    """
    steps = _read_steps(backbone)
    cuts = _find_cuts(steps)
    boundaries = _find_boundaries(steps, cuts)
    stages: list[Stage] = []
    begin, boundary = 0, None
    for cut in [*boundaries, steps[-1]]:
        end = cut.position + 1
        stage = Stage(tuple(_layers(steps[begin:end])), boundary)
        # What lies before the first weights that can be learned, or after the last, is no stage of its own.
        if any(layer.weights and type(layer).__name__ != "Normalization" for layer in stage.layers):
            stages.append(stage)
            begin, boundary = end, cut.output
        elif stages:
            last = stages.pop()
            stages.append(Stage((*last.layers, *stage.layers), last.boundary))
            begin = end
    return tuple(reversed(stages))


def _layers(steps: Iterable[_Step]) -> list[Any]:
    return [step.operation for step in steps if hasattr(step.operation, "count_params")]


def _read_steps(backbone: Any) -> list[_Step]:
    """The graph's operations in an order in which each follows those that it depends on."""
    levels: dict[int, float] = {id(tensor): 0.0 for tensor in backbone.inputs}
    steps: list[_Step] = []
    for operation in backbone.operations:
        for node in operation._inbound_nodes:
            inputs = tuple(node.input_tensors)
            if node.is_input or any(id(tensor) not in levels for tensor in inputs):
                continue  # the graph's entrance, or a use of the layer in another model
            before = max(levels[id(tensor)] for tensor in inputs)
            level = before + math.log2(_stride(operation))
            output = node.output_tensors[0]
            levels.update({id(tensor): level for tensor in node.output_tensors})
            steps.append(_Step(len(steps), operation, inputs, output, before, level))
    return steps


def _stride(operation: Any) -> int:
    if hasattr(operation, "layers"):  # a model inside the model
        return math.prod(_stride(layer) for layer in operation.layers)
    strides = getattr(operation, "strides", 1)
    return int(strides[0] if isinstance(strides, tuple | list) else strides)


def _find_cuts(steps: Sequence[_Step]) -> dict[int, _Step]:
    """The steps after which only one tensor is still needed, under the identity of that tensor."""
    last_use: dict[int, int] = {}
    for step in steps:
        last_use.update({id(tensor): step.position for tensor in step.inputs})
    last_use[id(steps[-1].output)] = len(steps)
    live: set[int] = {id(tensor) for tensor in steps[0].inputs}
    cuts: dict[int, _Step] = {}
    for step in steps:
        live.add(id(step.output))
        live = {tensor for tensor in live if last_use.get(tensor, -1) > step.position}
        if live == {id(step.output)}:
            cuts[id(step.output)] = step
    return cuts


def _find_boundaries(steps: Sequence[_Step], cuts: dict[int, _Step]) -> list[_Step]:
    """For each halving the step whose output is where the next stage begins, in the order of the graph."""
    halvings: dict[float, list[_Step]] = {}
    for step in steps:
        if step.level > step.level_before:
            halvings.setdefault(step.level, []).append(step)
    found: dict[int, _Step] = {}
    for level in sorted(halvings):
        boundary = _boundary_of(halvings[level], {id(step.output): step for step in steps}, cuts)
        if boundary is not None:
            found[boundary.position] = boundary
    return [found[position] for position in sorted(found)]


def _boundary_of(halving: Sequence[_Step], producers: dict[int, _Step], cuts: dict[int, _Step]) -> _Step | None:
    if len(halving) == 1 and not halving[0].operation.weights:
        return cuts.get(id(halving[0].output))
    candidates: dict[int, _Step] = {}
    for step in halving:
        for met in _walk_back(step, producers):
            if id(met.output) in cuts:
                candidates[met.position] = met
    if not candidates:
        return None
    return min(candidates.values(), key=lambda step: (_size(step.output), -step.position))


def _walk_back(step: _Step, producers: dict[int, _Step]) -> list[_Step]:
    """The steps met going back from a halving over pointwise operations, up to and including the first that is not one."""
    met: list[_Step] = []
    tensor = step.inputs[0]
    while id(tensor) in producers:
        before = producers[id(tensor)]
        met.append(before)
        if not _is_pointwise(before):
            break
        tensor = before.inputs[0]
    return met


def _is_pointwise(step: _Step) -> bool:
    operation = step.operation
    if len(step.inputs) != 1:
        return False
    if type(operation).__name__ in ("ZeroPadding2D", "Cropping2D"):
        return True
    kernel = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None) or (1,)
    return max(kernel) == 1 and step.inputs[0].shape[1:3] == step.output.shape[1:3]


def _size(tensor: Any) -> int:
    return math.prod(int(side) for side in tensor.shape[1:])
