"""Optuna's samplers, seeded for each trial by its number, and the translation of our domains into Optuna's distributions."""

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from automl.errors import SpaceError
from automl.records import Domain, FloatRange, IntRange, Scalar
from automl.searches.rules import SAMPLER_PACKAGES

_FRESH_SEED_EACH_TRIAL = {"tpe": True, "random": True, "grid": True, "cmaes": True, "gp": True, "qmc": False}


def seed_for(seed: int, number: int, purpose: str) -> int:
    """A 31-bit seed that follows from the search's seed and the trial's number alone.

    Args:
        seed: `search.seed`.
        number: The trial's number.
        purpose: Keeps the sampler's and the training's random numbers apart.
    """
    digest = hashlib.blake2b(f"{seed}:{number}:{purpose}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's form of a domain."""
    if isinstance(domain, IntRange):
        return IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    if isinstance(domain, FloatRange):
        return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    return CategoricalDistribution(domain.options)


def suggest_value(trial: optuna.trial.Trial, name: str, domain: Domain) -> Scalar:
    """Ask Optuna for one parameter's value; a trial that has it already gives the same again."""
    if isinstance(domain, IntRange):
        return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
    if isinstance(domain, FloatRange):
        return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)
    return trial.suggest_categorical(name, domain.options)


def _build(name: str, options: Mapping[str, Any], seed: int) -> BaseSampler:
    samplers = optuna.samplers
    builders: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: samplers.TPESampler(seed=seed, **({"multivariate": True, "group": True} | dict(options))),
        "random": lambda: samplers.RandomSampler(seed=seed),
        "grid": lambda: samplers.BruteForceSampler(seed=seed, **options),
        "qmc": lambda: samplers.QMCSampler(seed=seed, **({"scramble": True, "warn_independent_sampling": False} | dict(options))),
        "cmaes": lambda: samplers.CmaEsSampler(seed=seed, **({"warn_independent_sampling": False} | dict(options))),
        "gp": lambda: samplers.GPSampler(seed=seed, **({"warn_independent_sampling": False} | dict(options))),
    }
    return builders[name]()


class NumberedSampler(BaseSampler):
    """A sampler whose random numbers for a trial follow from (seed, number), whichever process asks.

    A reopened `TPESampler(seed=0)` would propose the same trial again; this one proposes what the uninterrupted search would have.

    Args:
        name: tpe, random, grid, qmc, cmaes or gp.
        options: Optuna's arguments of that sampler.
        seed: `search.seed`.

    Raises:
        SpaceError: The sampler needs a package that is not installed, or refuses its options.
    """

    def __init__(self, name: str, options: Mapping[str, Any], seed: int) -> None:
        missing = [package for package in SAMPLER_PACKAGES.get(name, ()) if importlib.util.find_spec(package) is None]
        if missing:
            raise SpaceError(
                f"search.sampler: {name} needs {' and '.join(missing)}, which is not installed; "
                f"run `pip install 'automl[samplers]'`, or choose tpe, random or grid"
            )
        self._name, self._options, self._seed = name, dict(options), seed
        try:
            self._inner = _build(name, self._options, self._number_seed(0))
        except (TypeError, ValueError) as error:
            raise SpaceError(f"search.sampler: {name} does not take these options: {error}") from None

    def _number_seed(self, number: int) -> int:
        return seed_for(self._seed, number if _FRESH_SEED_EACH_TRIAL[self._name] else 0, "sampler")

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner = _build(self._name, self._options, self._number_seed(trial.number))
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self._inner.after_trial(study, trial, state, values)
