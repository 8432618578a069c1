"""The records that cross a process boundary: what a trial is, how it ended, and what driver and worker say to each other.

All are frozen and turn into JSON and back. `TrialConfig` holds concrete values only; which of its fields may vary in a
space file is marked with `Varies`, and the space file's schema is derived from these marks, so there is one list of fields.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_serializer

Scalar = bool | int | float | str | None
Decision = Literal["continue", "prune", "interrupt"]
Direction = Literal["maximize", "minimize"]

METRICS: dict[str, Direction] = {
    "val_accuracy": "maximize",
    "val_balanced_accuracy": "maximize",
    "val_f1_macro": "maximize",
    "val_auc": "maximize",
    "val_top5_accuracy": "maximize",
    "val_loss": "minimize",
}
"""The metrics that `training.metrics.compute` gives for the validation pictures, with the direction in which each is better."""


class Varies:
    """Marks a field that may hold a domain in the space file.

    Args:
        kinds: Which domains make sense for it: "choice", "int", "float".
    """

    def __init__(self, *kinds: Literal["choice", "int", "float"]) -> None:
        self.kinds = kinds


class Record(BaseModel):
    """Base of the frozen records: unknown fields are refused, NaN and infinity in settings too."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    def save(self, path: Path) -> None:
        """Write the record as JSON, whole or not at all."""
        write_atomically(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record that `save` wrote.

        Raises:
            OSError: There is no such file.
            pydantic.ValidationError: The file holds something else.
        """
        return cls.model_validate_json(path.read_bytes())


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under its final name only when it is complete and on disk (temporary file, fsync, rename)."""
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # A full disk does not say of itself which file it had no room for.
            error.filename = str(path)
        raise


# --- domains ---------------------------------------------------------------------------------------------------------


class IntRange(Record):
    """All integers from `low` to `high`, both included."""

    kind: Literal["int"] = "int"
    low: int
    high: int
    step: int = 1
    log: bool = False


class FloatRange(Record):
    """The reals from `low` to `high`, both included, or every `step` of them."""

    kind: Literal["float"] = "float"
    low: float
    high: float
    step: float | None = None
    log: bool = False


class Choice(Record):
    """One of some scalars. A list or mapping in the space file stands here under its label."""

    kind: Literal["choice"] = "choice"
    options: tuple[Scalar, ...]


Domain = Annotated[IntRange | FloatRange | Choice, Field(discriminator="kind")]


# --- one trial's settings --------------------------------------------------------------------------------------------


class DataConfig(Record):
    """Which pictures, at which size, and how they are split."""

    path: str = Field(description="Class folders, train/val/test folders, a manifest.csv, an arrays.npz, or a built-in's name.")
    image_size: Annotated[int, Field(ge=8, le=2048), Varies("int", "choice")] = Field(
        224, description="Side in pixels to which pictures are resized before training."
    )
    resize: Annotated[Literal["stretch", "crop", "pad"], Varies("choice")] = Field(
        "stretch", description="How a picture that is not square becomes square."
    )
    validation: float = Field(0.15, gt=0, lt=1, description="Share of the pictures that chooses epochs, trials and the winner.")
    test: float = Field(0.15, ge=0, lt=1, description="Share of the pictures that is read once, for the winner; 0 for none.")


class Backbone(BaseModel):
    """A network's name and its constructor's arguments, flat as in the space file: `{name: MobileNet, alpha: 0.25}`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments without the name."""
        return dict(self.model_extra or {})

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"name": self.name, **self.arguments}


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class HeadConfig(Record):
    """What stands between the backbone's pooled features and the probabilities."""

    units: Annotated[tuple[Annotated[int, Field(ge=1, le=16384)], ...], Varies("choice")] = Field(
        (), description="Sizes of the dense layers before the last, for example [512, 256]."
    )
    dropout: Annotated[float, Field(ge=0, lt=1), Varies("float", "choice")] = Field(
        0.0, description="Dropout before each dense layer of the head, the last included."
    )


class ModelConfig(Record):
    """The network."""

    backbone: Annotated[Backbone, BeforeValidator(_named), Varies("choice")] = Field(
        description="A name, or a mapping of a name and constructor arguments, which may be domains themselves."
    )
    weights: str = Field("imagenet", description="imagenet, none, or the path of a weights file.")
    unfreeze: Annotated[Annotated[int, Field(ge=0)] | Literal["all"] | None, Varies("int", "choice")] = Field(
        None,
        description="Stages of the backbone that train, counted from the output; 0 is a frozen backbone. "
        "Default: 0, or all with weights: none.",
    )
    batch_normalization: Annotated[Literal["inference", "training"] | None, Varies("choice")] = Field(
        None, description="Mode of the backbone's BatchNormalization. Default: inference, or training with weights: none."
    )
    pooling: Annotated[Literal["avg", "max", "flatten"], Varies("choice")] = Field(
        "avg", description="How the backbone's last feature map becomes a vector."
    )
    head: HeadConfig = Field(default_factory=HeadConfig)


