"""Every accepted layout is recognised, and what is wrong with the others is said."""

import os
from pathlib import Path

import numpy as np
import pytest
from painting import noise, paint, paint_classes

from automl.data import count_pictures, write_arrays
from automl.data.sources import open_source
from automl.data.sources.base import natural_key
from automl.errors import DataError

TWO = {"ants": 3, "bees": 2}


def labels(path: Path) -> dict[str, str]:
    return {entry.path: entry.label for entry in open_source(str(path)).entries}


def test_class_folders(tmp_path: Path) -> None:
    source = open_source(str(paint_classes(tmp_path, TWO)))

    assert (source.kind, source.classes, source.location) == ("class_folders", ("ants", "bees"), str(tmp_path))
    assert [entry.path for entry in source.entries] == ["ants/0.png", "ants/1.png", "ants/2.png", "bees/0.png", "bees/1.png"]
    assert count_pictures(str(tmp_path)) == 5


def test_numbered_classes_and_files_are_in_natural_order(tmp_path: Path) -> None:
    source = open_source(str(paint_classes(tmp_path, {str(number): 11 if number == 0 else 1 for number in range(11)})))

    assert source.classes == tuple(str(number) for number in range(11))
    assert [entry.path for entry in source.entries][:11] == [f"0/{number}.png" for number in range(11)]


def test_natural_key() -> None:
    assert sorted(["a10", "a2", "a02", "b", "10", "9", ""], key=natural_key) == ["", "9", "10", "a02", "a2", "a10", "b"]


def test_pictures_are_known_by_their_content_where_the_name_does_not_say(tmp_path: Path) -> None:
    paint_classes(tmp_path, TWO)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"):
        noise(9).save(tmp_path / "ants" / f"{kind} without suffix", kind)
    (tmp_path / "ants" / "notes.txt").write_text("BM is how a bitmap begins")

    source = open_source(str(tmp_path))

    assert len(source.entries) == 11
    assert source.left_out == (("ants/notes.txt", "not a picture (.txt file)"),)


def test_hidden_and_system_files_are_passed_over(tmp_path: Path) -> None:
    paint_classes(tmp_path, {**TWO, ".ipynb_checkpoints": 1, "__MACOSX": 1, "ants/.thumbnails": 1})
    for name in (".DS_Store", "._0.png", "Thumbs.db", "desktop.ini"):
        paint(tmp_path / "ants" / "x.png", 5).rename(tmp_path / "ants" / name)

    source = open_source(str(tmp_path))

    assert (len(source.entries), source.left_out, source.warnings) == (5, (), ())


def test_nested_pictures_belong_to_their_class(tmp_path: Path) -> None:
    paint_classes(tmp_path, {**TWO, "ants/queens/old": 1})

    assert labels(tmp_path)["ants/queens/old/0.png"] == "ants"


def test_links_and_special_files_do_not_hang(tmp_path: Path) -> None:
    paint_classes(tmp_path, {**TWO, "elsewhere/wasps": 2})
    (tmp_path / "elsewhere").rename(tmp_path.with_name(tmp_path.name + "-elsewhere"))
    (tmp_path / "wasps").symlink_to(tmp_path.with_name(tmp_path.name + "-elsewhere") / "wasps")
    (tmp_path / "ants" / "loop").symlink_to(tmp_path)
    (tmp_path / "bees" / "self").symlink_to("self")
    (tmp_path / "bees" / "gone.png").symlink_to("nothing")
    os.mkfifo(tmp_path / "bees" / "pipe.png")

    source = open_source(str(tmp_path))

    assert source.classes == ("ants", "bees", "wasps")
    assert {path for path, label in labels(tmp_path).items() if label == "wasps"} == {"wasps/0.png", "wasps/1.png"}
    assert {path for path, _ in source.left_out} >= {"bees/self", "bees/gone.png", "bees/pipe.png"}


def test_empty_class_folder_is_a_warning(tmp_path: Path) -> None:
    paint_classes(tmp_path, {**TWO, "empty": 0})
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")

    source = open_source(str(tmp_path))

    assert source.classes == ("ants", "bees")
    assert source.warnings == ("class folder empty/ holds no pictures", "class folder texts/ holds no pictures, only 1 other file")


