import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from automl.errors import DataError
from automl.planning import describe_domain, last_decided_step, make_plan
from automl.records import Choice, FloatRange, IntRange, TrialResult
from automl.searches.folder import StudyFolder
from automl.space import SearchSpace, from_mapping


@pytest.fixture(autouse=True)
def own_homes(tmp_path, monkeypatch, keras_home):
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))


def space_of(*overrides: str, **sections) -> SearchSpace:
    tree = {
        "study": "flowers",
        "data": {"path": "digits", "image_size": 16},
        "model": {"backbone": "cnn", "weights": "none"},
        "train": {"epochs": 20, "learning_rate": {"float": [1e-5, 1e-1], "log": True}},
        **sections,
    }
    return from_mapping(tree, base=Path.cwd(), overrides=overrides)


def plan_of(tmp_path, *overrides: str, **sections):
    return make_plan(space_of(*overrides, **sections), StudyFolder(tmp_path / "studies" / "flowers"))


def test_a_new_study(tmp_path):
    plan = plan_of(tmp_path, "search.trials=10", "search.devices=cpu", "search.workers=1")
    assert (plan.exists, plan.counted, plan.trials, plan.epochs, plan.total_epochs) == (False, 0, 10, 20, 200)
    assert (plan.pictures.total, plan.pictures.validation, len(plan.pictures.classes)) == (1797, 270, 10)
    assert plan.disk.store_bytes == 1797 * 16 * 16 * 3
    assert plan.combinations is None
    assert [(p.name, p.domain, p.conditions) for p in plan.parameters] == [("train.learning_rate", "1e-05 to 0.1, log", ())]
    assert plan.pruner == "median (n_startup_trials 5, n_warmup_steps 5)"
    assert plan.missing == ()
    assert plan.warnings == ()
    assert not (tmp_path / "studies").exists()
    assert json.loads(json.dumps(plan.to_json()))["placement"]["workers"] == 1


def test_a_study_that_is_continued(tmp_path):
    folder = StudyFolder(tmp_path / "studies" / "flowers")
    for number, counted in enumerate([True, True, False]):
        folder.trial(number).mkdir(parents=True)
        TrialResult(number=number, outcome="failed", counted=counted).save(folder.trial(number) / "result.json")
    plan = plan_of(tmp_path, "search.trials=10")
    assert (plan.exists, plan.counted, plan.total_epochs) == (True, 2, 160)


def test_pictures_in_folders_are_counted_per_size_and_way(tmp_path):
    for name in ("ants", "bees"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "photos" / name / f"{number}.png")
    data = {"path": str(tmp_path / "photos"), "image_size": {"choice": [32, 64]}, "resize": {"choice": ["crop", "pad"]}, "validation": 0.2}
    plan = plan_of(tmp_path, data=data)
    assert (plan.pictures.total, plan.pictures.validation, plan.pictures.classes) == (20, 4, ("ants", "bees"))
    assert plan.disk.store_bytes == 2 * 20 * 3 * (32 * 32 + 64 * 64)
    assert any("about 4 choose the winner (one picture is 25.0% of the value)" in warning for warning in plan.warnings)


