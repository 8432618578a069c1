"""A checked space file in one line, and a plan on a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl import api
from automl.cli.console import Column, duration, out_console, plural, print_line, size, table, to_json
from automl.cli.console import show as show_listing
from automl.cli.options import Format, Given
from automl.planning import Plan

MOST_SIZES_SHOWN = 4
_COLUMNS = [
    Column("parameter", lambda row: row["name"]),
    Column("values", lambda row: row["domain"], wraps=True),
    Column("when", lambda row: ", ".join(row["conditions"]), wraps=True),
]


def validate(file: Path, given: Given) -> None:
    """Say that a space file is fine.

    Raises:
        SpaceError: It is not.
    """
    space = api.load_space(file, given.data, **given.budget())
    combinations = space.combinations()
    many = "" if combinations is None else f" in {plural(combinations, 'combination')}"
    limit = "" if space.search.time is None else f", at most {duration(space.search.time)}"
    budget = f"{plural(space.search.trials, 'trial')} of {plural(space.epochs, 'epoch')}{limit}"
    print_line(f"{file.name} is fine: {plural(len(space.parameters), 'parameter')}{many}, {budget}")


def show(plan: Plan, form: Format) -> None:
    """Show a plan on stdout; JSON holds all of it, CSV and Markdown the parameters."""
    rows: list[dict[str, Any]] = list(plan.to_json()["parameters"])
    if form is Format.JSON:
        print_line(to_json(plan.to_json()))
    elif form is not Format.TABLE:
        show_listing(rows, _COLUMNS, form)
    else:
        for name, text in lines(plan):
            print_line(f"{name:<12} {text}")
        if rows:
            console = out_console()
            print_line("")
            console.print(table(rows, _COLUMNS, console.width))
        for title, texts in (("missing", plan.missing), ("warning", plan.warnings)):
            for text in texts:
                print_line(f"{title}: {text}")


def lines(plan: Plan) -> list[tuple[str, str]]:
    """The plan's single figures, each with its name."""
    left = max(0, plan.trials - plan.counted)
    state = f"continues with {plan.counted} of {plan.trials} trials done" if plan.exists else "is new"
    combinations = "continuous" if plan.combinations is None else plural(plan.combinations, "combination")
    limit = "no time limit" if plan.time_seconds is None else f"at most {duration(plan.time_seconds)}"
    disk = plan.disk
    return [
        ("study", f"{plan.study} {state}, in {plan.folder} ({size(disk.study_free_bytes)} free)"),
        ("pictures", _pictures(plan)),
        ("space", f"{plural(len(plan.parameters), 'parameter')}, {combinations}"),
        (
            "budget",
            f"{plural(left, 'trial')} of {plural(plan.epochs, 'epoch')}, at most {plural(plan.total_epochs, 'epoch')} in all; {limit}",
        ),
        ("search", f"{plan.metric}; sampler {plan.sampler}; pruner {plan.pruner}"),
        ("devices", plan.placement.describe()),
        ("store", f"{size(disk.store_bytes) or 'unknown'} of decoded pictures in {disk.store_folder} ({size(disk.store_free_bytes)} free)"),
        ("features", _features(plan)),
        ("export", ", ".join(plan.formats) or "nothing"),
    ]


def _features(plan: Plan) -> str:
    features = plan.features
    if features.bytes == 0:
        return "nothing to keep of frozen backbones"
    return f"{size(features.bytes) or 'unknown'} of frozen backbones at most, in {features.folder} (limit {size(features.limit_bytes)})"


def _sides(sizes: Sequence[int]) -> str:
    if len(sizes) > MOST_SIZES_SHOWN:
        return f"{len(sizes)} sizes from {min(sizes)} to {max(sizes)}"
    return " and ".join(map(str, sizes))


def _pictures(plan: Plan) -> str:
    pictures, sides = plan.pictures, _sides(plan.image_sizes)
    text = f"{pictures.path}, at {sides} px" if pictures.total is None else f"{pictures.total:,} in {pictures.path}, at {sides} px"
    if pictures.classes:
        few = ", ".join(pictures.classes[:5]) + (", ..." if len(pictures.classes) > 5 else "")
        text += f"; {len(pictures.classes)} classes: {few}"
    return text if pictures.validation is None else f"{text}; about {pictures.validation:,} for validation"
