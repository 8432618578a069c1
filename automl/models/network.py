"""Joins preprocessing, backbone and head into the network that one trial trains and the same network as it is used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from automl.errors import BuildError
from automl.models.augmentation import build_augmentation
from automl.models.backbones import build_backbone
from automl.models.facts import is_pretrained
from automl.models.head import build_head
from automl.models.preprocessing import build_preprocessing
from automl.models.stages import Stage, find_stages
from automl.records import AugmentConfig, ModelConfig


@dataclass(frozen=True)
class BuiltModel:
    """One network in two forms that share every layer.

    Attributes:
        inference: uint8 (n, size, size, 3) -> float32 probabilities (n, classes), made of plain Keras layers.
        training: The same behind the augmentation layers, which act only when it is called with `training=True`.
        backbone: Preprocessed pixels -> feature map; a functional model inside both.
        head: The layers after it.
        stages: The backbone's stages, counted from its output.
        depth: How many of them train once unfrozen: a number, or "all".
        is_whole: Trained as a whole from the first epoch, since nothing in it is pretrained.
        normalizes: Whether the unfrozen part runs in training mode while it trains: BatchNormalization with the statistics of
            the batch, dropout inside the backbone (EfficientNet's) on. What is frozen runs in inference mode in any case.
    """

    inference: Any
    training: Any
    backbone: Any
    head: tuple[Any, ...]
    stages: tuple[Stage, ...]
    depth: int | Literal["all"]
    is_whole: bool
    normalizes: bool

    def freeze(self) -> None:
        """Let the head alone train."""
        self.backbone.trainable = False

    def unfreeze(self) -> None:
        """Let the head and the last `depth` stages train."""
        trained = {id(layer) for layer in self._unfrozen_layers()}
        self.backbone.trainable = True
        for layer in self.backbone.layers:
            layer.trainable = id(layer) in trained

    def trained_variables(self) -> list[Any]:
        """What training changes, in a stable order: the unfrozen layers' weights from the input on, then the head's.

        BatchNormalization's moving statistics are among them where it runs in training mode. The order and the number do
        not depend on what is frozen at the moment.
        """
        variables: list[Any] = []
        for layer in self._unfrozen_layers():
            fixed = {id(weight) for weight in _fixed_weights(layer, normalizes=self.normalizes)}
            variables += [weight for weight in layer.weights if id(weight) not in fixed]
        return variables + [weight for layer in self.head for weight in layer.weights]

    def _unfrozen_layers(self) -> Sequence[Any]:
        if self.depth == "all":
            return list(self.backbone.layers)
        chosen = {id(layer) for stage in self.stages[: self.depth] for layer in stage.layers}
        return [layer for layer in self.backbone.layers if id(layer) in chosen]


def build(config: ModelConfig, *, augment: AugmentConfig, image_size: int, classes: int, seed: int = 0) -> BuiltModel:
    """Build a trial's network; the same arguments give the same initial weights, whatever the process built before.

    A pretrained backbone comes back frozen, one without pretrained weights trainable as a whole; for the latter
    `unfreeze` and `batch_normalization` say nothing, because a frozen backbone of random weights gives features from
    which nothing can be learned.

    Args:
        config: The network.
        augment: Random changes to training pictures.
        image_size: Side of the pictures in pixels.
        classes: Number of probabilities, at least 2.
        seed: Of the initial weights, dropout and augmentation. Sets Keras' global seed.

    Raises:
        BuildError: The network cannot be built.
        WeightsError: Its pretrained weights are not to be had, or do not fit.
    """
    if classes < 2:
        raise BuildError(f"expected pictures of at least 2 classes, but got {classes}")
    keras.utils.set_random_seed(seed % 2**32)
    is_whole = not is_pretrained(config)
    depth = "all" if is_whole else config.unfreeze or 0
    normalizes = is_whole or config.batch_normalization == "training"
    backbone = build_backbone(config, image_size=image_size)
    preprocessing = build_preprocessing(config.backbone.name)
    head = build_head(config, classes=classes, seed=seed)
    stages = find_stages(backbone)
    depth = "all" if depth == "all" or depth >= len(stages) else depth
    parts = [backbone] if is_whole else _parts(backbone, stages, depth, normalizes=normalizes)
    built = BuiltModel(
        inference=_join_inference(preprocessing, backbone, head),
        training=_join_training((*build_augmentation(augment, seed=seed), preprocessing, *parts, *head), image_size),
        backbone=backbone,
        head=head,
        stages=stages,
        depth=depth,
        is_whole=is_whole,
        normalizes=normalizes,
    )
    if is_whole:
        built.unfreeze()
    else:
        built.freeze()
    return built


def _join_inference(preprocessing: Any, backbone: Any, head: Sequence[Any]) -> Any:
    pixels = keras.Input(backbone.input_shape[1:], dtype="uint8", name="pixels")
    x = backbone(preprocessing(pixels), training=False)
    for layer in head:
        x = layer(x)
    return keras.Model(pixels, x, name="classifier")


def _join_training(layers: Sequence[Any], image_size: int) -> Any:
    pixels = keras.Input((image_size, image_size, 3), dtype="uint8", name="pixels")
    # A model with a uint8 input casts what it is given to uint8, so the augmented pixels cannot go through `inference`.
    x = keras.layers.Rescaling(1.0, name="float_pixels")(pixels)
    for layer in layers:
        x = layer(x)
    return keras.Model(pixels, x, name="augmented_classifier")


def _parts(backbone: Any, stages: Sequence[Stage], depth: int | Literal["all"], *, normalizes: bool) -> list[Any]:
    """A pretrained backbone as layers of the training model: in one piece, or what stays frozen and what trains."""
    if not normalizes or depth == 0:
        return [_InInferenceMode(backbone, name="backbone_in_inference_mode")]
    if depth == "all":
        return [_InInferenceMode(backbone, unless_trained=True, name="backbone_in_its_mode")]
    boundary = list(stages[depth - 1].boundary)
    return [
        _InInferenceMode(keras.Model(backbone.input, boundary), name="frozen_stages"),
        _InInferenceMode(keras.Model(boundary, backbone.output), unless_trained=True, name="unfrozen_stages"),
    ]


class _InInferenceMode(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A network that runs as it is used, also inside a model that is called with `training=True`.

    `backbone(x, training=False)` in a functional model is not enough: a call of that model with `training=True` overrides
    it, and an unfrozen BatchNormalization would then use and change the statistics of the batch, and dropout be on.

    Args:
        network: A functional model.
        unless_trained: Whether it runs in the mode of the model round it while any of its weights can be trained.
    """

    def __init__(self, network: Any, *, unless_trained: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.network = network
        self.unless_trained = unless_trained

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        trains = self.unless_trained and bool(self.network.trainable_variables)
        return self.network(inputs, training=trains and bool(training))

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        # Without this Keras traces the whole network to learn its output's shape.
        return self.network.compute_output_spec(inputs)


def _fixed_weights(layer: Any, *, normalizes: bool) -> Iterator[Any]:
    """Weights of a layer, and of layers inside it, that training leaves as they are."""
    for inner in layer._flatten_layers():
        if isinstance(inner, keras.layers.Normalization):
            yield from inner.weights
        elif isinstance(inner, keras.layers.BatchNormalization) and not normalizes:
            yield from (inner.moving_mean, inner.moving_variance)