@pytest.mark.parametrize("word", ["val", "valid", "validation", "Validation"])
def test_split_folders(tmp_path: Path, word: str) -> None:
    for first, side in ((0, "train"), (10, word), (20, "test")):
        paint_classes(tmp_path / side, TWO, first)
    (tmp_path / "annotations").mkdir()

    source = open_source(str(tmp_path))

    assert source.kind == "split_folders"
    sides = {(entry.path.split("/")[0], entry.split) for entry in source.entries}
    assert sides == {("train", "train"), (word, "validation"), ("test", "test")}
    assert source.warnings == ("annotations/ is neither train, val nor test, and is not used",)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    source = open_source(str(paint_classes(tmp_path, {"plane": 2, "train": 2})))

    assert (source.kind, source.classes) == ("class_folders", ("plane", "train"))


def test_test_folder_without_classes_is_not_used(tmp_path: Path) -> None:
    paint_classes(tmp_path / "train", TWO)
    paint_classes(tmp_path, {"test": 3}, 10)

    source = open_source(str(tmp_path))

    assert {entry.split for entry in source.entries} == {"train"}
    assert "test/ holds no class folders" in source.warnings[0]


def test_two_validation_folders_are_refused(tmp_path: Path) -> None:
    for side in ("train", "val", "valid"):
        paint_classes(tmp_path / side, TWO)

    with pytest.raises(DataError, match="both val/ and valid/"):
        open_source(str(tmp_path))


def write_table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate("abcd"):
        paint(folder / f"{name}.png", seed)
    (folder / "manifest.csv").write_bytes(text.encode(encoding))
    return folder / "manifest.csv"


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,ant\nb.png,bee\n",
        "\ufeffPath , LABEL,extra\r\na.png,ant,1\r\n./b.png , bee,2\r\n\r\n",
        "label;path\nant;a.png\nbee;b.png",
        "label\tpath\nant\ta.png\nbee\tb.png",
        'path,label\n"a.png","ant"\n"b.png","bee"\na.png,ant\n',
    ],
)
def test_manifest_dialects(tmp_path: Path, text: str) -> None:
    table = write_table(tmp_path, text)

    assert labels(table) == labels(tmp_path) == {"a.png": "ant", "b.png": "bee"}


def test_manifest_with_splits_and_groups(tmp_path: Path) -> None:
    table = write_table(tmp_path, "path,label,split,group\na.png,ant,train,p1\nb.png,bee,val,p2\nc.png,ant,Validation,\nd.png,bee,,\n")

    entries = open_source(str(table)).entries

    assert [(entry.split, entry.group) for entry in entries] == [("train", "p1"), ("validation", "p2"), ("validation", None), (None, None)]


def test_manifest_rows_that_cannot_be_used(tmp_path: Path) -> None:
    text = "path,label\na.png,ant\nb.png,bee\nmissing.png,ant\nc.png,\n,bee\nd.png,ant\nd.png,bee\n.,ant\n"

    source = open_source(str(write_table(tmp_path, text)))

    assert [entry.path for entry in source.entries] == ["a.png", "b.png"]
    assert dict(source.left_out) == {
        "missing.png": "no such file",
        "c.png": "no label in line 5",
        "line 6": "the row has no path",
        "d.png": "lines 7 and 8 give it different labels or splits",
        ".": "not a regular file",
    }
    assert source.warnings == ("1 file of manifest.csv cannot be found: missing.png",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,class\na.png,ant\n", r"'path' \(rename 'filename'\?\) and 'label' \(rename 'class'\?\) is missing"),
        ("path,lable\na.png,ant\n", r"'label' \(rename 'lable'\?\) is missing"),
        ("", "got an empty file"),
        ("path,label\n", "lists no pictures"),
        ("path,label\nx.png,ant\ny.png,bee\n", r"none of its 2 files exists \(x\.png, y\.png\); paths are relative to"),
        ("path,label\na.png,ant\nb.png,ant\n", "label 'ant'; a classifier needs at least two"),
        ("path,label,split\na.png,ant,dev\nb.png,bee,train\n", "expected train, validation, test or nothing, but got 'dev' in line 2"),
    ],
)
def test_manifest_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(str(write_table(tmp_path, text)))


def test_manifest_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        open_source(str(write_table(tmp_path, "path,label\na.png,Käfer\n", "latin-1")))


def test_loose_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 0)

    with pytest.raises(DataError, match=r"1 picture \(a\.png\) but no class folders.*ants/ bees/"):
        open_source(str(tmp_path))


