"""Optuna takes the parameters as they are: no name changes its kind of domain, conditions suit a grouped TPE."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from automl.records import Domain, Scalar
from automl.space import SearchSpace, from_mapping, load, start_values, suggest

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
optuna = pytest.importorskip("optuna")
FOLDER = Path(__file__).parents[2] / "search_spaces"


def run(space: SearchSpace, sampler: Any, trials: int) -> Any:
    study = optuna.create_study(sampler=sampler)
    for values in start_values(space):
        study.enqueue_trial(values)

    def objective(trial: Any) -> float:
        def ask(name: str, domain: Domain) -> Scalar:
            if domain.kind == "choice":
                return trial.suggest_categorical(name, domain.options)  # type: ignore[no-any-return]
            suggest_number = trial.suggest_int if domain.kind == "int" else trial.suggest_float
            return suggest_number(name, domain.low, domain.high, step=domain.step, log=domain.log)  # type: ignore[no-any-return]

        config = suggest(space, number=trial.number, seed=trial.number, ask=ask)
        assert config.params == trial.params
        return config.model.head.dropout + config.train.learning_rate

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        study.optimize(objective, n_trials=trials)
    return study


SUFFIXED = {
    "data": {"path": "digits", "image_size": 64},
    "model": {
        "backbone": {"choice": ["cnn", "MobileNet", {"name": "MobileNet", "alpha": {"choice": [0.25, 0.5]}, "depth_multiplier": 1}]},
        "unfreeze": {"choice": [0, 2, "all"]},
        "head": {"units": {"choice": [[], [16]]}, "dropout": {"float": [0.1, 0.9], "step": 0.1}},
    },
    "train": {
        "batch_size": [
            {"choice": [8, 16], "when": {"model.backbone": "cnn"}},
            {"choice": [32, 64], "when": {"model.backbone": "MobileNet"}},
        ],
        "momentum": {"choice": [0.5, 0.9], "when": {"model.head.dropout": 0.3}},
        "weight_decay": {"float": [0.0, 0.1], "when": {"model.unfreeze": {"above": 1}}},
    },
    "search": {"start": [{"model.backbone": "MobileNet", "train.batch_size": 64}]},
}


@pytest.mark.parametrize("name", ["quickstart", "cnn", "transfer", "transfer-small", "suffixed"])
def test_forty_trials_of_grouped_tpe(name: str) -> None:
    space = from_mapping(SUFFIXED, base=".") if name == "suffixed" else load(FOLDER / f"{name}.yaml")
    sampler = optuna.samplers.TPESampler(seed=1, multivariate=True, group=True, n_startup_trials=10)
    study = run(space, sampler, 40)
    assert len(study.trials) == 40
    assert {parameter.name for parameter in space.parameters} == {name for trial in study.trials for name in trial.params}


def test_the_grid_ends_after_all_combinations() -> None:
    tree = {
        "data": {"path": "digits", "image_size": 64},
        "model": {"backbone": {"choice": ["cnn", "MobileNet"]}, "unfreeze": {"int": [0, 4]}},
        "train": {"momentum": {"float": [0.1, 0.9], "step": 0.4, "when": {"model.backbone": "cnn"}}},
        "search": {"sampler": "grid"},
    }
    space = from_mapping(tree, base=".")
    study = run(space, optuna.samplers.BruteForceSampler(seed=1), 50)
    assert len(study.trials) == len({str(trial.params) for trial in study.trials}) == space.combinations() == 8
