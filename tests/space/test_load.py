# ruff: noqa: E501 -- the messages stand here whole, as the user reads them
"""Reading: every kind of mistake with its exact message, all of them in one go, and the command line's options."""

from pathlib import Path

import pytest
from space_texts import SOUND, problems, read

from automl.errors import SpaceError
from automl.space import load
from automl.space.backbones import catalog


def test_the_form_of_the_message(tmp_path: Path) -> None:
    text = "data: {path: digits}\nmodel:\n  backbone: cnn\n  unfreez: 3\ntrain:\n  learning_rate: {float: [0.01, 0.0001]}\n"
    with pytest.raises(SpaceError, match="transfer") as caught:
        read(text, tmp_path)
    assert str(caught.value) == (
        "transfer.yaml has 2 problems:\n"
        "  line 4: model.unfreez: unknown key; did you mean 'unfreeze'?\n"
        "  line 6: train.learning_rate: low must be below high, but got [0.01, 0.0001]"
    )


RANGES = [
    ("{float: [0.1, 0.1]}", "low must be below high, but got [0.1, 0.1]"),
    ("{float: [0.1]}", "expected two numbers, [low, high], but got [0.1]"),
    ("{float: [a, 1]}", 'expected two numbers, [low, high], but got ["a", 1]'),
    ("{float: [0.1, 200]}", "high: expected a number above 0 and of at most 100, but got 200"),
    ("{float: [0.1, 1], log: 1}", "expected true or false, but got 1"),
    ("{float: [0.1, 1], log: true, step: 0.1}", "log and step exclude each other; leave one of them out"),
    ("{float: [0.1, 1], step: 0.4}", "expected a step that divides the range [0.1, 1], but got 0.4; its last value is 0.9"),
    ("{float: [0.1, 1], step: 2}", "expected a step that fits into [0.1, 1], but got 2"),
    ("{float: [0.1, 1], step: 0}", "expected a number above 0, but got 0"),
    ("{int: [1, 2]}", "expected float or choice here, but got int; each value must be a number above 0 and of at most 100"),
    ("{choice: []}", "expected at least one option, but got an empty list"),
    ("{choice: 0.1}", "expected a list of options, but got 0.1"),
    ("{choice: [0.1, 0.2, 0.1]}", "expected different options, but got 0.1 twice"),
    ("{choice: [0.1, x]}", "expected a number above 0 and of at most 100, but got 'x'"),
    ("{choice: [0.1], log: true}", "log belongs to int and float, not to choice"),
    ("{choice: [0.1], float: [0.1, 1]}", "expected exactly one of choice, int, float, but got choice and float"),
    (
        "{low: 0.1}",
        'expected a number above 0 and of at most 100, or a domain (a mapping with one of float or choice), but got {"low": 0.1}',
    ),
    ("true", "expected a number above 0 and of at most 100, but got true"),
    ("'0.1'", "expected a number above 0 and of at most 100, but got '0.1'"),
    ("", "expected a number above 0 and of at most 100, but got nothing"),
    ("[{float: [0.1, 1]}, {float: [0.2, 1]}]", "expected a 'when' in each entry of a list of domains, but got none"),
    ("[{float: [0.1, 1], when: {train.optimizer: sgd}}, 3]", "expected a domain like the other entries of this list, but got 3"),
    ("{float: [0.1, 1], when: sgd}", "expected a mapping of parameters to values, like {train.optimizer: sgd}, but got 'sgd'"),
    ("{float: [0.1, 1], when: {train.optimizer: []}}", "expected at least one value, but got an empty list"),
    ("{float: [0.1, 1], when: {train.epochs: {above: x}}}", "expected a number, but got 'x'"),
    ("{float: [0.1, 1], when: {train.optimiser: sgd}}", "when: unknown parameter 'train.optimiser'; did you mean 'train.optimizer'?"),
    ("{float: [0.1, 1], when: {optimizer: sgd}}", "when: unknown parameter 'optimizer'; did you mean 'train.optimizer'?"),
    ("{float: [0.1, 1], when: {train.optimizer: sdg}}", "when: train.optimizer can never be 'sdg'; did you mean 'sgd'?"),
    ("{float: [0.1, 1], when: {train.optimizer: rmsprop}}", "when: train.optimizer can never be 'rmsprop'; known are adam and sgd"),
    (
        "{float: [0.1, 1], when: {train.schedule: cosin}}",
        "when: train.schedule can never be 'cosin'; expected 'constant' or 'cosine', but got 'cosin'; did you mean 'cosine'?",
    ),
    ("{float: [0.1, 1], when: {train.optimizer: {above: 3}}}", 'when: train.optimizer can never be above 3; it is ["adam", "sgd"]'),
    (
        "{float: [0.1, 1], when: {train.schedule: {above: 3}}}",
        "when: above and below compare numbers, but train.schedule is 'constant' or 'cosine'",
    ),
    ("{float: [0.1, 1], when: {model.backbone: MobilNet}}", "when: model.backbone can never be 'MobilNet'; did you mean 'MobileNet'?"),
    (
        "{float: [0.1, 1], when: {train.learning_rate: 0.1}}",
        "conditions must not go round in a circle, but got train.learning_rate -> train.learning_rate",
    ),
]


