"""Files of pretrained weights: where they are looked for, fetched before the first trial, and what to do without them."""

import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import h5py

from automl.errors import WeightsError
from automl.models.facts import WeightsFile, facts_of, find_imagenet_file
from automl.records import Backbone, ModelConfig, PrepareJob
from automl.space.backbones import catalog
from automl.space.problems import shown

TIMEOUT_SECONDS = 60
FALLBACK_HOME = (Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())) / ".keras"
"""Where Keras itself keeps its files when KERAS_HOME cannot be written."""


WAYS_OUT = (
    ". Ways out: put the file there by hand; set KERAS_HOME to the folder whose models/ has it; choose another image size or backbone "
    "whose file is there; set model.weights to the path of a weights file; or set model.weights to none, which trains the whole "
    "network from scratch"
)


def fetch_weights(job: PrepareJob) -> None:
    """Make sure that every pretrained backbone of a search has its weights on this machine.

    Args:
        job: `imagenet` files are downloaded where they are missing; a weights file of one's own is loaded into each backbone.

    Raises:
        WeightsError: Some are not to be had; one line a file, with the ways out.
    """
    problems: list[str] = []
    for config, image_size in _wanted(job):
        try:
            if config.weights == "imagenet":
                ensure_imagenet_file(config.backbone, image_size)
            else:
                _check_fits(config, image_size)
        except WeightsError as error:
            if str(error) not in problems:
                problems.append(str(error))
    if problems:
        # What helps is the same for every missing file, so it is said once, at the end.
        short = [problem.removesuffix(WAYS_OUT) for problem in problems]
        raise WeightsError("\n".join(short) + (WAYS_OUT if short != problems else ""), problems)


def _wanted(job: PrepareJob) -> Iterator[tuple[ModelConfig, int]]:
    for flat in job.backbones:
        backbone = Backbone.model_validate(flat)
        if job.weights != "none" and facts_of(backbone)["pretrained"]:
            for image_size in job.image_sizes:
                yield ModelConfig(backbone=backbone, weights=job.weights), image_size


def _check_fits(config: ModelConfig, image_size: int) -> None:
    check_opens(find_weights_file(config.weights))
    from automl.models.backbones import build_backbone  # Keras, which the check of an ImageNet file does without

    build_backbone(config, image_size=image_size)


def ensure_imagenet_file(backbone: Backbone, image_size: int) -> Path:
    """The ImageNet weights file that Keras will load for this backbone, downloaded if need be, and openable.

    Raises:
        WeightsError: With the ways out.
    """
    file = find_imagenet_file(backbone, image_size)
    if file is None:
        raise WeightsError(
            f"model.weights: there are no ImageNet weights for {_describe(backbone)}; they exist for "
            f"{catalog()[backbone.name].describe_imagenet()}; choose one of these, or set model.weights to a file or to none"
        )
    path = keras_models_folder() / file.name
    if not path.exists():
        _provide(file, path, backbone, image_size)
    check_opens(path)
    return path


def keras_models_folder() -> Path:
    """Where Keras looks for weights: KERAS_HOME/models, or below the temporary folder if KERAS_HOME cannot be written."""
    home = _keras_home()
    if os.access(home, os.W_OK) or not home.exists():
        return home / "models"
    return FALLBACK_HOME / "models"


def _keras_home() -> Path:
    # Keras reads the variable once, when it is imported.
    keras = sys.modules.get("keras.src.backend.config")
    return Path(keras.keras_home() if keras else os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def _provide(file: WeightsFile, path: Path, backbone: Backbone, image_size: int) -> None:
    """Put the file where Keras looks, whole or not at all: Keras' own download leaves a torn file behind if it is killed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetching.") as folder:
            temporary = Path(folder) / file.name
            read_only = _keras_home() / "models" / file.name
            if read_only.exists():
                shutil.copyfile(read_only, temporary)
            else:
                _download(file.url, temporary)
            os.replace(temporary, path)
    except OSError as error:  # urllib's errors are OSErrors
        raise WeightsError(_missing(file, path, backbone, image_size, error)) from error


def _download(url: str, target: Path) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, target.open("wb") as file:
        shutil.copyfileobj(response, file)
        expected = int(response.headers.get("Content-Length") or file.tell())
        if file.tell() != expected:
            raise OSError(f"the download broke off after {file.tell()} of {expected} bytes")
        file.flush()
        os.fsync(file.fileno())


def _missing(file: WeightsFile, path: Path, backbone: Backbone, image_size: int, error: Exception) -> str:
    reason = str(error) or type(error).__name__
    return (
        f"model.weights: the ImageNet weights of {_describe(backbone)} at {image_size} px are not at {path}, and downloading "
        f"{file.url} failed ({reason}){WAYS_OUT}"
    )


def _describe(backbone: Backbone) -> str:
    arguments = ", ".join(f"{name} {shown(value)}" for name, value in backbone.arguments.items())
    return f"{backbone.name} ({arguments})" if arguments else backbone.name


def find_weights_file(weights: str) -> Path:
    """The weights file that `model.weights` names.

    Raises:
        WeightsError: It is not there, or is not an HDF5 file by its name.
    """
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(f"model.weights: expected imagenet, none or the path of a weights file, but there is no file {weights}")
    if path.suffix not in (".h5", ".hdf5"):
        raise WeightsError(f"model.weights: expected a file that ends in .weights.h5 or .h5, but got {weights}")
    return path


def check_opens(path: Path) -> None:
    """Check that a weights file is whole, as far as opening it tells.

    Raises:
        WeightsError: It is torn or something else.
    """
    try:
        with h5py.File(path, "r") as file:
            if len(file) > 0:
                return
        reason = "it is empty"
    except OSError as error:
        reason = str(error)
    raise WeightsError(f"{path} cannot be read as weights ({reason}); delete it and fetch it again, or put a whole copy there")