def test_one_class_only(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one class only \(ants\)"):
        open_source(str(paint_classes(tmp_path, {"ants": 2})))


def test_a_folder_round_the_data_is_pointed_out(tmp_path: Path) -> None:
    paint_classes(tmp_path / "archive", TWO)

    with pytest.raises(DataError, match=r"did you mean .*archive"):
        open_source(str(tmp_path))


def test_absent_path_names_what_is_near(tmp_path: Path) -> None:
    paint_classes(tmp_path / "photos", TWO)

    with pytest.raises(DataError, match=r"photo/x does not exist.*did you mean .*photos\?"):
        open_source(str(tmp_path / "photo" / "x"))
    with pytest.raises(DataError, match="did you mean the built-in digits"):
        open_source("digit")


@pytest.mark.parametrize(("name", "message"), [("a.zip", "unpack"), ("a.png", "single picture"), ("a.bin", "unknown kind")])
def test_files_that_are_no_data(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"x")

    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path / name))


def test_empty_path() -> None:
    with pytest.raises(DataError, match="empty text"):
        open_source("")


X = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("y", "classes", "expected"),
    [
        (Y, None, ("0", "1", "2")),
        (Y[:, None], ["c", "b", "a"], ("c", "b", "a")),
        (np.eye(3)[Y], ["c", "b", "a"], ("c", "b", "a")),
        (np.array(["x10", "x9", "y"])[Y], None, ("x9", "x10", "y")),
        (["ant", "bee", "cat"] * 2, ["cat", "bee", "ant"], ("cat", "bee", "ant")),
        (np.array(["ant", "bee", "cat"], object)[Y], None, ("ant", "bee", "cat")),
    ],
)
def test_arrays(tmp_path: Path, y: object, classes: list[str] | None, expected: tuple[str, ...]) -> None:
    path = write_arrays(tmp_path / "arrays.npz", X, y, classes)

    source = open_source(str(tmp_path))

    assert source.kind == "arrays"
    assert source.location == str(path)
    assert source.classes == expected
    assert len({entry.label for entry in source.entries[:3]}) == 3
    assert [entry.label for entry in source.entries[:3]] == [entry.label for entry in source.entries[3:]]
    assert np.array_equal(source.reader.read("x[4]"), X[4])
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.npz"]


def test_arrays_with_splits(tmp_path: Path) -> None:
    write_arrays(tmp_path, X, Y, validation=(X[:3], Y[:3]), test=(X[3:], Y[3:]))

    entries = open_source(str(tmp_path)).entries

    assert [(entry.path, entry.split) for entry in entries if entry.path.endswith("[0]")] == [
        ("x_train[0]", "train"),
        ("x_val[0]", "validation"),
        ("x_test[0]", "test"),
    ]


@pytest.mark.parametrize(
    ("x", "y", "classes", "message"),
    [
        (X / 255, Y, None, r"got float64 up to 1; convert with \(x \* 255\)\.round\(\)"),
        (X.astype(np.float32), Y, None, r"convert with x\.round\(\)"),
        (X.astype(int), Y, None, r"x\.astype\('uint8'\)"),
        (X.transpose(0, 3, 1, 2), Y, None, r"channels come last: x\.transpose\(0, 2, 3, 1\)"),
        (X[..., :2], Y, None, r"got \(6, 5, 7, 2\)"),
        (X[:0], Y[:0], None, r"got \(0, 5, 7, 3\)"),
        (X, Y[:5], None, r"expected 6 labels.*\(5,\)"),
        (X, Y + 0.5, None, "integer or text labels, but got float64"),
        (X, Y, ["a", "b"], "labels go from 0 to 2, but 2 classes"),
        (X, Y - 1, ["a", "b", "c"], "labels go from -1 to 1"),
        (X, np.ones((6, 3)), None, "single 1"),
        (X, np.eye(3)[Y], ["a", "b"], "one-hot rows of 3, but 2 classes"),
        (X, ["ant", "bee", "wasp"] * 2, ["ant", "bee"], "not among the classes: wasp"),
        (X, Y, ["a", "a", "b"], "distinct"),
        (X, Y * 0, None, "at least two classes, but got 1: 0"),
    ],
)
def test_array_mistakes(tmp_path: Path, x: np.ndarray, y: object, classes: list[str] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_arrays(tmp_path / "arrays.npz", x, y, classes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pictures": X}, "but got pictures"),
        ({"x": X}, "y is missing"),
        ({"x": X, "x_train": X}, "expected the arrays"),
        ({"x_val": X}, "expected the arrays"),
    ],
)
def test_npz_with_other_names(tmp_path: Path, content: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "arrays.npz", **content)

    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path))


def test_npz_is_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", x=X, y=np.array([{"a": 1}] * 6, object))
    with pytest.raises(DataError, match="allow_pickle=False"):
        open_source(str(tmp_path))

    (tmp_path / "arrays.npz").write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
        open_source(str(tmp_path))
