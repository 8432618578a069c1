"""What a space says that is allowed but probably not meant."""

import math
from collections.abc import Iterator
from typing import Any

from automl.models.facts import load_facts
from automl.planning.records import Disk, Pictures
from automl.records import TrainConfig
from automl.searches.devices import Placement, place_workers
from automl.searches.rules import FIRST_DECIDED_STEP, STARTUP_TRIALS, warm_up_steps
from automl.space import SearchSpace
from automl.training.metrics import explain_undefined
from automl.training.phases import Phase, plan_phases

TRIALS_PER_BRACKET = 40
FEW_VALIDATION_PICTURES = 100


def find_mistakes(space: SearchSpace, placement: Placement, pictures: Pictures, disk: Disk) -> list[str]:
    """One sentence for each thing."""
    found = [*_pruner_warnings(space), *_sampler_warnings(space), *_metric_warnings(space, pictures), *_warmup_warnings(space)]
    if space.test == 0:
        found.append("data.test is 0: the validation pictures choose the winner, so its value is optimistic, and nothing says by how much")
    if pictures.validation is not None and pictures.validation < FEW_VALIDATION_PICTURES:
        worth = f"one picture is {1 / pictures.validation:.1%} of the value" if pictures.validation else "none may be left for a class"
        found.append(f"data.validation: about {pictures.validation} choose the winner ({worth}); close trials cannot be told apart")
    if not placement.gpus and placement.workers * placement.threads > (cores := _cores()):
        found.append(f"search.workers: {placement.workers} workers share {cores} cores; each will be slow")
    if disk.store_bytes is not None and disk.store_bytes > disk.store_free_bytes:
        found.append(
            f"the decoded pictures take up to {disk.store_bytes / 1e9:.1f} GB, but {disk.store_folder} has "
            f"{disk.store_free_bytes / 1e9:.1f} GB free; AUTOML_CACHE_DIR names another folder"
        )
    return found


def pruner_options(space: SearchSpace) -> dict[str, Any]:
    """The pruner's options with the defaults that follow from the number of epochs."""
    pruner = space.search.pruner
    defaults: dict[str, Any] = {}
    if pruner.name in ("median", "percentile"):
        defaults = {"n_startup_trials": STARTUP_TRIALS, "n_warmup_steps": warm_up_steps(space.epochs)}
    elif pruner.name == "hyperband":
        defaults = {"min_resource": 1, "max_resource": space.epochs, "reduction_factor": 3}
    elif pruner.name == "patient":
        defaults = {"patience": max(1, space.epochs // 4)}
    return defaults | pruner.options


def _metric_warnings(space: SearchSpace, pictures: Pictures) -> list[str]:
    """Of a metric that no trial can have, as far as the number of classes tells."""
    count = len(pictures.classes)
    reason = explain_undefined(space.search.metric, range(count), count) if count else None
    return [f"search.metric: every trial will fail: {reason}"] if reason else []


def _warmup_warnings(space: SearchSpace) -> list[str]:
    """Of a learning rate that does nothing but rise."""
    longest = max(space.possible("train.warmup_epochs"))
    shortest = min(phase.epochs for phases in _possible_phases(space) for phase in phases)
    if longest == 0 or longest < shortest:
        return []
    return [f"train.warmup_epochs: {longest:g}, but a phase may have {shortest} epochs; its learning rate reaches the peak only at the end"]


def _cores() -> int:
    """Cores that one worker with automatic threads would get: what this process may use."""
    return place_workers("cpu", 1, "auto").threads


def last_decided_step(space: SearchSpace) -> int:
    """The last epoch after which a trial may be pruned; 0 when its phases are too short for any decision.

    Nothing is decided in the first two epochs of a phase, nor after the last epoch.
    """
    last = 0
    for phases in _possible_phases(space):
        end = 0
        for phase in phases:
            end += phase.epochs
            step = min(end, space.epochs - 1)
            if step - (end - phase.epochs) >= FIRST_DECIDED_STEP:
                last = max(last, step)
    return last


def _possible_phases(space: SearchSpace) -> Iterator[tuple[Phase, ...]]:
    """The phases of each kind of trial that there may be."""
    is_whole = space.weights == "none" or not any(load_facts()[flat["name"]]["pretrained"] for flat in space.backbones())
    for fraction in space.possible("train.fine_tune.epochs_fraction"):
        train = TrainConfig.model_validate({"epochs": space.epochs, "fine_tune": {"epochs_fraction": fraction}})
        for unfreeze in space.possible("model.unfreeze"):
            yield plan_phases(train, is_whole=is_whole, is_frozen=unfreeze in (0, None))


def _pruner_warnings(space: SearchSpace) -> list[str]:
    name, options, trials = space.search.pruner.name, pruner_options(space), space.search.trials
    if name == "none":
        return []
    last = last_decided_step(space)
    if last == 0:
        return [
            f"search.pruner: with train.epochs {space.epochs} no trial is ever pruned, because nothing is decided in the first two epochs "
            f"of a phase or after the last; expected longer trials, or pruner: none"
        ]
    found = []
    startup = options.get("n_startup_trials", 0)
    if trials <= startup:
        found.append(f"search.pruner: {name} begins after {startup} complete trials, but search.trials is {trials}; nothing will be pruned")
    first = _first_wanted_step(name, options)
    if first > last:
        found.append(f"search.pruner: {name} first decides after epoch {first}, but no trial can be stopped after epoch {last}")
    if name == "hyperband":
        found += _hyperband_warnings(options, trials)
    return found


def _first_wanted_step(name: str, options: dict[str, Any]) -> int:
    """The first epoch at which the pruner itself would decide."""
    if name in ("median", "percentile"):
        return int(options["n_warmup_steps"])
    if name == "patient":
        return int(options["patience"]) + 2
    resource = options.get("min_resource", "auto")
    if name == "halving" and resource != "auto":
        spread: int = options.get("reduction_factor", 4) ** options.get("min_early_stopping_rate", 0)
        return int(resource) * spread
    return int(resource) if resource != "auto" else 1


def _hyperband_warnings(options: dict[str, Any], trials: int) -> list[str]:
    factor, longest = int(options["reduction_factor"]), options["max_resource"]
    if longest == "auto":
        return []
    # As in Optuna: a trial's bracket follows from these shares, and TPE learns only from the trials of its own bracket.
    brackets = math.floor(math.log(int(longest) / int(options["min_resource"]), factor)) + 1
    shares = [math.ceil(brackets * factor**s / (s + 1)) for s in range(brackets)]
    fewest = trials * min(shares) // sum(shares)
    if brackets == 1 or fewest >= TRIALS_PER_BRACKET:
        return []
    return [
        f"search.pruner: hyperband divides {trials} trials among {brackets} brackets, so that one gets about {fewest} and "
        f"the sampler has little to learn from; expected at least {TRIALS_PER_BRACKET} a bracket, or use median"
    ]


def _sampler_warnings(space: SearchSpace) -> list[str]:
    combinations, trials, is_grid = space.combinations(), space.search.trials, space.search.sampler.name == "grid"
    if combinations is None:
        return []
    if is_grid and trials < combinations:
        return [f"search.sampler: grid has {combinations:,} combinations, but search.trials is {trials:,}; it will be incomplete"]
    if is_grid and trials > combinations:
        return [f"search.trials: {trials:,}, but the grid is complete after {combinations:,}; the search ends there"]
    if not is_grid and trials > combinations:
        return [
            f"search.trials: {trials:,}, but there {'is' if combinations == 1 else 'are'} only {combinations:,} "
            f"combination{'' if combinations == 1 else 's'}; sampler: grid tries each once"
        ]
    return []