def test_missing_pictures(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        plan_of(tmp_path, data={"path": str(tmp_path / "nowhere")})


def test_a_builtin_is_not_fetched_for_a_plan(tmp_path):
    plan = plan_of(tmp_path, data={"path": "mnist", "image_size": 28})
    assert (plan.pictures.total, plan.pictures.validation) == (70_000, None)


def test_missing_weights_are_named_once(tmp_path):
    backbone = {"choice": [{"name": "MobileNet", "alpha": {"choice": [0.25, 0.5]}}, "cnn"]}
    sections = {"data": {"path": "digits", "image_size": 128}, "model": {"backbone": backbone, "weights": "imagenet"}}
    (tmp_path / "keras" / "models").mkdir(parents=True)
    missing = plan_of(tmp_path, **sections).missing
    assert [line.partition(":")[0] for line in missing] == ["mobilenet_2_5_128_tf_no_top.h5", "mobilenet_5_0_128_tf_no_top.h5"]
    (tmp_path / "keras" / "models" / "mobilenet_2_5_128_tf_no_top.h5").write_text("")
    assert len(plan_of(tmp_path, **sections).missing) == 1


def test_missing_packages(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    missing = plan_of(tmp_path, "search.sampler=cmaes", export={"formats": ["keras", "onnx"]}).missing
    assert missing == (
        "search.sampler: cmaes needs cmaes; run `pip install 'automl[samplers]'`",
        "export.formats: onnx needs onnx and tf2onnx and onnxruntime; run `pip install 'automl[export]'`",
    )


@pytest.mark.parametrize(
    ("overrides", "warning"),
    [
        (["data.test=0"], "data.test is 0"),
        (["search.trials=5"], "median begins after 5 complete trials, but search.trials is 5"),
        (["train.epochs=3"], "with train.epochs 3 no trial is ever pruned"),
        (
            ["search.pruner={name: halving, min_resource: 10, min_early_stopping_rate: 1}"],
            "halving first decides after epoch 40, but no trial can be stopped after epoch 19",
        ),
        (["search.pruner={name: patient, patience: 18}"], "patient first decides after epoch 20"),
        (["search.pruner=hyperband"], "hyperband divides 50 trials among 3 brackets, so that one gets about 8"),
        (["train.warmup_epochs=20"], "train.warmup_epochs: 20, but a phase may have 20 epochs"),
        (["search.devices=cpu", "search.workers=512", "search.trials=600"], "search.workers: 512 workers share"),
    ],
)
def test_warning(tmp_path, overrides, warning):
    found = plan_of(tmp_path, *overrides).warnings
    assert [text for text in found if warning in text], found


@pytest.mark.parametrize(
    "overrides",
    [
        ["train.epochs=4", "search.pruner={name: median, n_warmup_steps: 3}"],
        ["search.pruner=none", "train.epochs=1"],
        ["search.pruner=hyperband", "search.trials=300"],
        ["search.pruner=halving"],
        ["train.warmup_epochs=19"],
    ],
)
def test_no_warning(tmp_path, overrides):
    assert plan_of(tmp_path, *overrides, "search.devices=cpu", "search.workers=1").warnings == ()


@pytest.mark.parametrize(
    ("sampler", "trials", "warning"),
    [
        ("grid", 3, "grid has 4 combinations, but search.trials is 3"),
        ("grid", 5, "the grid is complete after 4"),
        ("tpe", 5, "there are only 4 combinations"),
        ("grid", 4, None),
        ("tpe", 4, None),
    ],
)
def test_combinations(tmp_path, sampler, trials, warning):
    train = {"optimizer": {"choice": ["adam", "sgd"]}, "batch_size": {"choice": [8, 16]}}
    plan = plan_of(tmp_path, f"search.sampler={sampler}", f"search.trials={trials}", "search.pruner=none", "search.workers=1", train=train)
    assert plan.combinations == 4
    assert [warning in text for text in plan.warnings] == ([True] if warning else [])


@pytest.mark.parametrize(
    ("epochs", "fraction", "unfreeze", "last"),
    [
        (1, 0.5, 0, 0),
        (3, 0.5, 0, 0),
        (4, 0.5, 0, 3),
        (4, 0.5, 2, 0),  # two phases of two epochs: nothing is decided in either
        (6, 0.5, 2, 3),  # after the head's third epoch; the fine-tuning's third is the last
        (8, 0.5, 2, 7),
        (8, 1.0, 2, 7),
        (20, 0.1, 2, 18),
    ],
)
def test_last_decided_step(epochs, fraction, unfreeze, last):
    space = space_of(
        model={"backbone": {"name": "MobileNet", "alpha": 0.25}, "unfreeze": unfreeze},
        data={"path": "digits", "image_size": 128},
        train={"epochs": epochs, "fine_tune": {"epochs_fraction": fraction}, "learning_rate": {"float": [0.1, 0.2]}},
    )
    assert last_decided_step(space) == last


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (IntRange(low=0, high=5), "0 to 5"),
        (IntRange(low=8, high=64, step=8), "8 to 64 in steps of 8"),
        (FloatRange(low=0.0, high=1.0, step=0.25), "0 to 1 in steps of 0.25"),
        (FloatRange(low=1e-5, high=0.1, log=True), "1e-05 to 0.1, log"),
        (Choice(options=("adam", None, True)), "adam, None, True"),
        (Choice(options=tuple(range(12))), "0, 1, 2, 3, 4, 5, 6, 7 and 4 more"),
    ],
)
def test_domains_in_words(domain, words):
    assert describe_domain(domain) == words


def test_a_plan_imports_nothing_heavy():
    code = "import sys, automl.planning; print(sorted(set(sys.modules) & {'keras', 'tensorflow', 'optuna', 'pandas'}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def features_of(tmp_path, *overrides: str, **model) -> int | None:
    sections = {"model": {"backbone": {"name": "MobileNet", "alpha": 0.25}, **model}, "train": {"epochs": 4}}
    return plan_of(tmp_path, *overrides, data={"path": "digits", "image_size": 96}, **sections).features.bytes


