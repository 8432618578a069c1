"""What is in the data, as a page or a listing of classes."""

from collections.abc import Iterable
from typing import Any

from automl.cli.console import Column, plural, print_line, printable, say, to_json
from automl.cli.console import show as show_listing
from automl.cli.options import Format
from automl.data import Audit

FEW = 5


def show(audit: Audit, form: Format) -> None:
    """Show what `inspect` found; JSON holds all of it, the other forms list the classes."""
    if form is Format.JSON:
        print_line(to_json(audit.model_dump()))
        return
    splits = list(audit.counts)
    rows: list[dict[str, Any]] = [{"class": name} | {split: audit.counts[split].get(name, 0) for split in splits} for name in audit.classes]
    columns = [Column("class", lambda row: str(row["class"]))]
    columns += [Column("pictures" if split == "undivided" else split, _count(split), True) for split in splits]
    if form is Format.TABLE:
        for line in _heading(audit):
            print_line(line)
    show_listing(rows, columns, form)
    if form is Format.TABLE:
        for line in _findings(audit):
            print_line(line)
    for warning in audit.warnings:
        say(f"warning: {warning}")


def _count(split: str) -> Any:
    return lambda row: f"{row[split]:,}"


def _heading(audit: Audit) -> list[str]:
    lines = [f"{audit.path}: {audit.kind.replace('_', ' ')}, {plural(audit.pictures, 'picture')}, {len(audit.classes)} classes"]
    if audit.width and audit.height:
        sides = [
            f"{name} {span.min} to {span.max} (median {span.median:g})" for name, span in (("width", audit.width), ("height", audit.height))
        ]
        lines.append(f"{', '.join(sides)} pixels")
    tallies = [", ".join(f"{count:,} {name}" for name, count in tally.items()) for tally in (audit.formats, audit.modes) if tally]
    return [*lines, "; ".join(tallies), ""] if tallies else [*lines, ""]


def _findings(audit: Audit) -> list[str]:
    lines = [""]
    lines += _some(f"{plural(len(audit.unreadable), 'file')} cannot be used", (f"{path}: {reason}" for path, reason in audit.unreadable))
    lines += _some(
        f"{plural(len(audit.duplicates), 'group')} of identical pictures", (" = ".join(group[:FEW]) for group in audit.duplicates)
    )
    lines += _some(f"{plural(len(audit.leaks), 'picture')} on more than one side", (f"{path} = {copy}" for path, copy in audit.leaks))
    lines += _some(
        f"{plural(len(audit.conflicts), 'group')} of identical pictures of different classes",
        (" = ".join(g[:FEW]) for g in audit.conflicts),
    )
    return lines if len(lines) > 1 else ["", "no unreadable files, duplicates or leaks"]


def _some(title: str, items: Iterable[str]) -> list[str]:
    listed = list(items)
    if not listed:
        return []
    more = [f"  and {len(listed) - FEW:,} more; --format json lists all"] if len(listed) > FEW else []
    return [title, *(f"  {printable(item)}" for item in listed[:FEW]), *more]