class AugmentConfig(Record):
    """Random changes to training pictures, new ones in every epoch; never to validation pictures or in an exported model."""

    strength: Annotated[float, Field(ge=0, le=1), Varies("float", "choice")] = Field(
        0.0,
        description="One dial for rotation, zoom, aspect, shear, shift, brightness, contrast, saturation and hue. 0 is none; 0.5 suits "
        "photographs: up to 15 degrees, 18 % zoom, 10 % shift, 20 % brightness, contrast and saturation; 1 is strong: twice that.",
    )
    flip: Annotated[Literal["none", "horizontal", "vertical", "both"], Varies("choice")] = Field(
        "none", description="Random mirroring; independent of the strength."
    )


class FineTuneConfig(Record):
    """The second phase, in which the unfrozen stages train too."""

    epochs_fraction: Annotated[float, Field(ge=0, le=1), Varies("float", "choice")] = Field(
        0.5, description="Share of train.epochs that trains unfrozen; the rest trains the head alone."
    )
    learning_rate_factor: Annotated[float, Field(gt=0, le=10), Varies("float", "choice")] = Field(
        0.01, description="Fine-tuning's learning rate as a multiple of train.learning_rate. The default suits adam; sgd wants 0.1 to 1."
    )


class CacheConfig(Record):
    """How many views of each training picture are kept where augmentation has no end of them, and how exactly maps are kept."""

    views: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None,
        description="Augmented views of each training picture, computed once for each augment.strength; null for new ones in every epoch.",
    )
    maps: Literal["float32", "float16"] = Field(
        "float32", description="Precision of feature maps; float16 takes half the room. Pooled features are float32."
    )


class TrainConfig(Record):
    """How the network is trained."""

    epochs: int = Field(20, ge=1, le=100000, description="Total over both phases.")
    batch_size: Annotated[int, Field(ge=1, le=65536), Varies("int", "choice")] = Field(32, description="Pictures a step.")
    optimizer: Annotated[Literal["adam", "adamw", "sgd", "rmsprop"], Varies("choice")] = Field("adam", description="The optimizer.")
    learning_rate: Annotated[float, Field(gt=0, le=100), Varies("float", "choice")] = Field(
        0.001, description="Peak learning rate of the head phase."
    )
    schedule: Annotated[Literal["constant", "cosine"], Varies("choice")] = Field("constant", description="Learning rate over a phase.")
    warmup_epochs: Annotated[float, Field(ge=0, le=1000), Varies("float", "choice")] = Field(
        0.0, description="Epochs at the start of each phase over which the learning rate rises linearly to its peak; at most the phase."
    )
    momentum: Annotated[float, Field(ge=0, lt=1), Varies("float", "choice")] = Field(
        0.9, description="Momentum of sgd; other optimizers ignore it."
    )
    weight_decay: Annotated[float, Field(ge=0, le=1), Varies("float", "choice")] = Field(0.0, description="Decoupled weight decay.")
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Varies("float", "choice")] = Field(
        0.0, description="Label smoothing of the training loss."
    )
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Epochs without a better search.metric (or the same at a lower loss) after which a phase ends; none for never."
    )
    cache: Literal["exact", "none"] | CacheConfig = Field(
        "exact",
        description="What is computed once by the frozen part of a pretrained backbone and kept for all trials. exact: the validation "
        "pictures, the training pictures where augment.strength is 0, and, where its other values repeat (a step or a choice), what each "
        "epoch's pictures give the head, which are the same for all trials of one strength; `{views: N}` trains on N fixed views of each "
        "picture instead, which is faster and augments less; `{maps: float16}` keeps feature maps in half the room.",
    )
    fine_tune: FineTuneConfig = Field(default_factory=FineTuneConfig)


