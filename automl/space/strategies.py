"""Samplers and pruners by name, with the options that each takes under Optuna's argument names."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, model_serializer

from automl.space.fields import Field, Mistake
from automl.space.problems import listed, nearest, shown, unknown_key

_COUNT = Annotated[int, pydantic.Field(ge=0)]
_POSITIVE = Annotated[int, pydantic.Field(ge=1)]
_FACTOR = Annotated[int, pydantic.Field(ge=2)]
_WARM_UP = {"n_startup_trials": _COUNT, "n_warmup_steps": _COUNT, "interval_steps": _POSITIVE, "n_min_trials": _POSITIVE}

SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {
        "n_startup_trials": _COUNT,
        "n_ei_candidates": _POSITIVE,
        "multivariate": bool,
        "group": bool,
        "constant_liar": bool,
        "prior_weight": Annotated[float, pydantic.Field(gt=0)],
        "consider_magic_clip": bool,
        "consider_endpoints": bool,
    },
    "random": {},
    "grid": {"avoid_premature_stop": bool},
    "qmc": {"qmc_type": Literal["sobol", "halton"], "scramble": bool},
    "cmaes": {
        "sigma0": Annotated[float, pydantic.Field(gt=0)],
        "n_startup_trials": _COUNT,
        "popsize": _FACTOR,
        "consider_pruned_trials": bool,
        "use_separable_cma": bool,
        "with_margin": bool,
        "lr_adapt": bool,
    },
    "gp": {"n_startup_trials": _COUNT, "deterministic_objective": bool},
}

PRUNERS: dict[str, dict[str, Any]] = {
    "median": _WARM_UP,
    "percentile": {"percentile": Annotated[float, pydantic.Field(ge=0, le=100)], **_WARM_UP},
    "halving": {
        "min_resource": _POSITIVE | Literal["auto"],
        "reduction_factor": _FACTOR,
        "min_early_stopping_rate": _COUNT,
        "bootstrap_count": _COUNT,
    },
    "hyperband": {
        "min_resource": _POSITIVE,
        "max_resource": _POSITIVE | Literal["auto"],
        "reduction_factor": _FACTOR,
        "bootstrap_count": _COUNT,
    },
    "patient": {
        "patience": _COUNT,
        "min_delta": Annotated[float, pydantic.Field(ge=0)],
        "wrapped_pruner": Literal["median", "percentile", "halving", "hyperband"] | None,
    },
    "none": {},
}


class Options:
    """Marks a field that holds a strategy, with the table of names and options that it may have."""

    def __init__(self, table: dict[str, dict[str, Any]]) -> None:
        self.table = table


class Strategy(BaseModel):
    """A sampler's or pruner's name and its options, flat as in the space file: `{name: tpe, n_startup_trials: 20}`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The options that the file gives, without the name."""
        return dict(self.model_extra or {})

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}


class StrategyField(Field):
    """`search.sampler` or `search.pruner`: a name, or a mapping of a name and options."""

    def __init__(self, table: dict[str, dict[str, Any]]) -> None:
        super().__init__(Any)
        self.table = table
        self._fields = {name: {key: Field(annotation) for key, annotation in options.items()} for name, options in table.items()}

    @property
    def expected(self) -> str:
        return listed(self.table)

    def concrete(self, value: Any) -> tuple[Any, list[Mistake]]:
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            return None, [((), f"expected {self.expected}, or a mapping with 'name' and options, but got {shown(value)}")]
        name = given["name"]
        if name not in self.table:
            near = nearest(name, self.table)
            hint = f"; did you mean '{near}'?" if near else ""
            return None, [((), f"expected {self.expected}, but got {shown(name)}{hint}")]
        normal: dict[str, Any] = {"name": name}
        mistakes: list[Mistake] = []
        for key, item in given.items():
            if key == "name":
                continue
            if key not in self.table[name]:
                mistakes.append(((key,), f"{unknown_key(key, self.table[name])}" if self.table[name] else f"'{name}' takes no options"))
                continue
            normal[key], wrong = self._fields[name][key].concrete(item)
            mistakes += [((key, *path), f"{key}: {message}") for path, message in wrong]
        return normal, mistakes or _at_odds(normal)

    def concrete_schema(self) -> dict[str, Any]:
        mappings = []
        for name, options in self._fields.items():
            properties = {key: field.concrete_schema() for key, field in options.items()}
            mappings.append(
                {
                    "type": "object",
                    "properties": {"name": {"const": name}, **properties},
                    "required": ["name"],
                    "additionalProperties": False,
                }
            )
        return {"anyOf": [{"enum": list(self.table)}, *mappings]}


def _at_odds(strategy: dict[str, Any]) -> list[Mistake]:
    name, low, high = strategy["name"], strategy.get("min_resource", 1), strategy.get("max_resource", "auto")
    if name == "hyperband" and high != "auto" and high < low:
        return [(("max_resource",), f"max_resource must not be below min_resource, but got {high} and {low}")]
    auto = high if name == "hyperband" else strategy.get("min_resource", "auto")
    if strategy.get("bootstrap_count", 0) > 0 and auto == "auto":
        which = "max_resource" if name == "hyperband" else "min_resource"
        return [(("bootstrap_count",), f"bootstrap_count needs a number for {which}, but got 'auto'")]
    return []


def steps_to_first_decision(strategy: Strategy) -> tuple[str, int] | None:
    """The option that delays a pruner's first decision, and by how many epochs."""
    option = {"median": "n_warmup_steps", "percentile": "n_warmup_steps", "patient": "patience"}.get(strategy.name, "min_resource")
    steps = strategy.options.get(option)
    return (option, steps) if isinstance(steps, int) else None


__all__ = ["PRUNERS", "SAMPLERS", "Options", "Strategy", "StrategyField", "steps_to_first_decision"]
