"""Joins preprocessing, backbone and head into the network that one trial trains and the same network as it is used."""

from collections.abc import Sequence
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
        normalizes: Whether the unfrozen part's BatchNormalization runs in training mode.
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
            moving = [] if self.normalizes else _moving_statistics(layer)
            variables += [weight for weight in layer.weights if not any(weight is other for other in moving)]
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
    built = BuiltModel(
        inference=_join_inference(preprocessing, backbone, head),
        training=_join_training(build_augmentation(augment, seed=seed), preprocessing, backbone, head, normalizes=normalizes),
        backbone=backbone,
        head=head,
        stages=stages,
        depth="all" if depth == "all" or depth >= len(stages) else depth,
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


def _join_training(augmentation: Sequence[Any], preprocessing: Any, backbone: Any, head: Sequence[Any], *, normalizes: bool) -> Any:
    pixels = keras.Input(backbone.input_shape[1:], dtype="uint8", name="pixels")
    # A model with a uint8 input casts what it is given to uint8, so the augmented pixels cannot go through `inference`.
    x = keras.layers.Rescaling(1.0, name="float_pixels")(pixels)
    for layer in (*augmentation, preprocessing):
        x = layer(x)
    x = backbone(x) if normalizes else _InInferenceMode(backbone, name="backbone_in_inference_mode")(x)
    for layer in head:
        x = layer(x)
    return keras.Model(pixels, x, name="augmented_classifier")


class _InInferenceMode(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A network that runs as it is used, also inside a model that is called with `training=True`.

    `backbone(x, training=False)` in a functional model is not enough: a call of that model with `training=True` overrides
    it, and an unfrozen BatchNormalization would then use and change the statistics of the batch.
    """

    def __init__(self, network: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.network = network

    def call(self, pixels: Any) -> Any:
        return self.network(pixels, training=False)


def _moving_statistics(layer: Any) -> list[Any]:
    return [layer.moving_mean, layer.moving_variance] if isinstance(layer, keras.layers.BatchNormalization) else []