@pytest.mark.parametrize(("value", "message"), RANGES, ids=[value or "empty" for value, _ in RANGES])
def test_a_value_that_varies(value: str, message: str, tmp_path: Path) -> None:
    found = problems(f"{SOUND}  learning_rate: {value}\n", tmp_path)
    assert f"line 6: train.learning_rate: {message}" in found
    assert set(found) == {f"line 6: train.learning_rate: {message}"}


LISTS = [
    ("{a}", "{b}", {"a": "{train.optimizer: adam}", "b": "{train.optimizer: [sgd, adam]}"}),
    ("{a}", "{b}", {"a": "{model.head.dropout: {above: 0.1}}", "b": "{model.head.dropout: {below: 0.2}}"}),
    ("{a}", "{b}", {"a": "{train.optimizer: adam}", "b": "{model.backbone: cnn}"}),
]


@pytest.mark.parametrize(("first", "second", "tests"), LISTS)
def test_domains_of_a_list_that_hold_together(first: str, second: str, tests: dict[str, str], tmp_path: Path) -> None:
    text = SOUND.replace("train:", "  head: {dropout: {float: [0, 0.5]}}\ntrain:")
    text += f"  learning_rate:\n    - {{float: [0.1, 1], when: {tests['a']}}}\n    - {{float: [0.1, 1], when: {tests['b']}}}\n"
    (found,) = problems(text, tmp_path)
    assert found.startswith("line 9: train.learning_rate: the 'when' of these domains must exclude each other, but {")


