import json

import pytest
from rich.console import Console

from automl.cli import console
from automl.cli.console import Column
from automl.cli.options import Format

COLUMNS = [
    Column("name", lambda row: row["name"]),
    Column("often", lambda row: "x" * 30, importance=2),
    Column("value", lambda row: str(row["value"]), True, 8),
]
ROWS = [{"name": "[bold]a|b[/bold]", "value": float("nan")}, {"name": "tab\x1b[31m", "value": 2.5}]


def drawn(width: int) -> str:
    recorder = Console(record=True, width=width, markup=False, file=None)
    with recorder.capture() as captured:
        recorder.print(console.table(ROWS, COLUMNS, width))
    return captured.get()


def test_values_are_never_read_as_markup_nor_sent_to_the_terminal_raw():
    text = drawn(100)
    assert "[bold]a|b[/bold]" in text
    assert "\x1b" not in text
    assert "tab\\x1b[31m" in text


def test_the_least_important_column_goes_first_and_is_named():
    text = drawn(40)
    assert "xxx" not in text
    assert "not shown for lack of room: often" in text
    assert "xxx" in drawn(100)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_table_is_never_wider_than_the_terminal(width):
    assert max(map(len, drawn(width).splitlines())) <= width


def test_json_has_null_for_what_is_not_a_number(capsys):
    console.show(ROWS, COLUMNS, Format.JSON)
    assert json.loads(capsys.readouterr().out)[0]["value"] is None


def test_csv_and_markdown(capsys):
    console.show([{"name": "a,b", "value": {"x": 1}}], COLUMNS[:1], Format.CSV)
    assert capsys.readouterr().out.splitlines()[:2] == ["name,value", '"a,b","{""x"": 1}"']
    console.show(ROWS[:1], COLUMNS[:1], Format.MD)
    assert capsys.readouterr().out == "| name |\n| --- |\n| [bold]a\\|b[/bold] |\n"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: console.duration(7.4), "7 s"),
        (lambda: console.duration(185), "3:05"),
        (lambda: console.duration(7385), "2:03:05"),
        (lambda: console.size(5208), "5.2 kB"),
        (lambda: console.size(None), ""),
        (lambda: console.size(999), "999 B"),
        (lambda: console.size(3 * 10**15), "3000 TB"),
        (lambda: console.with_interval(0.93141, (0.902, 0.953)), "0.9314 [0.902, 0.953]"),
        (lambda: console.with_interval(0.5, None), "0.5000"),
        (lambda: console.with_interval(None, None), ""),
        (lambda: console.plural(1, "trial"), "1 trial"),
        (lambda: console.plural(2000, "trial"), "2,000 trials"),
        (lambda: console.printable("a\x07\udcffb"), "a\\x07\\udcffb"),
    ],
)
def test_values_as_texts(call, expected):
    assert call() == expected
