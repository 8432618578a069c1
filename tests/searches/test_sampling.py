import optuna
import pytest

from automl.errors import SpaceError
from automl.records import Choice, FloatRange, IntRange
from automl.searches import sampling
from automl.searches.pruning import build_pruner
from automl.searches.rules import SAMPLER_PACKAGES
from automl.searches.sampling import NumberedSampler, distribution, seed_for, suggest_value

DOMAINS = {
    "rate": FloatRange(low=1e-5, high=1e-1, log=True),
    "depth": IntRange(low=0, high=5),
    "dropout": FloatRange(low=0.0, high=0.5, step=0.25),
    "optimizer": Choice(options=("adam", "sgd")),
}
SAMPLERS = ["tpe", "random", "qmc", "cmaes", pytest.param("gp", marks=pytest.mark.slow)]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (DOMAINS["rate"], optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True)),
        (DOMAINS["depth"], optuna.distributions.IntDistribution(0, 5)),
        (DOMAINS["dropout"], optuna.distributions.FloatDistribution(0.0, 0.5, step=0.25)),
        (IntRange(low=8, high=64, log=True), optuna.distributions.IntDistribution(8, 64, log=True)),
        (IntRange(low=8, high=64, step=8), optuna.distributions.IntDistribution(8, 64, step=8)),
        (DOMAINS["optimizer"], optuna.distributions.CategoricalDistribution(("adam", "sgd"))),
    ],
)
def test_domains_are_translated(domain, expected):
    assert distribution(domain) == expected
    study = optuna.create_study()
    trial = study.ask()
    suggest_value(trial, "x", domain)
    assert study.trials[0].distributions["x"] == expected


def run(sampler_name, trials, reopened_at=(), storage=None, options=None):
    """The params of a search whose study and sampler are reopened before some trials."""
    storage = storage or optuna.storages.InMemoryStorage()
    study = None
    for number in range(trials):
        if study is None or number in reopened_at:
            sampler = NumberedSampler(sampler_name, options or {}, seed=0)
            study = optuna.create_study(storage=storage, study_name="s", sampler=sampler, load_if_exists=True)
        trial = study.ask()
        values = {name: suggest_value(trial, name, domain) for name, domain in DOMAINS.items()}
        study.tell(trial, abs(values["rate"] - 0.01) + values["depth"])
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", SAMPLERS)
def test_reopening_changes_nothing(name):
    for package in SAMPLER_PACKAGES.get(name, ()):
        pytest.importorskip(package)
    undisturbed = run(name, 16)
    assert len({str(params) for params in undisturbed}) > 12
    assert run(name, 16, reopened_at=range(1, 16)) == undisturbed
    assert run(name, 16, reopened_at=(7, 13)) == undisturbed


def test_plain_tpe_would_repeat_itself():
    """Why the sampler is seeded by number: this is what happens otherwise."""
    storage, proposed = optuna.storages.InMemoryStorage(), []
    for _ in range(3):
        study = optuna.create_study(storage=storage, study_name="s", sampler=optuna.samplers.TPESampler(seed=0), load_if_exists=True)
        trial = study.ask()
        proposed.append(suggest_value(trial, "rate", DOMAINS["rate"]))
        study.tell(trial, 0.0)
    assert len(set(proposed)) == 1


def test_seeds_differ_by_number_and_purpose():
    seeds = {seed_for(seed, number, purpose) for seed in range(3) for number in range(100) for purpose in ("trial", "sampler")}
    assert len(seeds) == 600
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(("name", "package"), [("gp", "torch"), ("cmaes", "cmaes")])
def test_missing_extra_is_one_clear_error(monkeypatch, name, package):
    find = sampling.importlib.util.find_spec
    monkeypatch.setattr(sampling.importlib.util, "find_spec", lambda wanted: None if wanted == package else find(wanted))
    with pytest.raises(SpaceError, match=rf"search.sampler: {name} needs {package}.*pip install 'automl\[samplers\]'"):
        NumberedSampler(name, {}, 0)


def test_wrong_options_are_one_clear_error():
    with pytest.raises(SpaceError, match=r"search\.sampler: tpe does not take these options"):
        NumberedSampler("tpe", {"n_startup": 3}, 0)
    with pytest.raises(SpaceError, match=r"search\.pruner: median does not take these options"):
        build_pruner("median", {"warmup": 3}, 8)


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("median", {}, optuna.pruners.MedianPruner),
        ("percentile", {"percentile": 50.0}, optuna.pruners.PercentilePruner),
        ("halving", {"min_resource": 2}, optuna.pruners.SuccessiveHalvingPruner),
        ("hyperband", {"reduction_factor": 4}, optuna.pruners.HyperbandPruner),
        ("patient", {"patience": 2, "wrapped_pruner": "percentile"}, optuna.pruners.PatientPruner),
        ("none", {}, optuna.pruners.NopPruner),
    ],
)
def test_pruners(name, options, kind):
    assert type(build_pruner(name, options, epochs=20)) is kind


def prunes(pruner, good, bad, step):
    """Whether a bad trial is stopped by a step, after some good ones."""
    study = optuna.create_study(direction="maximize", pruner=pruner, study_name="fixed")
    for _ in range(good):
        trial = study.ask()
        for at in range(1, 9):
            trial.report(0.9, at)
            trial.should_prune()
        study.tell(trial, 0.9)
    trial = study.ask()
    decisions = []
    for at in range(1, step + 1):
        trial.report(bad - 0.01 * at, at)
        decisions.append(trial.should_prune())
    return any(decisions)


@pytest.mark.parametrize(("name", "options"), [("median", {}), ("percentile", {}), ("halving", {}), ("patient", {"patience": 1})])
def test_every_pruner_really_prunes(name, options):
    assert prunes(build_pruner(name, options, epochs=8), good=8, bad=0.1, step=7)
    assert not prunes(build_pruner("none", {}, epochs=8), good=8, bad=0.1, step=7)
