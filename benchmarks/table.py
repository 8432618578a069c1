"""Writes the table of README.md beside this file from results.jsonl, in which the last line of each benchmark counts.

    python benchmarks/table.py
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
IGNORED = ("benchmark", "machine")


def figures(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of a line, those of inner objects under their joined names."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from figures(value, f"{prefix}{name}: ")
        elif name not in IGNORED:
            yield prefix + name, value


def render(rows: dict[str, dict[str, Any]]) -> str:
    """One line of the table a benchmark."""
    lines = ["| benchmark | figures | measured on |", "|---|---|---|"]
    for name, row in sorted(rows.items()):
        inner = {key: value for key, value in row.items() if key not in IGNORED}
        shown = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures(inner))
        machine = row["machine"]
        size = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB"
        on = f"{size}, TensorFlow {machine['tensorflow']}, Keras {machine['keras']}"
        lines.append(f"| `{name}` | {shown} | {on} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read, render, write."""
    lines = (HERE / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["benchmark"]: row for row in map(json.loads, lines)}
    page = HERE / "README.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(before + BEGIN + render(rows) + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
