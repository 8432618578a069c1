"""A study on disk without any training."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automl.records import TrialConfig, TrialResult
from automl.searches.folder import StudyFolder
from automl.space import load

SPACE = """
study: flowers
data: {path: digits, image_size: 16}
model:
  backbone: {name: cnn, filters: 4, blocks: 2}
train:
  epochs: 8
  optimizer: {choice: [adam, sgd]}
  learning_rate: {float: [1e-5, 1e-1], log: true}
search: {trials: 30}
"""


def config_of(number: int, params: dict[str, Any] | None = None) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "study": "flowers",
            "number": number,
            "seed": number,
            "params": params or {},
            "data": {"path": "digits", "image_size": 16},
            "model": {"backbone": "cnn", "weights": "none", "unfreeze": "all"},
            "train": {"epochs": 8},
        }
    )


def complete(number: int, value: float, **more: Any) -> TrialResult:
    params = {"train.optimizer": "adam", "train.learning_rate": 0.001 * (number + 1)}
    settings: dict[str, Any] = {"interval": (value - 0.02, value + 0.02), "epochs": 8, "best_epoch": 5, "seconds": 12.5, "params": params}
    return TrialResult(number=number, outcome="complete", value=value, **(settings | more))


def failed(number: int, reason: str = "NaN loss at epoch 1") -> TrialResult:
    return TrialResult(number=number, outcome="failed", cause="config", reason=reason, params={"train.optimizer": "sgd"}, seconds=1.0)


def write_study(path: Path, results: Iterable[TrialResult], unfinished: Iterable[int] = ()) -> StudyFolder:
    """A study's folder as a search leaves it, as far as its listings read it."""
    folder = StudyFolder(path)
    folder.path.mkdir(parents=True)
    source = path / "source.yaml"
    source.write_text(SPACE)
    folder.space.write_text(load(source).dump())
    for result in results:
        trial = folder.trial(result.number)
        trial.mkdir(parents=True)
        (trial / "config.json").write_text(config_of(result.number, dict(result.params)).model_dump_json())
        (trial / "result.json").write_text(result.model_dump_json())
    for number in unfinished:
        folder.trial(number).mkdir(parents=True)
        (folder.trial(number) / "config.json").write_text(config_of(number, {"train.optimizer": "sgd"}).model_dump_json())
    return folder