MISTAKES = [
    ("search: {trials: 0}", "line 6: search.trials: expected an integer from 1 to 1000000, but got 0"),
    ("search: {time: 2 days}", "line 6: search.time: expected a time like 2h, 90m, 1h30m or 45s, or seconds above 0, but got '2 days'"),
    ("search: {time: -3}", "line 6: search.time: expected a time like 2h, 90m, 1h30m or 45s, or seconds above 0, but got -3"),
    ("search: {direction: minimize}", "line 6: search.direction: expected maximize for val_accuracy, but got minimize; leave it out"),
    (
        "search: {sampler: tpee}",
        "line 6: search.sampler: expected tpe, random, grid, qmc, cmaes or gp, but got 'tpee'; did you mean 'tpe'?",
    ),
    ("search: {sampler: {name: tpe, n_startup: 3}}", "line 6: search.sampler.n_startup: unknown key; did you mean 'n_startup_trials'?"),
    ("search: {sampler: {name: tpe, group: 3}}", "line 6: search.sampler: group: expected true or false, but got 3"),
    ("search: {sampler: {name: random, x: 3}}", "line 6: search.sampler: 'random' takes no options"),
    (
        "search: {pruner: {name: median, n_warmup_steps: 20}}",
        "line 6: search.pruner: n_warmup_steps must be below train.epochs (20), but got 20; nothing would ever be pruned",
    ),
    (
        "search: {pruner: {name: hyperband, min_resource: 4, max_resource: 2}}",
        "line 6: search.pruner: max_resource must not be below min_resource, but got 2 and 4",
    ),
    ("search: {devices: [0, 0]}", "line 6: search.devices: expected each entry once, but got [0, 0]"),
    ("search: {storage: study.db}", "line 6: search.storage: expected an SQLAlchemy URL such as sqlite:///study.db, but got 'study.db'"),
    ("search: {start: [{}]}", "line 6: search.start[0]: expected at least one parameter, but got an empty mapping"),
    ("search: {start: [{optimizer: sgd}]}", "line 6: search.start[0]: unknown parameter 'optimizer'; did you mean 'train.optimizer'?"),
    ("search: {start: [{train.epochs: 3}]}", "line 6: search.start[0]: train.epochs is fixed at 20, but got 3"),
    (
        "search: {start: [{train.optimizer: sdg}]}",
        'line 6: search.start[0]: train.optimizer: expected a value in ["adam", "sgd"], but got \'sdg\'',
    ),
    (
        "search: {start: [{model.backbone: cnn, model.backbone.MobileNet.alpha: 0.5}]}",
        "line 6: search.start[0]: model.backbone.MobileNet.alpha is not active here; it needs model.backbone=MobileNet",
    ),
    (
        "export: {formats: [onx]}",
        "line 6: export.formats: expected a list, each entry 'keras', 'saved_model', 'onnx' or 'litert', but got [\"onx\"]",
    ),
    (
        "study: a/b",
        "line 6: study: expected letters, digits, '.', '-' and '_', beginning with a letter or digit, at most 100, "
        "because the study's folder has this name, but got 'a/b'",
    ),
    ("  cache: {views: 65}", "line 6: train.cache: views: expected an integer from 1 to 64 or null, but got 65"),
    ("  cache: {maps: f16}", "line 6: train.cache: maps: expected 'float32' or 'float16', but got 'f16'; did you mean 'float16'?"),
    ("  cache: {view: 8}", "line 6: train.cache.view: unknown key; did you mean 'views'?"),
    (
        "  cache: 8",
        "line 6: train.cache: expected 'exact', 'none' or a mapping with 'views' (an integer from 1 to 64 or null) "
        "and 'maps' ('float32' or 'float16'), but got 8",
    ),
    ("dropout: 3", "line 6: dropout: unknown key; did you mean 'model.head.dropout'?"),
    ("augment: 3", "line 6: augment: expected a mapping with strength and flip, but got 3"),
    (
        "augment: {flip: horizontl}",
        "line 6: augment.flip: expected 'none', 'horizontal', 'vertical' or 'both', but got 'horizontl'; did you mean 'horizontal'?",
    ),
    ("augment: {strength: .nan}", "line 6: augment.strength: expected a finite number, but got .nan"),
    ("augment: {strength: -.inf}", "line 6: augment.strength: expected a finite number, but got -.inf"),
    ("augment: {strength: 1e999}", "line 6: augment.strength: expected a finite number, but got 1e999"),
    ("search: {seed: 99999999999999999999}", "line 6: search.seed: expected a number of at most 64 bits, but got '99999999999999999999'"),
    ("augment: {strength: !foo 1}", "line 6: augment.strength: expected a value without a tag, but got !foo"),
    ("augment: !!python/object:os.system {}", "line 6: augment: expected a value without a tag, but got !!python/object:os.system"),
    ("augment: {strength: 0.1, strength: 0.2}", "line 6: augment.strength: this key stands here twice; the first is in line 6"),
    ("data: {path: x}", "line 6: data: this key stands here twice; the first is in line 1"),
    ("augment: &a {strength: *a}", "line 6: augment.strength: an alias (*name) that contains itself"),
    ("augment: {<<: 3}", "line 6: augment: expected a mapping after '<<', but got '3'"),
    (
        "search: {metric: accuracy}",
        "line 6: search.metric: expected val_accuracy, val_balanced_accuracy, val_f1_macro, val_auc, "
        "val_top5_accuracy, val_loss, but got 'accuracy'; did you mean 'val_accuracy'?",
    ),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_one_mistake_gives_one_message(line: str, message: str, tmp_path: Path) -> None:
    assert problems(f"{SOUND}{line}\n", tmp_path) == [message]


BLOCKS = catalog()["cnn"].arguments["blocks"]["high"]
MODELS = [
    ("MobilNet", "", "model.backbone: unknown backbone 'MobilNet'; did you mean 'MobileNet'?"),
    ("resnet50", "", "model.backbone: unknown backbone 'resnet50'; did you mean 'ResNet50'?"),
    ("ViT", "", "model.backbone: unknown backbone 'ViT'; `automl schema` lists them all"),
    ("3", "", "model.backbone: expected a backbone's name, or a mapping with 'name' and its arguments, but got 3"),
    ("{name: VGG16, alpha: 0.5}", "", "model.backbone.alpha: unknown argument of VGG16"),
    (
        "{name: MobileNetV3Small, minimalistic: 1}",
        "",
        "model.backbone: MobileNetV3Small.minimalistic: expected true or false, but got 1",
    ),
    (
        "{name: MobileNetV3Small, alpha: 0.75, minimalistic: {choice: [true, false]}}",
        "",
        'model.backbone: there are no imagenet weights for MobileNetV3Small with {"alpha": 0.75, "minimalistic": true}, '
        "only for alpha 0.75 with minimalistic false, alpha 1.0 with minimalistic false or alpha 1.0 with minimalistic true; "
        "or train it from scratch with weights: none",
    ),
    ("{name: cnn, blocs: 3}", "", "model.backbone.blocs: unknown argument of cnn; did you mean 'blocks'?"),
    ("{name: cnn, blocks: 0}", "", f"model.backbone: cnn.blocks: expected an integer from 1 to {BLOCKS}, but got 0"),
    ("{name: cnn, blocks: {int: [3, 2]}}", "", "model.backbone: cnn.blocks: low must be below high, but got [3, 2]"),
    (
        "{name: MobileNet, alpha: 0.3}",
        "",
        "model.backbone: with weights: imagenet the alpha of MobileNet must be 0.25, 0.5, 0.75 or 1.0, but got 0.3; or train it from scratch with weights: none",
    ),
    (
        "{name: MobileNet, alpha: {float: [0.25, 1.0]}}",
        "",
        'model.backbone: with weights: imagenet the alpha of MobileNet must be 0.25, 0.5, 0.75 or 1.0, but got {"float": [0.25, 1.0]}; '
        "or train it from scratch with weights: none",
    ),
    ("{choice: [cnn], when: {train.optimizer: adam}}", "", "model.backbone: the backbone has no default, so it cannot have a 'when'"),
    (
        "{choice: [{name: MobileNet, alpha: {choice: [0.25, 0.5]}}, {name: MobileNet, alpha: {choice: [1.0]}}]}",
        "",
        "model.backbone: expected options that differ in their name or arguments, not in domains alone, but got 'MobileNet(alpha)' twice",
    ),
    (
        "MobileNet",
        ", weights: none, unfreeze: {int: [0, 5]}",
        "model.unfreeze: with weights: none the backbone starts from random weights and there is nothing worth keeping frozen; "
        "expected 'all', but got 0; leave unfreeze out",
    ),
    (
        "cnn",
        ", unfreeze: 1",
        "model.unfreeze: cnn is never pretrained, so the backbone starts from random weights and there is nothing worth keeping frozen; "
        "expected 'all', but got 1; leave unfreeze out",
    ),
    (
        "MobileNet",
        ", weights: none, batch_normalization: inference",
        "model.batch_normalization: with weights: none BatchNormalization has no statistics yet, so in inference mode nothing is learned; "
        "expected 'training', but got 'inference'",
    ),
    ("cnn", ", weights: {choice: [none]}", "model.weights: this cannot vary; expected text, but got a domain"),
]


@pytest.mark.parametrize(("backbone", "rest", "message"), MODELS, ids=[backbone + rest for backbone, rest, _ in MODELS])
def test_a_mistake_in_the_model(backbone: str, rest: str, message: str, tmp_path: Path) -> None:
    assert problems(f"data: {{path: digits}}\nmodel: {{backbone: {backbone}{rest}}}\n", tmp_path) == [f"line 2: {message}"]


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    found = problems("data: {path: digits}\nmodel: {backbone: MobileNet, weights: Imagenet}\n", tmp_path)
    assert found == [
        f"line 2: model.weights: expected imagenet, none or an existing file, but there is no '{tmp_path}/Imagenet'; did you mean 'imagenet'?"
    ]


def test_a_weights_file_is_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "own.h5").touch()
    text = "data: {path: photos/}\nmodel: {backbone: %s, weights: own.h5}\n"
    space = read(text % "MobileNet", tmp_path)
    assert (space.weights, space.data_path) == (str(tmp_path / "own.h5"), str(tmp_path / "photos"))
    assert problems(text % "cnn", tmp_path) == [
        f"line 2: model.weights: cnn always starts from random weights; expected none, but got '{tmp_path}/own.h5'"
    ]


