"""Joins preprocessing, backbone and head into the network of a trial: what stays frozen, what trains, and the whole as it is used."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from automl.errors import BuildError
from automl.models.backbones import build_backbone
from automl.models.facts import is_pretrained
from automl.models.head import build_head, initial_head
from automl.models.preprocessing import build_preprocessing
from automl.models.seeds import derive_seed
from automl.models.stages import Stage, find_stages
from automl.records import ModelConfig

Depth = int | Literal["all"]
Dropout = Callable[[Any, int], Any]
"""Called with the input of a dense layer, (n, width), and the layer's number from 0."""


@dataclass(frozen=True, eq=False)
class Base:
    """A backbone with its preprocessing and the weights that every trial on it begins with.

    Several networks may share one base, but only one of them can train at a time; `restore` undoes what it changed.

    Attributes:
        backbone: Preprocessed pixels (n, size, size, 3) -> feature map; a functional model.
        stages: The backbone's stages, counted from its output.
        initial: The values of `backbone.weights` as they were loaded or drawn.
        seed: Of those that were drawn.
    """

    preprocessing: Any
    backbone: Any
    stages: tuple[Stage, ...]
    initial: list[NDArray[Any]] = field(repr=False)
    seed: int

    @classmethod
    def load(cls, config: ModelConfig, *, image_size: int, seed: int = 0) -> "Base":
        """The base of a network; the same arguments give the same weights, whatever the process built before.

        Args:
            config: `backbone` and `weights` are read.
            image_size: Side of the pictures in pixels.
            seed: Of the weights of a backbone without pretrained ones. Sets Keras' global seed.

        Raises:
            BuildError: There is no such network.
            WeightsError: Its pretrained weights are not to be had, or do not fit.
        """
        keras.utils.set_random_seed(seed % 2**32)
        backbone = build_backbone(config, image_size=image_size)
        initial = [np.array(weight.numpy()) for weight in backbone.weights]
        return cls(build_preprocessing(config.backbone.name), backbone, find_stages(backbone), initial, seed)

    def restore(self, variables: Sequence[Any] | None = None) -> None:
        """Give weights their initial values again: some, or all."""
        wanted = None if variables is None else {id(variable) for variable in variables}
        for weight, value in zip(self.backbone.weights, self.initial, strict=True):
            if wanted is None or id(weight) in wanted:
                weight.assign(value)

    def clip(self, depth: Depth) -> Depth:
        """A depth of all stages or more is "all"."""
        return "all" if depth == "all" or depth >= len(self.stages) else depth

    def boundary(self, depth: int) -> list[Any]:
        """The tensors between what is frozen and what trains at a depth; the last feature map at depth 0."""
        return list(self.stages[depth - 1].boundary) if depth else [self.backbone.output]

    def unfrozen_layers(self, depth: Depth) -> list[Any]:
        """The layers that train at a depth, from the input on."""
        if depth == "all":
            return list(self.backbone.layers)
        chosen = {id(layer) for stage in self.stages[:depth] for layer in stage.layers}
        return [layer for layer in self.backbone.layers if id(layer) in chosen]

    def frozen(self, depth: int, pooling: Any) -> "FrozenPart":
        """What stays frozen at a depth.

        Args:
            depth: 0, or less than the number of stages.
            pooling: The layer that makes a vector of the last feature map; applied at depth 0 only.
        """
        return FrozenPart(self.preprocessing, keras.Model(self.backbone.input, self.boundary(depth)), pooling if depth == 0 else None)