TRAIN, VALIDATION = 1257, 270
VECTOR, MAP = 256 * 4, 128 * 6 * 6 * 4


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], (TRAIN + VALIDATION) * VECTOR),
        (["augment.flip=horizontal"], (2 * TRAIN + VALIDATION) * VECTOR),
        (["augment.flip={choice: [none, both]}"], (5 * TRAIN + VALIDATION) * VECTOR),
        (["augment.strength=0.5"], (4 * TRAIN + VALIDATION) * VECTOR),
        (["augment.strength={float: [0, 1], step: 0.25}"], (17 * TRAIN + VALIDATION) * VECTOR),
        (["augment.strength={float: [0.5, 1]}"], VALIDATION * VECTOR),
        (["augment.strength=0.5", "model.unfreeze=1"], (2 * TRAIN + VALIDATION) * VECTOR + VALIDATION * MAP),
        (["augment.strength=0.5", "train.cache={views: 8}"], (8 * TRAIN + VALIDATION) * VECTOR),
        (["augment.strength={choice: [0, 0.5, 1]}", "train.cache={views: 8}"], (17 * TRAIN + VALIDATION) * VECTOR),
        (["augment.strength={float: [0.5, 1]}", "train.cache={views: 8}", "search.trials=3"], (24 * TRAIN + VALIDATION) * VECTOR),
        (["augment.strength={choice: [0.5, 1]}", "train.cache={views: 8}"], (16 * TRAIN + VALIDATION) * VECTOR),
        (["train.cache=none"], 0),
        (["model.unfreeze=1"], (TRAIN + VALIDATION) * (VECTOR + MAP)),
        (["model.unfreeze=1", "train.cache.maps=float16"], (TRAIN + VALIDATION) * (VECTOR + MAP // 2)),
        (["model.unfreeze={int: [0, 1]}"], (TRAIN + VALIDATION) * (VECTOR + MAP)),
        (["model.unfreeze=all"], (TRAIN + VALIDATION) * VECTOR),
        (["model.unfreeze=1", "train.fine_tune.epochs_fraction=1"], (TRAIN + VALIDATION) * MAP),
        (["model.unfreeze=1", "train.fine_tune.epochs_fraction={float: [0, 1]}"], (TRAIN + VALIDATION) * (VECTOR + MAP)),
        (["data.resize={choice: [crop, pad]}"], 2 * (TRAIN + VALIDATION) * VECTOR),
        (["data.resize={choice: [crop, pad]}", "search.trials=1"], (TRAIN + VALIDATION) * VECTOR),
        (["data.image_size={choice: [96, 128]}", "model.pooling={choice: [avg, max]}"], 4 * (TRAIN + VALIDATION) * VECTOR),
        (["model.backbone={choice: [cnn, {name: MobileNet, alpha: {choice: [0.25, 0.5]}}]}"], 3 * (TRAIN + VALIDATION) * VECTOR),
        (["model.weights=none"], 0),
    ],
    ids=str,
)
def test_features_that_are_kept(tmp_path, overrides, expected):
    assert features_of(tmp_path, *overrides) == expected


def test_features_of_pictures_that_are_not_there_yet(tmp_path):
    assert plan_of(tmp_path, data={"path": "mnist", "image_size": 32}, model={"backbone": "MobileNet"}).features.bytes is None


def test_features_beyond_the_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_FEATURES_GB", "0.001")
    space = {"data": {"path": "digits", "image_size": 96}, "model": {"backbone": "MobileNet"}}
    plan = plan_of(tmp_path, **space)
    assert (plan.features.limit_bytes, plan.features.folder) == (10**6, str(tmp_path / "cache" / "features"))
    assert any(text.startswith("features of frozen backbones take up to 6.3 MB, but at most 1.0 MB are kept in") for text in plan.warnings)
    assert json.loads(json.dumps(plan.to_json()))["features"]["bytes"] == (TRAIN + VALIDATION) * 1024 * 4


@pytest.mark.parametrize(
    ("strength", "cache", "is_warned"),
    [
        ("{float: [0, 1]}", "{views: 8}", True),
        ("{float: [0, 1]}", "exact", False),
        ("{float: [0, 1], step: 0.25}", "{views: 8}", False),
        ("0.5", "{views: 8}", False),
    ],
)
def test_views_for_strengths_without_end(tmp_path, strength, cache, is_warned):
    space = {"data": {"path": "digits", "image_size": 96}, "model": {"backbone": "MobileNet"}}
    found = plan_of(tmp_path, f"augment.strength={strength}", f"train.cache={cache}", **space).warnings
    assert any("train.cache: 8 views are computed for each augment.strength" in text for text in found) == is_warned


def test_a_metric_that_these_classes_do_not_define(tmp_path):
    for name in ("ants", "bees"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / name / "0.png")
    data = {"path": str(tmp_path / "photos"), "image_size": 32}
    expected = "search.metric: every trial will fail: the top-5 accuracy needs more than 5 classes, but there are 2"
    assert expected in plan_of(tmp_path, "search.metric=val_top5_accuracy", data=data).warnings
    assert not any("search.metric" in warning for warning in plan_of(tmp_path, data=data).warnings)


def test_one_combination(tmp_path):
    (warning,) = (w for w in plan_of(tmp_path, train={"epochs": 20}).warnings if "combination" in w)
    assert "there is only 1 combination; sampler: grid" in warning