TOO_SMALL = [
    ("[Xception, InceptionV3, NASNetLarge]", 74, ["InceptionV3 needs pictures of at least 75 pixels, but got 74"]),
    (
        "[Xception, InceptionV3, InceptionResNetV2, VGG16]",
        70,
        [
            "Xception needs pictures of at least 71 pixels, but got 70",
            "InceptionV3 and InceptionResNetV2 need pictures of at least 75 pixels, but got 70",
        ],
    ),
    (
        f"[{', '.join(name for name, entry in catalog().items() if entry.minimum_size == 32)}]",
        31,
        ["ConvNeXtTiny, ConvNeXtSmall, ConvNeXtBase, ConvNeXtLarge, ConvNeXtXLarge and 32 more need pictures of at least 32 pixels, but got 31"],
    ),
]


@pytest.mark.parametrize(("names", "size", "messages"), TOO_SMALL, ids=["one", "two kinds", "many"])
def test_pictures_smaller_than_several_backbones_take(names: str, size: int, messages: list[str], tmp_path: Path) -> None:
    text = f"data: {{path: digits, image_size: {size}}}\nmodel: {{backbone: {{choice: {names}}}}}\n"
    assert problems(text, tmp_path) == [f"line 1: data.image_size: {message}" for message in messages]


@pytest.mark.parametrize("size", [75, 100, 225, 331, 333])
def test_pictures_of_any_other_size_are_taken(size: int, tmp_path: Path) -> None:
    text = f"data: {{path: digits, image_size: {size}}}\nmodel: {{backbone: {{choice: [{', '.join(catalog())}]}}}}\n"
    assert read(text, tmp_path).image_sizes() == (size,)


