"""`automl cache`."""

from typing import Annotated, Any

import typer

from automl.cli.options import Format, FormatOption

cache = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What is kept beside the studies and can be made again.")


@cache.command(name="list")
def list_entries(form: FormatOption = Format.TABLE) -> None:
    """List what the cache holds.

    Decoded pictures and features of frozen backbones, the longest unused first; tables show alike ones in one line.
    AUTOML_CACHE_DIR names the cache's folder, AUTOML_FEATURES_GB how much all features together may take.

    Example: automl cache list
    """
    from datetime import UTC, datetime

    from automl import api
    from automl.cli.console import Column, plural, print_line, show, size
    from automl.data import cache_dir
    from automl.data.features import features_limit

    limit = features_limit()
    rows: list[dict[str, Any]] = [
        {
            "kind": entry.kind,
            "what": entry.what,
            "bytes": entry.kept.bytes,
            "last_used": datetime.fromtimestamp(entry.kept.last_used, UTC).isoformat(timespec="seconds"),
            "folder": str(entry.kept.folder),
        }
        for entry in api.list_cache()
    ]
    columns = [
        Column("kind", lambda row: row["kind"]),
        Column("what", lambda row: row["what"], wraps=True),
        Column("folders", lambda row: str(row["folders"]), True),
        Column("size", lambda row: size(row["bytes"]), True),
        Column("last used", lambda row: f"{datetime.fromisoformat(row['last_used']).astimezone():%Y-%m-%d %H:%M}"),
    ]
    show(_alike(rows), columns, form, records=rows)
    if form is Format.TABLE:
        total = sum(row["bytes"] for row in rows)
        taken = sum(row["bytes"] for row in rows if row["kind"] == "features")
        where = f"{plural(len(rows), 'folder')}, {size(total)}, in {cache_dir()}"
        print_line(f"{where}; features take {size(taken)} of at most {size(limit)}")


def _alike(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for all folders that are described alike, such as those of the epochs of an augmented search."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        group = groups.setdefault((row["kind"], row["what"]), {**row, "bytes": 0, "folders": 0})
        group["bytes"] += row["bytes"]
        group["folders"] += 1
        group["last_used"] = max(group["last_used"], row["last_used"])
    return list(groups.values())


@cache.command(name="clear")
def clear(
    features: Annotated[bool, typer.Option("--features", help="Only features of frozen backbones.")] = False,
    pictures: Annotated[bool, typer.Option("--pictures", help="Only decoded pictures.")] = False,
) -> None:
    """Delete what the cache holds.

    All of it is made again when it is needed, by a running search too. What is being computed stays.

    Example: automl cache clear --features
    """
    from automl import api
    from automl.cli.console import plural, print_line, size

    chosen: list[Any] = [kind for kind, wanted in (("pictures", pictures), ("features", features)) if wanted]
    cleared = api.clear_cache(chosen or ("pictures", "features"))
    skipped = f"; {cleared.skipped} in use or not to be deleted" if cleared.skipped else ""
    print_line(f"{size(cleared.freed_bytes)} freed, {plural(cleared.removed, 'folder')}{skipped}")
