"""From a space and a sampler's answers to one trial's config: the only place where a range becomes a value."""

import copy
from collections.abc import Callable
from typing import Any

from automl.errors import SpaceError
from automl.records import Domain, Scalar, TrialConfig
from automl.space import backbones, domains
from automl.space.parameters import fields_of
from automl.space.schema import leaves
from automl.space.searchspace import SearchSpace


def suggest(space: SearchSpace, *, number: int, seed: int, ask: Callable[[str, Domain], Scalar]) -> TrialConfig:
    """Ask for a value of each active parameter and make the trial's config of the answers.

    Args:
        number: The trial's number in its study.
        seed: The trial's own seed.
        ask: Called with a parameter's name and domain, once each, in order; answers with a value, or with the label of a
            list or mapping.

    Raises:
        SpaceError: An answer is not in its domain.
    """
    values = dict(fields_of(space.tree).constants)
    settings = _defaults(space)
    arguments: dict[str, Any] = {}
    params: dict[str, Scalar] = {}
    for parameter in space.parameters:
        if not parameter.is_active(values):
            continue
        answer = ask(parameter.name, parameter.domain)
        try:
            value = parameter.concrete(answer)
        except ValueError as error:
            raise SpaceError(str(error)) from None
        params[parameter.name] = values[parameter.reference] = answer
        path = parameter.field.split(".")
        if path[:2] == ["model", "backbone"] and len(path) == 3:
            arguments[path[2]] = value
        else:
            _set(settings, path, value)
    held = settings["model"]["backbone"]
    fixed = {key: item for key, item in held.items() if not domains.entries(item)}
    settings["model"]["backbone"] = {**fixed, **arguments}
    _settle(settings["model"])
    return TrialConfig.model_validate(
        {
            "study": space.study,
            "number": number,
            "seed": seed,
            "draws_seed": space.search.seed if space.repeats_strengths() else None,
            "params": params,
            "metric": space.search.metric,
            "direction": space.search.resolved_direction,
            "deterministic": space.search.deterministic,
            **settings,
        }
    )


def _defaults(space: SearchSpace) -> dict[str, Any]:
    """The tree's sections for a trial, with the default in place of each domain."""
    sections = {key: copy.deepcopy(value) for key, value in space.tree.items() if key not in ("study", "search", "export")}
    for path, (_, info) in leaves().items():
        if path[0] not in sections:
            continue
        held: Any = sections
        for part in path[:-1]:
            held = held[part]
        if domains.entries(held[path[-1]]) and not info.is_required():
            held[path[-1]] = copy.deepcopy(info.get_default(call_default_factory=True))
    return sections


def _set(settings: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        settings = settings[part]
    settings[path[-1]] = copy.deepcopy(value)


def _settle(model: dict[str, Any]) -> None:
    """Write down what follows from the backbone, so that two trials are never the same under two descriptions."""
    backbone = backbones.catalog()[model["backbone"]["name"]]
    if not backbone.pretrained:
        model["weights"] = "none"
    if model["weights"] == "none":
        model["unfreeze"] = "all"
        model["batch_normalization"] = "training"
        return
    if model["unfreeze"] is None:
        model["unfreeze"] = 0
    elif model["unfreeze"] != "all" and model["unfreeze"] >= backbone.stages:
        model["unfreeze"] = "all"
    model["batch_normalization"] = model["batch_normalization"] or "inference"