@pytest.mark.parametrize("size", ["16", "{choice: [16, 64]}", "{int: [16, 64]}"])
def test_pictures_smaller_than_a_backbone_takes(size: str, tmp_path: Path) -> None:
    text = f"data: {{path: digits, image_size: {size}}}\nmodel: {{backbone: {{choice: [cnn, MobileNet]}}}}\n"
    assert problems(text, tmp_path) == ["line 1: data.image_size: MobileNet needs pictures of at least 32 pixels, but got 16"]


def test_small_pictures_for_another_backbone_are_fine(tmp_path: Path) -> None:
    text = (
        "data: {path: digits, image_size: {choice: [16, 24], when: {model.backbone: cnn}}}\nmodel: {backbone: {choice: [cnn, MobileNet]}}\n"
    )
    assert read(text, tmp_path).image_sizes() == (16, 24, 224)


def test_shares_that_leave_nothing_for_training(tmp_path: Path) -> None:
    text = "data: {path: digits, validation: 0.6, test: 0.5}\nmodel: {backbone: cnn}\n"
    expected = "line 1: data.validation: validation and test must leave pictures for training, together below 1, but got 0.6 + 0.5"
    assert problems(text, tmp_path) == [expected]


def test_grid_needs_steps(tmp_path: Path) -> None:
    text = SOUND + "  learning_rate: {float: [0.1, 1]}\nsearch: {sampler: grid}\n"
    expected = "line 6: train.learning_rate: the grid sampler needs a step here, or a choice, because a range of reals has no end of values"
    assert problems(text, tmp_path) == [expected]


def test_a_circle_of_conditions(tmp_path: Path) -> None:
    text = SOUND + (
        "  momentum: {float: [0, 0.5], when: {train.weight_decay: {above: 0.1}}}\n"
        "  weight_decay: {float: [0, 0.5], when: {train.momentum: {below: 0.1}}}\n"
    )
    (found,) = problems(text, tmp_path)
    assert found == (
        "line 6: train.momentum: conditions must not go round in a circle, but got train.momentum -> train.weight_decay -> train.momentum"
    )


