"""`automl doctor`."""

import typer

from automl.cli.options import STUDIES, Format, FormatOption, StudiesDir

_MARKS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}


def doctor(studies_dir: StudiesDir = STUDIES, form: FormatOption = Format.TABLE) -> None:
    """Check whether this machine is ready.

    Looks at versions, TensorFlow, GPUs, weights, disks and optional packages.

    Example: automl doctor
    """
    from dataclasses import asdict

    from automl.cli.console import Column, show
    from automl.doctor import examine

    checks = [asdict(check) for check in examine(studies_dir)]
    columns = [
        Column("check", lambda row: row["name"]),
        Column("", lambda row: _MARKS[row["status"]]),
        Column("found", lambda row: row["found"] + (f"; {row['advice']}" if row["advice"] else ""), wraps=True),
    ]
    show(checks, columns, form)
    if any(check["status"] == "problem" for check in checks):
        raise typer.Exit(1)