@dataclass(frozen=True, eq=False)
class FrozenPart:
    """The part of a network before the boundary, in inference mode.

    Attributes:
        model: Preprocessed pixels -> the tensors that cross the boundary.
        pooling: Applied to the only one; None where they are flattened and, if they are two, joined.
    """

    preprocessing: Any
    model: Any
    pooling: Any

    def __call__(self, pixels: Any) -> Any:
        """Pixels (n, size, size, 3), float32 from 0 to 255 -> (n, width), float32."""
        crossing = self.model(self.preprocessing(pixels), training=False)
        tensors = crossing if isinstance(crossing, list | tuple) else [crossing]
        if self.pooling is not None:
            return self.pooling(tensors[0])
        flat = [keras.ops.reshape(tensor, (-1, math.prod(tensor.shape[1:]))) for tensor in tensors]
        return flat[0] if len(flat) == 1 else keras.ops.concatenate(flat, axis=-1)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(size, size, 3)."""
        return tuple(self.model.input_shape[1:])

    @property
    def width(self) -> int:
        """Numbers a picture."""
        shapes = [tensor.shape for tensor in self.model.outputs]
        if self.pooling is not None:
            return int(self.pooling.compute_output_shape(shapes[0])[-1])
        return sum(math.prod(shape[1:]) for shape in shapes)


@dataclass(frozen=True, eq=False)
class Network:
    """The network of a trial.

    Attributes:
        base: Preprocessing and backbone, perhaps shared with other networks.
        head: The layers after the backbone: pooling, then dropout and dense layers.
        depth: How many stages train once unfrozen: a number, or "all".
        is_whole: Trained as a whole from the first epoch, since nothing in it is pretrained.
        normalizes: Whether the unfrozen part runs in training mode while it trains: BatchNormalization with the statistics of
            the batch, dropout inside the backbone (EfficientNet's) on. What is frozen runs in inference mode in any case.
    """

    base: Base
    head: tuple[Any, ...]
    depth: Depth
    is_whole: bool
    normalizes: bool

    @functools.cached_property
    def inference(self) -> Any:
        """The whole network as it is used, of plain Keras layers: uint8 (n, size, size, 3) -> float32 probabilities (n, classes)."""
        pixels = keras.Input(self.base.backbone.input_shape[1:], dtype="uint8", name="pixels")
        x = self.base.backbone(self.base.preprocessing(pixels), training=False)
        for layer in self.head:
            x = layer(x)
        return keras.Model(pixels, x, name="classifier")

    @functools.cached_property
    def _trunk(self) -> Any:
        if self.depth == "all":
            return self.base.backbone
        return keras.Model(self.base.boundary(self.depth), self.base.backbone.output)

    def answer(self, x: Any, *, training: bool, dropout: Dropout | None = None) -> Any:
        """The probabilities (n, classes) as the part that trains computes them.

        A call of the network with `training=True` must not reach a backbone that runs in inference mode, so its parts are
        called one by one; inside one functional model Keras 3.15 would override their `training=False`.

        Args:
            x: Where all trains, pixels (n, size, size, 3) from 0 to 255; else what `base.frozen` gives, (n, width).
            training: Whether BatchNormalization and dropout act, where `normalizes` lets them.
            dropout: Applied before each dense layer of the head.
        """
        pooled = x if self.depth == 0 else self.head[0](self._trunk(self._enter(x), training=training and self.normalizes))
        for number, layer in enumerate(self.dense):
            pooled = layer(pooled if dropout is None else dropout(pooled, number))
        return pooled

    def _enter(self, x: Any) -> Any:
        if self.depth == "all":
            return self.base.preprocessing(keras.ops.cast(x, "float32"))
        tensors, start = [], 0
        for tensor in self.base.boundary(self.depth):
            width = math.prod(tensor.shape[1:])
            tensors.append(keras.ops.reshape(x[:, start : start + width], (-1, *tensor.shape[1:])))
            start += width
        return tensors

    @property
    def dense(self) -> list[Any]:
        """The dense layers of the head, in order."""
        return [layer for layer in self.head if isinstance(layer, keras.layers.Dense)]

    def trained_variables(self) -> list[Any]:
        """What training changes, in a stable order: the unfrozen layers' weights from the input on, then the head's.

        BatchNormalization's moving statistics are among them where it runs in training mode.
        """
        variables: list[Any] = []
        for layer in self.base.unfrozen_layers(self.depth):
            fixed = {id(weight) for weight in _fixed_weights(layer, normalizes=self.normalizes)}
            variables += [weight for weight in layer.weights if id(weight) not in fixed]
        return variables + [weight for layer in self.dense for weight in layer.weights]

    def initial_values(self, config: ModelConfig, *, seed: int, image_size: int) -> list[NDArray[Any]]:
        """The values of `trained_variables` at the start of a trial with this seed.

        Args:
            config: Of this network, but for what may differ between trials that share it.
            seed: The trial's.
            image_size: Side of the pictures in pixels.
        """
        is_drawn = self.is_whole and seed != self.base.seed
        values = Base.load(config, image_size=image_size, seed=seed).initial if is_drawn else self.base.initial
        by_weight = {id(weight): value for weight, value in zip(self.base.backbone.weights, values, strict=True)}
        inside = [by_weight[id(variable)] for variable in self.trained_variables() if id(variable) in by_weight]
        return inside + initial_head(config, self.dense, seed=seed)

    def reset_generators(self, seed: int) -> None:
        """Let the random numbers inside the backbone (EfficientNet's dropout) begin anew."""
        states = [variable for variable in self.base.backbone.variables if variable.path.endswith("seed_generator_state")]
        for index, state in enumerate(states):
            state.assign(np.array([derive_seed(seed, "backbone", index), 0], state.dtype))

    def regularization(self) -> list[Any]:
        """The losses that layers of what trains bring with them, beside that of the answer."""
        return list(self._trunk.losses) if self.depth != 0 else []


def build(
    config: ModelConfig, *, image_size: int, classes: int, seed: int = 0, base: Base | None = None, depth: Depth | None = None
) -> Network:
    """Build a trial's network; the same arguments give the same initial weights, whatever the process built before.

    One without pretrained weights is trained as a whole: `unfreeze` and `batch_normalization` say nothing then, because a
    frozen backbone of random weights gives features from which nothing can be learned.

    Args:
        config: The network.
        image_size: Side of the pictures in pixels.
        classes: Number of probabilities, at least 2.
        seed: Of the initial weights. Sets Keras' global seed.
        base: One that was loaded before; by default a new one.
        depth: In place of `config.unfreeze`, for a phase that trains less.

    Raises:
        BuildError: The network cannot be built.
        WeightsError: Its pretrained weights are not to be had, or do not fit.
    """
    if classes < 2:
        raise BuildError(f"expected pictures of at least 2 classes, but got {classes}")
    base = base or Base.load(config, image_size=image_size, seed=seed)
    is_whole = not is_pretrained(config)
    wanted = config.unfreeze or 0 if depth is None else depth
    head = build_head(config, classes=classes, seed=seed)
    shape = head[0].compute_output_shape(base.backbone.output_shape)
    for layer in head[1:]:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return Network(
        base=base,
        head=head,
        depth="all" if is_whole else base.clip(wanted),
        is_whole=is_whole,
        normalizes=is_whole or config.batch_normalization == "training",
    )


def _fixed_weights(layer: Any, *, normalizes: bool) -> Iterator[Any]:
    """Weights of a layer, and of layers inside it, that training leaves as they are."""
    for inner in layer._flatten_layers():
        if isinstance(inner, keras.layers.Normalization):
            yield from inner.weights
        elif isinstance(inner, keras.layers.BatchNormalization) and not normalizes:
            yield from (inner.moving_mean, inner.moving_variance)
