"""Stages of a backbone, found in its graph, so that an unfreeze depth means the same for every backbone.

A stage lies between two halvings of the resolution. Where a halving has no weights (pooling), the stage begins with the
tensor after it. Otherwise it begins before the pointwise layers that lead up to the halving: at the smallest tensor met on
the way back that every path through the network crosses, the latest where several are equally small. A network without
such a tensor at every halving (NASNet, whose cells take the outputs of two cells before them) is cut into fifths of its
weights, at merges after which at most two tensors are still needed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

FIFTHS = 5
WIDEST_BOUNDARY = 2


@dataclass(frozen=True)
class Stage:
    """A run of layers.

    Attributes:
        layers: In the order in which the data passes them. A layer that is used in several stages is of the first of them.
        boundary: The tensors that cross into the stage, the only ones that it or a later stage takes from before it: one
            where the stage begins at a halving, two between the cells of NASNet, none for the first stage. So
            `keras.Model(backbone.input, list(boundary))` is the network before the stage, and
            `keras.Model(list(boundary), backbone.output)` the one from it on.
    """

    layers: tuple[Any, ...]
    boundary: tuple[Any, ...]

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(int(layer.count_params()) for layer in self.layers)


@dataclass(frozen=True, eq=False)
class _Step:
    """One operation of the graph with its place, its tensors and how often the picture was halved before and after it."""

    position: int
    operation: Any
    inputs: tuple[Any, ...]
    output: Any
    level_before: float
    level: float


def find_stages(backbone: Any) -> tuple[Stage, ...]:
    """The stages of a functional model, counted from its output: the first is what `unfreeze: 1` trains.

    Args:
        backbone: A functional Keras model from (n, size, size, channels) to its last feature map.
    """
    steps = _read_steps(backbone)
    crossing = _find_crossing(steps)
    boundaries = _at_halvings(steps, crossing)
    if boundaries is None:
        boundaries = _at_fifths(steps, crossing)
    stages: list[Stage] = []
    used: set[int] = set()
    begin, boundary = 0, ()
    for cut in [*_between_weights(steps, boundaries), steps[-1]]:
        stages.append(Stage(_new_layers(steps[begin : cut.position + 1], used), boundary))
        begin, boundary = cut.position + 1, crossing[cut.position]
    return tuple(reversed(stages))


def _between_weights(steps: Sequence[_Step], boundaries: Iterable[_Step]) -> list[_Step]:
    """The boundaries that have weights on both sides: what lies before the first or after the last is no stage of its own."""
    kept: list[_Step] = []
    for boundary in boundaries:
        if _learns(steps[kept[-1].position + 1 if kept else 0 : boundary.position + 1]):
            kept.append(boundary)
    if kept and not _learns(steps[kept[-1].position + 1 :]):
        kept.pop()
    return kept


def _learns(steps: Iterable[_Step]) -> bool:
    # Normalization's weights are measured once, not learned.
    return any(type(step.operation).__name__ != "Normalization" and _count_weights(step.operation) for step in steps)


def _count_weights(operation: Any) -> int:
    return int(operation.count_params()) if hasattr(operation, "count_params") else 0


def _new_layers(steps: Iterable[_Step], used: set[int]) -> tuple[Any, ...]:
    """The layers of some steps that are not among those used before; they become used."""
    found = {id(step.operation): step.operation for step in steps if hasattr(step.operation, "count_params")}
    layers = tuple(layer for key, layer in found.items() if key not in used)
    used.update(found)
    return layers


def _read_steps(backbone: Any) -> list[_Step]:
    """The graph's operations in an order in which each follows those that it depends on."""
    levels: dict[int, float] = {id(tensor): 0.0 for tensor in backbone.inputs}
    steps: list[_Step] = []
    waiting = [(operation, node) for operation in backbone.operations for node in operation._inbound_nodes if not node.is_input]
    while True:
        early: list[Any] = []
        for operation, node in waiting:
            inputs = tuple(node.input_tensors)
            if any(id(tensor) not in levels for tensor in inputs):
                early.append((operation, node))
                continue
            before = max(levels[id(tensor)] for tensor in inputs)
            level = before + math.log2(_stride(operation))
            levels.update({id(tensor): level for tensor in node.output_tensors})
            steps.append(_Step(len(steps), operation, inputs, node.output_tensors[0], before, level))
        # What is early once more is the second use of a layer; what is early for good is a use in another model.
        if len(early) == len(waiting):
            return steps
        waiting = early


def _stride(operation: Any) -> int:
    if hasattr(operation, "layers"):  # a model inside the model
        return math.prod(_stride(layer) for layer in operation.layers)
    strides = getattr(operation, "strides", 1)
    return int(strides[0] if isinstance(strides, tuple | list) else strides)


def _find_crossing(steps: Sequence[_Step]) -> list[tuple[Any, ...]]:
    """For each step the tensors that are still needed after it."""
    last_use: dict[int, int] = {}
    for step in steps:
        last_use.update({id(tensor): step.position for tensor in step.inputs})
    last_use[id(steps[-1].output)] = len(steps)
    live: dict[int, Any] = {id(tensor): tensor for tensor in steps[0].inputs}
    crossing: list[tuple[Any, ...]] = []
    for step in steps:
        live[id(step.output)] = step.output
        live = {key: tensor for key, tensor in live.items() if last_use.get(key, -1) > step.position}
        crossing.append(tuple(live.values()))
    return crossing


# --- at the halvings of the resolution -------------------------------------------------------------------------------


def _at_halvings(steps: Sequence[_Step], crossing: Sequence[tuple[Any, ...]]) -> list[_Step] | None:
    """For each halving the step whose output is where the next stage begins, in the order of the graph.

    None where a halving but the first, which may be the network's first operation, has no such step, or where there are
    no halvings but the first.
    """
    producers = {id(step.output): step for step in steps}
    cuts = {id(step.output): step for step in steps if len(crossing[step.position]) == 1 and crossing[step.position][0] is step.output}
    halvings: dict[float, list[_Step]] = {}
    for step in steps:
        if step.level > step.level_before:
            halvings.setdefault(step.level, []).append(step)
    first, *others = [_boundary_of(halvings[level], producers, cuts) for level in sorted(halvings)] or [None]
    if not others or None in others:
        return None
    found = {step.position: step for step in (first, *others) if step is not None}
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


# --- at fifths of the weights ----------------------------------------------------------------------------------------


def _at_fifths(steps: Sequence[_Step], crossing: Sequence[tuple[Any, ...]]) -> list[_Step]:
    """The merges nearest to where a fifth, two fifths, ... of the weights lie before, in the order of the graph."""
    before: list[int] = []
    total = 0
    for step in steps:
        total += _count_weights(step.operation)
        before.append(total)
    merges = [
        step
        for step in steps
        if len(step.inputs) > 1
        and len(crossing[step.position]) <= WIDEST_BOUNDARY
        and any(tensor is step.output for tensor in crossing[step.position])
        and before[step.position] < total
    ]
    if not merges:
        return []
    wanted = [total * fifth / FIFTHS for fifth in range(1, FIFTHS)]
    return list(dict.fromkeys(min(merges, key=lambda step: abs(before[step.position] - share)) for share in wanted))