def test_start_values_that_depend_on_others(tmp_path: Path) -> None:
    text = SOUND + (
        "  learning_rate:\n"
        "    - {float: [1e-5, 1e-2], when: {train.optimizer: adam}}\n"
        "    - {float: [1e-3, 1e-1], when: {train.optimizer: sgd}}\n"
        "search:\n"
        "  start:\n"
        "    - {train.learning_rate: 1e-5}\n"
        "    - {train.learning_rate: 1e-5, train.optimizer: sgd}\n"
        "    - {train.learning_rate: 1e-5, train.optimizer: adam}\n"
    )
    assert problems(text, tmp_path) == [
        "line 11: search.start[0]: train.learning_rate: expected a value in [0.001, 0.1], but got 1e-05; "
        "which domain holds depends on train.optimizer, so give that too",
        "line 12: search.start[1]: train.learning_rate: expected a value in [0.001, 0.1], but got 1e-05",
    ]


def test_all_mistakes_in_one_go_without_noise(tmp_path: Path) -> None:
    text = """\
data: {path: digits, validation: 0.6, test: 0.5}
model:
  backbon: {choice: [cnn, MobileNet]}
  unfreeze: {int: [0, 5], when: {model.backbone: MobileNet}}
train:
  optimiser: {choice: [adam, sgd]}
  momentum: {float: [0.8, .nan], when: {train.optimizer: sgd}}
  learning_rate: {float: [1, 0.1]}
  weight_decay: {float: [0, 0.1], when: {train.learning_rate: {above: 0.5}}}
  epochs: 4
search:
  pruner: {name: median, n_warmup_steps: 9}
  start: [{train.optimizer: sgd}, {train.learning_rate: 7}, {foo: 1}]
"""
    assert problems(text, tmp_path) == [
        "line 1: data.validation: validation and test must leave pictures for training, together below 1, but got 0.6 + 0.5",
        "line 3: model.backbon: unknown key; did you mean 'backbone'?",
        "line 6: train.optimiser: unknown key; did you mean 'optimizer'?",
        "line 7: train.momentum.float[1]: expected a finite number, but got .nan",
        "line 8: train.learning_rate: low must be below high, but got [1, 0.1]",
        "line 12: search.pruner: n_warmup_steps must be below train.epochs (4), but got 9; nothing would ever be pruned",
        "line 13: search.start[2]: unknown parameter 'foo'",
    ]


NOT_A_SPACE = [
    ("", "the file is empty; expected at least data.path and model.backbone"),
    ("# only a comment\n", "the file is empty; expected at least data.path and model.backbone"),
    ("hello", "line 1: expected a mapping with the sections data, model, augment, train, search and export, but got 'hello'"),
    ("- 1\n", "line 1: expected a mapping with the sections data, model, augment, train, search and export, but got [1]"),
    ("data: {path: [\nmodel: 3", "line 2: not YAML: expected ',' or ']', but got '<stream end>' (column 9)"),
    ("data:\n\tpath: 3", "line 2: not YAML: found character '\\t' that cannot start any token (column 1)"),
    ("a: *b", "line 1: not YAML: found undefined alias 'b' (column 4)"),
    ("a: 1\n---\nb: 2\n", "line 2: not YAML: expected a single document in the stream, but found another document (column 1)"),
    (b"data: \xff\n", "line 1: expected UTF-8 text, but got the byte 0xff; save the file as UTF-8"),
    ("[" * 100, "line 1: not YAML: maximum depth of data structure exceeded (31) (column 31)"),
    ("a: " + "x" * 300_000, "expected a space file, but got 262,145 bytes; at most 262,144 are read"),
    (
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True)),
        "line 1: more than 20,000 values; aliases (*name) multiply what they stand for",
    ),
]


@pytest.mark.parametrize(("text", "message"), NOT_A_SPACE, ids=[repr(text)[:20] for text, _ in NOT_A_SPACE])
def test_a_file_that_is_no_space(text: str | bytes, message: str, tmp_path: Path) -> None:
    assert problems(text, tmp_path) == [message]


def test_what_is_missing(tmp_path: Path) -> None:
    assert problems("data:\nmodel: {weights: none}\n", tmp_path) == [
        "line 1: data.path: missing; expected text",
        "line 2: model.backbone: missing; expected a backbone's name, or a mapping with 'name' and its arguments",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"none\.yaml: cannot read the space file \(No such file or directory\)"):
        load(tmp_path / "none.yaml")
    with pytest.raises(SpaceError, match="Is a directory"):
        load(tmp_path)
