"""What a worker keeps from trial to trial: loaded backbones, passes over their frozen parts, and compiled programs."""

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from automl.models.head import build_pooling
from automl.models.network import Base, Depth, build
from automl.records import AugmentConfig, TrialConfig, program_key
from automl.training.frozen import FrozenPass
from automl.training.programs import PhaseProgram

MOST_BASES = 4
MOST_PROGRAMS = 12

Value = TypeVar("Value")


class Kept:
    """Makes what a trial needs, or finds it again.

    One trial at a time may use it. A backbone that is pushed out takes what stands on it along. Nothing that is found
    again makes a difference to a trial's figures.
    """

    def __init__(self) -> None:
        self._bases: OrderedDict[str, Base] = OrderedDict()
        self._passes: dict[tuple[str, str], FrozenPass] = {}
        self._programs: OrderedDict[tuple[str, str], PhaseProgram] = OrderedDict()

    def base(self, config: TrialConfig) -> Base:
        """The backbone of a trial, with its initial weights but for what the running trial has trained."""

        def load() -> Base:
            return Base.load(config.model, image_size=config.data.image_size, seed=config.seed)

        key = _base_key(config)
        base = _find(self._bases, key, load)
        for old in _surplus(self._bases, MOST_BASES):
            self._forget(old)
        return base

    def take_base(self, config: TrialConfig) -> Base:
        """The same, for somebody who changes it for good; nothing here stands on it any more."""
        base = self.base(config)
        key = _base_key(config)
        del self._bases[key]
        self._forget(key)
        return base

    def _forget(self, base: str) -> None:
        self._passes = {name: found for name, found in self._passes.items() if name[0] != base}
        for name in [name for name in self._programs if name[0] == base]:
            del self._programs[name]

    def frozen_pass(self, config: TrialConfig, depth: int) -> FrozenPass:
        """The pass over what stays frozen at a depth; has to be asked for before that part changes, which it never does in a trial."""
        pooling = config.model.pooling if depth == 0 else ""
        key = _base_key(config), f"{depth} {pooling}"
        if key not in self._passes:
            self._passes[key] = FrozenPass(self.base(config).frozen(depth, build_pooling(config.model)))
        return self._passes[key]

    def program(self, config: TrialConfig, *, classes: int, depth: Depth, shape: tuple[int, ...], kind: str) -> PhaseProgram:
        """The compiled program of a phase.

        Args:
            config: The trial's.
            classes: Number of probabilities.
            depth: What trains in the phase.
            shape: Of one picture's input.
            kind: Its type.
        """
        base = self.base(config)

        def make() -> PhaseProgram:
            network = build(config.model, image_size=config.data.image_size, classes=classes, seed=config.seed, base=base, depth=depth)
            return PhaseProgram(network, config.train, shape, kind)

        key = _base_key(config), json.dumps([_phase_key(config, depth), classes, shape, kind])
        program = _find(self._programs, key, make)
        _surplus(self._programs, MOST_PROGRAMS)
        return program

    @property
    def traces(self) -> int:
        """How often anything that is kept was traced."""
        return sum(program.traces for program in self._programs.values())

    @property
    def passed(self) -> int:
        """Pictures that have passed through frozen parts that are kept."""
        return sum(one.pictures for one in self._passes.values())


def _base_key(config: TrialConfig) -> str:
    model = config.model
    return json.dumps([model.backbone.model_dump(), model.weights, config.data.image_size], sort_keys=True)


def _phase_key(config: TrialConfig, depth: Depth) -> str:
    """The cold fields of a config as far as the program of this phase contains them."""
    # Augmentation acts before the program, and what stays frozen is not in it.
    model = config.model.model_copy(update={"unfreeze": depth} | ({"batch_normalization": None} if depth == 0 else {}))
    train = config.train.model_copy(update={"cache": "exact"})
    return program_key(config.model_copy(update={"model": model, "augment": AugmentConfig(), "train": train}))


def _find(kept: OrderedDict[Any, Value], key: Any, make: Callable[[], Value]) -> Value:
    if key not in kept:
        kept[key] = make()
    kept.move_to_end(key)
    return kept[key]


def _surplus(kept: OrderedDict[Any, Any], most: int) -> list[Any]:
    """Forget what was not used for longest; returns its keys."""
    return [kept.popitem(last=False)[0] for _ in range(len(kept) - most)]
