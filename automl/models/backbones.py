"""Makes the backbone of a config as one functional Keras model named `backbone`, with its pretrained weights if it has any."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from automl.errors import BuildError, WeightsError
from automl.models.cnn import cnn
from automl.models.facts import facts_of, is_pretrained
from automl.models.weights import check_opens, ensure_imagenet_file, find_weights_file
from automl.records import Backbone, ModelConfig


def build_backbone(config: ModelConfig, *, image_size: int) -> Any:
    """The backbone from preprocessed pixels (n, size, size, 3) to its last feature map.

    Args:
        config: `backbone` and `weights` are read.
        image_size: Side of the pictures in pixels.

    Raises:
        BuildError: There is no such network: a wrong argument, or pictures too small for it.
        WeightsError: Its weights are not to be had, or do not fit.
    """
    smallest = facts_of(config.backbone)["minimum_size"]
    if image_size < smallest:
        raise BuildError(f"data.image_size: {config.backbone.name} needs at least {smallest} px, but got {image_size}")
    backbone = _load(config, image_size)
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            _hold_constants(layer)
        elif isinstance(layer, keras.layers.Conv2D) and layer.groups == layer.filters > layer.kernel.shape[-2] == 1:
            _convolve_by_channel(layer)
    return backbone


def _load(config: ModelConfig, image_size: int) -> Any:
    if not is_pretrained(config):
        return _construct(config.backbone, image_size, weights=None)
    if config.weights == "imagenet":
        file = ensure_imagenet_file(config.backbone, image_size)
        try:
            return _construct(config.backbone, image_size, weights="imagenet")
        except (OSError, KeyError, RuntimeError, BuildError) as error:
            raise WeightsError(_unfit(file, config.backbone, error, "delete it, so that it is downloaded again")) from error
    backbone = _construct(config.backbone, image_size, weights=None)
    _load_file(backbone, find_weights_file(config.weights), config.backbone)
    _scale_as_published(backbone, facts_of(config.backbone).get("scale_of_weights"))
    return backbone


def _load_file(network: Any, file: Path, backbone: Backbone) -> None:
    check_opens(file)
    # Keras leaves a layer that it does not find in the file as it is, with a warning at most; NaN betrays it.
    for variable in network.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(np.full(variable.shape, np.nan))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.load_weights(str(file))
        forgotten = [variable.path for variable in network.weights if np.isnan(variable.numpy()).any()]
        if forgotten:
            raise ValueError(f"it says nothing of {len(forgotten)} of {len(network.weights)} arrays, the first is {forgotten[0]}")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsError(_unfit(file, backbone, error, "give the file that was saved from this backbone without its top")) from error


def _scale_as_published(network: Any, scale: Sequence[float] | None) -> None:
    """Make up for the layer after Normalization that Keras adds to some networks for its own weights, not for those of a file.

    Weights that know mean and variance of the pixels come from the published ones, which were trained with that layer. Others
    were trained by somebody whose network did not have it either.
    """
    if scale is None:
        return
    (normalization,) = (layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance, count = normalization.get_weights()
    if np.all(mean == 0) and np.all(variance == 1):
        return
    normalization.set_weights([mean, variance / np.square(scale), count])
    normalization.finalize_state()


def _hold_constants(normalization: Any) -> None:
    """Make mean and variance plain numbers; Keras holds them as tensors, which the converter to ONNX takes for inputs."""
    normalization.mean, normalization.variance = np.asarray(normalization.mean), np.asarray(normalization.variance)


def _convolve_by_channel(layer: Any) -> None:
    """Compute a convolution that has one group for each channel (ConvNeXt's) as what it is: depthwise.

    On a processor Keras compiles grouped convolutions by themselves, which made a step of ConvNeXtTiny five times and a
    prediction ten times as slow, and a model that the converter to ONNX does not understand. Layer and weights stay as
    they are, and so does the saved model.
    """

    def convolution_op(inputs: Any, kernel: Any) -> Any:
        return keras.ops.depthwise_conv(
            inputs,
            keras.ops.transpose(kernel, (0, 1, 3, 2)),
            strides=layer.strides[0],
            padding=layer.padding,
            dilation_rate=layer.dilation_rate[0],
            data_format=layer.data_format,
        )

    layer.convolution_op = convolution_op


def _construct(backbone: Backbone, image_size: int, *, weights: str | None) -> Any:
    # An input made here has a name that does not depend on how many models the process has made before.
    pixels = keras.Input((image_size, image_size, 3), name="backbone_input")
    if backbone.name == "cnn":
        return cnn(input_tensor=pixels, **backbone.arguments)
    constructor = getattr(keras.applications, backbone.name)
    try:
        with warnings.catch_warnings():
            # Keras warns for every size without a weights file of its own; which one it takes is in the facts.
            warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
            network = constructor(
                **backbone.arguments, include_top=False, weights=weights, input_tensor=pixels, input_shape=(image_size, image_size, 3)
            )
    except (ValueError, TypeError) as error:
        described = ", ".join(f"{name}={value!r}" for name, value in backbone.arguments.items()) or "its default arguments"
        raise BuildError(f"model.backbone: {backbone.name} with {described} at {image_size} px cannot be built: {error}") from error
    return keras.Model(pixels, network.output, name="backbone")


def _unfit(file: Path, backbone: Backbone, error: Exception, remedy: str) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"{file} does not hold the weights of {backbone.name} {backbone.arguments or ''}".rstrip() + f": {reason}; {remedy}"