class TrialConfig(Record):
    """All that decides how one trial is trained; concrete values only.

    `params` are the values that were suggested, under their dotted names, as Optuna and the leaderboard show them. `draws_seed` is
    what augmentation draws from, where trials share it: those of one strength then see the same pictures in the same epoch. None
    stands for the trial's own seed.
    """

    study: str
    number: int = Field(ge=0)
    seed: int = Field(ge=0)
    draws_seed: int | None = Field(None, ge=0)
    params: dict[str, Scalar] = Field(default_factory=dict)
    data: DataConfig
    model: ModelConfig
    augment: AugmentConfig = Field(default_factory=AugmentConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    metric: str = "val_accuracy"
    direction: Direction = "maximize"
    deterministic: bool = False
    retry_of: int | None = None


HOT_FIELDS: tuple[str, ...] = (
    "study", "number", "seed", "draws_seed", "params", "metric", "direction", "retry_of",
    "data.path", "data.validation", "data.test",
    "train.epochs", "train.batch_size", "train.learning_rate", "train.schedule", "train.warmup_epochs", "train.weight_decay",
    "train.label_smoothing", "train.early_stopping", "train.fine_tune",
    "model.head.dropout", "augment.strength",
)  # fmt: skip
"""What may differ between two trials that use the same compiled program. A field stands here only together with a test that
changes it on a warm program; every other field is part of the program's key."""


def program_key(config: TrialConfig) -> str:
    """What a trial's compiled programs were made from: its config without the hot fields, as JSON."""
    tree = config.model_dump(mode="json")
    for name in HOT_FIELDS:
        *path, last = name.split(".")
        branch = tree
        for key in path:
            branch = branch[key]
        del branch[last]
    return json.dumps(tree, sort_keys=True)


# --- how a trial ended -----------------------------------------------------------------------------------------------


class TrialResult(Record):
    """How a trial ended; `result.json`, written last, is what makes a trial finished.

    Attributes:
        outcome: "complete" has a value and a rank; "pruned" was stopped by the pruner; "failed" says why in `reason`.
        cause: For a failed trial, whether its config or the machine (or the code) is to blame.
        value: The monitored metric at the best epoch. None for a failed trial.
        interval: 95 % interval of `value` over the validation pictures, where the metric has one.
        metrics: All validation metrics at the best epoch.
        best_epoch: Number of completed epochs at which `value` was reached, counted from 1 over both phases.
        epochs: Epochs trained.
        seconds: Wall time of the attempt that finished.
        parameters: Weights of the whole model; `trained_parameters` of those that training changed.
        counted: False for a trial that was run again under another number with a changed config.
    """

    number: int
    attempt: int = 1
    outcome: Literal["complete", "pruned", "failed"]
    reason: str | None = None
    cause: Literal["config", "machine"] | None = None
    value: float | None = None
    interval: tuple[float, float] | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    best_epoch: int | None = None
    epochs: int = 0
    seconds: float = 0.0
    params: dict[str, Scalar] = Field(default_factory=dict)
    seed: int = 0
    parameters: int | None = None
    trained_parameters: int | None = None
    model_bytes: int | None = None
    counted: bool = True
    retry_of: int | None = None


# --- messages --------------------------------------------------------------------------------------------------------


class TrainJob(Record):
    """Driver to worker: train this trial; its files go into `folder`, its pictures come from `study`'s split."""

    type: Literal["train"] = "train"
    config: TrialConfig
    folder: str
    attempt: int = 1


class PrepareJob(Record):
    """Driver to worker: fetch these backbones' pretrained weights, so that no trial meets a missing file."""

    type: Literal["prepare"] = "prepare"
    backbones: tuple[dict[str, Any], ...]
    weights: str
    image_sizes: tuple[int, ...]


class FinishJob(Record):
    """Driver to worker: check the winner against its stored predictions, read the test split, export."""

    type: Literal["finish"] = "finish"
    study: str
    number: int
    formats: tuple[str, ...]
    out: str


class Answer(Record):
    """Driver to worker: whether the trial goes on after the epoch that it just reported."""

    type: Literal["answer"] = "answer"
    decision: Decision


class Ready(Record):
    """Worker to driver: started, or free again.

    Attributes:
        memory_bytes: Resident memory of the worker's process; 0 when it has none of its own.
    """

    type: Literal["ready"] = "ready"
    pid: int
    memory_bytes: int = 0


class Progress(Record):
    """Worker to driver: how far inside an epoch; needs no answer.

    Attributes:
        epoch: Counted from 1 over both phases; 0 while features of the frozen part are computed, whose pictures are the steps then.
    """

    type: Literal["progress"] = "progress"
    number: int
    epoch: int
    step: int
    steps: int
    pictures_per_second: float = 0.0


class Epoch(Record):
    """Worker to driver: an epoch is over. The worker waits for an `Answer`.

    Attributes:
        step: Epochs completed, from 1, over both phases.
        phase_step: Epochs completed in this phase, from 1.
        metrics: Training and validation metrics; not a number is sent as None.
    """

    type: Literal["epoch"] = "epoch"
    number: int
    step: int
    phase: Literal["head", "fine_tune", "whole"]
    phase_step: int
    metrics: dict[str, float | None]
    seconds: float = 0.0
    pictures_per_second: float = 0.0


class Finished(Record):
    """Worker to driver: the job is done; for a trial, `result.json` exists."""

    type: Literal["finished"] = "finished"
    result: TrialResult | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Interrupted(Record):
    """Worker to driver: the trial stopped because it was asked to, without a result."""

    type: Literal["interrupted"] = "interrupted"
    number: int


class Failed(Record):
    """Worker to driver: the job raised. `error` is the exception's class, `traceback` goes to the log only."""

    type: Literal["failed"] = "failed"
    error: str
    message: str
    traceback: str = ""


Job = TrainJob | PrepareJob | FinishJob
Message = Job | Answer | Ready | Progress | Epoch | Finished | Interrupted | Failed
_MESSAGE: TypeAdapter[Any] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def encode(message: Record) -> bytes:
    """One message as one line of JSON."""
    return message.model_dump_json().encode() + b"\n"


def decode(line: bytes) -> Any:
    """The message in one line of JSON.

    Raises:
        pydantic.ValidationError: The line is not a message.
    """
    return _MESSAGE.validate_python(json.loads(line))
