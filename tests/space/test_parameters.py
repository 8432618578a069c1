"""From a space that was read to parameters, conditions, trials and counts."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from automl.errors import SpaceError
from automl.records import Domain, Scalar, TrialConfig
from automl.space import SearchSpace, difference, from_mapping, start_values, suggest
from automl.space.domains import finite_values

BASE: dict[str, Any] = {"data": {"path": "digits", "image_size": 64}, "model": {"backbone": "cnn"}}
MIXED = {"choice": ["cnn", "MobileNetV2", {"name": "MobileNet", "alpha": {"choice": [0.25, 0.5]}}]}


def space_of(**sections: dict[str, Any]) -> SearchSpace:
    tree = copy.deepcopy(BASE)
    for name, values in sections.items():
        tree.setdefault(name, {}).update(values)
    return from_mapping(tree, base="/nowhere")


def trial(space: SearchSpace, **answers: Scalar) -> TrialConfig:
    """The config for these answers, by parameter name with __ for dots; the first value of every other domain."""
    given = {name.replace("__", "."): value for name, value in answers.items()}

    def ask(name: str, domain: Domain) -> Scalar:
        return given[name] if name in given else finite_values(domain)[0]

    return suggest(space, number=7, seed=11, ask=ask)


def all_trials(space: SearchSpace) -> Iterator[TrialConfig]:
    """Every trial of a space without continuous parameters, by walking through all answers."""
    answers: list[tuple[int, int]] = []
    while True:
        asked: list[tuple[int, int]] = []

        def ask(name: str, domain: Domain, asked: list[tuple[int, int]] = asked, given: list[tuple[int, int]] = answers) -> Scalar:
            values = finite_values(domain)
            index = given[len(asked)][0] if len(asked) < len(given) else 0
            asked.append((index, len(values)))
            value: Scalar = values[index]
            return value

        yield suggest(space, number=0, seed=0, ask=ask)
        while asked and asked[-1][0] + 1 == asked[-1][1]:
            asked.pop()
        if not asked:
            return
        answers = [*asked[:-1], (asked[-1][0] + 1, asked[-1][1])]


def names(space: SearchSpace) -> list[str]:
    return [parameter.name for parameter in space.parameters]


def test_a_space_without_parameters_is_one_trial() -> None:
    space = space_of()
    config = trial(space)
    assert (names(space), config.params, space.combinations()) == ([], {}, 1)
    assert (config.study, config.number, config.seed, config.metric, config.direction) == ("space", 7, 11, "val_accuracy", "maximize")


@pytest.mark.parametrize(
    ("strength", "is_shared"),
    [
        (0.5, True),
        ({"float": [0, 1], "step": 0.25}, True),
        ({"choice": [0, 0.5]}, True),
        ({"float": [0, 1]}, False),
    ],
    ids=str,
)
def test_trials_that_can_have_the_same_strength_draw_the_same_augmentation(strength, is_shared) -> None:
    config = trial(space_of(augment={"strength": strength}, search={"seed": 5}))
    assert config.draws_seed == (5 if is_shared else None)


def test_a_domain_is_asked_under_its_dotted_name() -> None:
    config = trial(space_of(train={"learning_rate": {"float": [0.1, 0.2]}}), train__learning_rate=0.15)
    assert config.params == {"train.learning_rate": 0.15}
    assert config.train.learning_rate == 0.15


def test_lists_are_asked_under_their_json() -> None:
    space = space_of(model={"head": {"units": {"choice": [[], [512, 256]]}}})
    assert trial(space).model.head.units == ()
    config = trial(space, model__head__units="[512,256]")
    assert (config.model.head.units, config.params) == ((512, 256), {"model.head.units": "[512,256]"})


def test_arguments_are_only_asked_for_the_chosen_backbone() -> None:
    space = space_of(model={"backbone": MIXED})
    assert names(space) == ["model.backbone", "model.backbone.MobileNet.alpha"]
    assert trial(space, model__backbone="MobileNetV2").params == {"model.backbone": "MobileNetV2"}
    config = trial(space, model__backbone="MobileNet", model__backbone__MobileNet__alpha=0.5)
    assert config.model.backbone.model_dump() == {"name": "MobileNet", "alpha": 0.5}
    assert [parameter.field for parameter in space.parameters] == ["model.backbone", "model.backbone.alpha"]


def test_a_lone_mapping_has_the_same_names() -> None:
    space = space_of(model={"backbone": {"name": "cnn", "blocks": {"int": [1, 3]}, "filters": 8}})
    assert names(space) == ["model.backbone.cnn.blocks"]
    assert trial(space, model__backbone__cnn__blocks=2).model.backbone.model_dump() == {"name": "cnn", "blocks": 2, "filters": 8}


def test_options_of_one_name_are_told_apart_and_meant_together() -> None:
    options = ["cnn", {"name": "MobileNet", "alpha": 0.25}, {"name": "MobileNet", "alpha": 0.5}]
    space = space_of(
        model={"backbone": {"choice": options}, "head": {"dropout": {"choice": [0.1, 0.2], "when": {"model.backbone": "MobileNet"}}}}
    )
    assert finite_values(space.parameters[0].domain) == ["cnn", "MobileNet(alpha=0.25)", "MobileNet(alpha=0.5)"]
    assert trial(space, model__backbone="MobileNet(alpha=0.5)").params["model.head.dropout"] == 0.1
    assert space.combinations() == 5


def test_a_backbone_that_is_never_pretrained() -> None:
    space = space_of(model={"backbone": MIXED, "weights": "imagenet", "unfreeze": {"int": [0, 5]}})
    config = trial(space, model__backbone="cnn")
    assert config.params == {"model.backbone": "cnn"}
    assert (config.model.weights, config.model.unfreeze, config.model.batch_normalization) == ("none", "all", "training")
    config = trial(space, model__backbone="MobileNetV2", model__unfreeze=2)
    assert (config.model.weights, config.model.unfreeze, config.model.batch_normalization) == ("imagenet", 2, "inference")


@pytest.mark.parametrize(("given", "settled"), [(None, 0), (0, 0), (4, 4), (5, "all"), (9, "all"), ("all", "all")])
def test_a_depth_beyond_the_stages_is_all(given: Any, settled: Any) -> None:
    assert trial(space_of(model={"backbone": "MobileNet", "unfreeze": given})).model.unfreeze == settled


def test_without_weights_everything_trains() -> None:
    model = trial(space_of(model={"backbone": "MobileNet", "weights": "none"})).model
    assert (model.unfreeze, model.batch_normalization) == ("all", "training")


RATES = [
    {"float": [1e-5, 1e-2], "log": True, "when": {"train.optimizer": "adam"}},
    {"float": [1e-3, 1e-1], "log": True, "when": {"train.optimizer": "sgd"}},
]


def test_ranges_of_one_kind_share_a_name() -> None:
    space = space_of(train={"optimizer": {"choice": ["adam", "sgd", "rmsprop"]}, "learning_rate": RATES})
    assert names(space) == ["train.optimizer", "train.learning_rate", "train.learning_rate"]
    assert trial(space, train__optimizer="sgd").params == {"train.optimizer": "sgd", "train.learning_rate": 0.001}
    config = trial(space, train__optimizer="rmsprop")
    assert (config.params, config.train.learning_rate) == ({"train.optimizer": "rmsprop"}, 0.001)


SUFFIXES = [
    ([{"choice": [8, 16]}, {"choice": [32]}], ["[model.backbone=cnn]", "[model.backbone=MobileNetV2|MobileNet]"]),
    ([{"int": [8, 16]}, {"choice": [32]}], ["[model.backbone=cnn]", "[model.backbone=MobileNetV2|MobileNet]"]),
    ([{"int": [8, 16], "log": True}, {"int": [8, 16]}], ["[model.backbone=cnn]", "[model.backbone=MobileNetV2|MobileNet]"]),
    ([{"choice": [8, 16]}, {"choice": [8, 16]}], ["", ""]),
    ([{"int": [8, 16]}, {"int": [2, 4], "step": 2}], ["", ""]),
]


@pytest.mark.parametrize(("entries", "suffixes"), SUFFIXES)
def test_what_cannot_share_a_name_has_its_condition_in_it(entries: list[dict[str, Any]], suffixes: list[str]) -> None:
    conditions = [{"model.backbone": "cnn"}, {"model.backbone": ["MobileNetV2", "MobileNet"]}]
    sizes = [{**entry, "when": when} for entry, when in zip(entries, conditions, strict=True)]
    space = space_of(model={"backbone": MIXED}, train={"batch_size": sizes})
    assert names(space)[2:] == [f"train.batch_size{suffix}" for suffix in suffixes]
    assert trial(space, model__backbone="cnn").train.batch_size == 8


def test_conditions_on_constants_are_decided_when_reading() -> None:
    momentum = {"float": [0.5, 0.9], "when": {"train.optimizer": "sgd"}}
    adam = space_of(train={"optimizer": "adam", "learning_rate": RATES, "momentum": momentum})
    assert names(adam) == ["train.learning_rate"]
    assert (adam.parameters[0].conditions, adam.parameters[0].domain.low) == ((), 1e-5)
    assert names(space_of(train={"optimizer": "adamw", "learning_rate": RATES})) == []
    by_epochs = {"choice": ["constant", "cosine"], "when": {"train.epochs": {"above": 10}}}
    assert names(space_of(train={"schedule": by_epochs})) == ["train.schedule"]
    assert names(space_of(train={"schedule": by_epochs, "epochs": 10})) == []


def test_a_fixed_argument_of_the_only_backbone_can_be_asked_for() -> None:
    dropout = {"choice": [0.1, 0.2], "when": {"model.backbone.cnn.blocks": {"above": 2}}}
    for blocks, asked in ((2, []), (3, ["model.head.dropout"])):
        assert names(space_of(model={"backbone": {"name": "cnn", "blocks": blocks}, "head": {"dropout": dropout}})) == asked


def test_conditions_look_back_whatever_the_order_of_the_fields() -> None:
    space = space_of(
        data={"image_size": {"choice": [32, 96], "when": {"train.optimizer": "sgd"}}}, train={"optimizer": {"choice": ["adam", "sgd"]}}
    )
    assert names(space) == ["train.optimizer", "data.image_size"]
    assert space.image_sizes() == (32, 96, 224)


def test_conditions_on_nested_arguments_and_limits() -> None:
    space = space_of(
        model={
            "backbone": MIXED,
            "unfreeze": {"choice": [0, 3, "all"]},
            "head": {"dropout": {"choice": [0.1, 0.2], "when": {"model.backbone.MobileNet.alpha": 0.5}}},
        },
        train={"fine_tune": {"learning_rate_factor": {"choice": [0.5, 1.0], "when": {"model.unfreeze": {"above": 0, "below": 9}}}}},
    )
    config = trial(space, model__backbone="MobileNet", model__backbone__MobileNet__alpha=0.5, model__unfreeze=3)
    assert {"model.head.dropout", "train.fine_tune.learning_rate_factor"} <= set(config.params)
    config = trial(space, model__backbone="MobileNet", model__unfreeze="all")
    assert not {"model.head.dropout", "train.fine_tune.learning_rate_factor"} & set(config.params)
    config = trial(space, model__backbone="MobileNetV2", model__unfreeze=0)
    assert set(config.params) == {"model.backbone", "model.unfreeze"}


def test_an_inactive_field_counts_with_its_default() -> None:
    space = space_of(
        train={
            "optimizer": {"choice": ["adam", "sgd"]},
            "momentum": {"choice": [0.5, 0.9], "when": {"train.optimizer": "sgd"}},
            "weight_decay": {"choice": [0.1, 0.2], "when": {"train.momentum": 0.9}},
        }
    )
    assert trial(space, train__optimizer="adam").params == {"train.optimizer": "adam", "train.weight_decay": 0.1}


def test_an_answer_outside_its_domain_is_refused() -> None:
    space = space_of(train={"batch_size": {"int": [8, 16], "step": 4}})
    with pytest.raises(SpaceError, match=r"train\.batch_size: expected a value of .* but got 10"):
        trial(space, train__batch_size=10)


SGD = {"train.optimizer": "sgd"}
LARGE = {"train.batch_size": {"above": 60}}
COUNTED = [
    ({"train": {"batch_size": {"int": [8, 64], "step": 8}, "optimizer": {"choice": ["adam", "sgd"]}}}, 16),
    ({"model": {"backbone": MIXED}}, 4),
    ({"model": {"backbone": MIXED, "unfreeze": {"int": [0, 4]}}}, 16),
    ({"train": {"optimizer": {"choice": ["adam", "sgd"]}, "momentum": {"float": [0.8, 0.9], "step": 0.05, "when": SGD}}}, 4),
    ({"train": {"batch_size": {"int": [1, 100]}, "schedule": {"choice": ["constant", "cosine"], "when": LARGE}}}, 140),
    (
        {
            "train": {
                "momentum": {"float": [0.0, 0.9], "step": 0.1},
                "schedule": {"choice": ["constant", "cosine"], "when": {"train.momentum": {"above": 0.25, "below": 0.7}}},
                "weight_decay": {"choice": [0.1, 0.2, 0.3], "when": {"train.momentum": [0.3, 0.9]}},
            }
        },
        20,
    ),
]


@pytest.mark.parametrize(("sections", "count"), COUNTED)
def test_combinations(sections: dict[str, Any], count: int) -> None:
    space = space_of(**sections)
    found = [tuple(config.params.items()) for config in all_trials(space)]
    assert space.combinations() == len(found) == len(set(found)) == count


def test_combinations_of_large_ranges_are_counted_not_walked() -> None:
    space = space_of(
        train={
            "batch_size": {"int": [1, 65536]},
            "schedule": {"choice": ["constant", "cosine"], "when": {"train.batch_size": {"above": 1000}}},
        }
    )
    assert space.combinations() == 1000 + 2 * 64536
    assert space_of(train={"momentum": {"float": [0, 0.5]}}).combinations() is None


def test_start_values_have_the_parameters_names() -> None:
    sizes = [{"choice": [8, 16], "when": {"train.optimizer": "adam"}}, {"choice": [8, 64], "when": {"train.optimizer": "sgd"}}]
    start = [
        {"train.optimizer": "sgd", "train.batch_size": 64},
        {"train.batch_size": 8},
        {"model.backbone": {"name": "MobileNet", "alpha": 0.5}},
        {"model.head.units": [8], "train.epochs": 20},
    ]
    space = space_of(
        model={"backbone": MIXED, "head": {"units": {"choice": [[], [8]]}}},
        train={"optimizer": {"choice": ["adam", "sgd"]}, "batch_size": sizes},
        search={"start": start},
    )
    adam, sgd = "train.batch_size[train.optimizer=adam]", "train.batch_size[train.optimizer=sgd]"
    assert start_values(space) == [
        {"train.optimizer": "sgd", sgd: 64},
        {adam: 8, sgd: 8},
        {"model.backbone": "MobileNet", "model.backbone.MobileNet.alpha": 0.5},
        {"model.head.units": "[8]"},
    ]


def test_what_can_occur() -> None:
    space = space_of(
        data={"image_size": {"int": [32, 96], "step": 32}, "resize": {"choice": ["crop", "pad"]}},
        model={"backbone": {"choice": ["MobileNetV2", {"name": "MobileNet", "alpha": {"choice": [0.25, 0.5]}}]}},
        train={"batch_size": {"choice": [32, 8]}},
    )
    assert (space.image_sizes(), space.resizes(), space.batch_sizes()) == ((32, 64, 96), ("crop", "pad"), (8, 32))
    assert space.backbones() == ({"name": "MobileNetV2"}, {"name": "MobileNet", "alpha": 0.25}, {"name": "MobileNet", "alpha": 0.5})
    assert space_of(model={"backbone": {"name": "cnn", "filters": {"int": [4, 500]}}}).backbones() == (
        {"name": "cnn", "filters": 4},
        {"name": "cnn", "filters": 500},
    )


def test_differences_between_searches() -> None:
    old = space_of(train={"epochs": 3, "optimizer": {"choice": ["adam", "sgd"]}})
    same = {"trials": 9, "time": "2h", "devices": "cpu", "workers": 2, "threads_per_worker": 1, "keep": 9}
    train = {"epochs": 3, "optimizer": {"choice": ["adam", "sgd"]}}
    new = space_of(data={"path": "mnist"}, train=train, search=same, export={"formats": []})
    assert difference(old, new) == []
    new = space_of(train={"epochs": 4, "optimizer": "adam"}, search={"sampler": "random"})
    assert difference(old, new) == [
        "train.epochs: was 3, is 4",
        'train.optimizer: was {"choice": ["adam", "sgd"]}, is "adam"',
        'search.sampler: was {"name": "tpe"}, is {"name": "random"}',
    ]
