"""What export, predict and train do beyond parsing."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from pydantic import ValidationError

from automl import api
from automl.cli.console import Column, print_line, say, show
from automl.cli.options import Format
from automl.cli.quiet import quiet_libraries
from automl.errors import SpaceError
from automl.export.artifacts import EXPORTERS, choose
from automl.records import Epoch, TrialResult


def export(study: api.Study, number: int | None, formats: str | None, out: Path | None) -> None:
    """Export a trial of a study, the best one by default.

    Raises:
        SpaceError: A format is unknown.
        ExportError: A format lacks its packages, or an artifact does not agree with the trained model.
        StudyError: There is no such trial.
    """
    names = study.space.export.formats if formats is None else [name.strip() for name in formats.split(",") if name.strip()]
    _check_names(names)
    exporters = choose(names)
    trial = study.best if number is None else study.trial(number)
    is_winner = any(row["trial"] == trial.number and row["rank"] == 1 for row in study.rows())
    target = out or (study.folder / "best" if is_winner else trial.folder / "export")
    say(f"exporting trial {trial.number} of {study.name} as {', '.join(names)}")
    if trial.value is not None and not trial.has_weights:
        say("its weights were not kept (search.keep), so it is trained again first")
    with quiet_libraries():
        written = trial.export(target, names)
    for exporter in exporters:
        print_line(str(written / exporter.filename))


def predict(model: str, images: Sequence[str], form: Format, studies_dir: Path) -> None:
    """Classify pictures.

    Raises:
        ExportError: There is no such model.
        DataError: A picture cannot be read.
    """
    _check_model(Path(model))
    with quiet_libraries():
        found = [asdict(prediction) for prediction in api.predict(model, images, studies_dir)]
    columns = [
        Column("image", lambda row: row["image"]),
        Column("class", lambda row: row["label"]),
        Column("probability", lambda row: f"{row['probability']:.4f}", True),
    ]
    if form is not Format.TABLE:
        show(found, columns, form)
        return
    widest = max(len(row["image"]) for row in found)
    for row in found:
        print_line(f"{row['image']:<{widest}}  {row['label']}  {row['probability']:.4f}")


def train(config: Path, out: Path | None) -> None:
    """Train one config and compare it with the result that lies beside it.

    Raises:
        SpaceError: The file is not a trial's config.
        TrialError: The trial fails.
    """
    if out is not None and (out / "result.json").exists():
        raise SpaceError(f"--out {out}: expected a folder without a trial's files, but it holds a result.json; choose another")
    with quiet_libraries():
        result = api.train(config, out, _report)
    if result.outcome != "complete":
        say(f"error: the trial {result.outcome}: {result.reason}")
        raise typer.Exit(1)
    print_line(f"value {result.value} at epoch {result.best_epoch} of {result.epochs}")
    for line in compare(result, config.parent / "result.json"):
        print_line(line)


def _check_names(formats: Sequence[str]) -> None:
    unknown = [name for name in formats if name not in EXPORTERS]
    if unknown or not formats:
        raise SpaceError(f"--formats: expected some of {', '.join(EXPORTERS)}, but got {', '.join(unknown) or 'none'}")


def _check_model(path: Path) -> None:
    """Say at once that a path names no model; what is neither file nor folder may be a study's name."""
    names = [exporter.filename for exporter in EXPORTERS.values()]
    is_empty = path.is_dir() and not any((path / name).exists() for name in (*names, "space.yaml", "saved_model.pb"))
    if is_empty or (not path.exists() and path.suffix in {Path(name).suffix for name in names if "." in name}):
        raise SpaceError(f"{path}: expected an exported model ({', '.join(names)}), a folder with one, or a study, but found none")


def _report(epoch: Epoch) -> None:
    shown = ", ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items() if value is not None)
    say(f"epoch {epoch.step} ({epoch.phase.replace('_', '-')}, {epoch.seconds:.1f} s): {shown}")


def compare(result: TrialResult, path: Path) -> Iterable[str]:
    """What the recorded result says about a repetition of the same config."""
    try:
        recorded = TrialResult.load(path)
    except OSError:
        return [f"there is no {path.name} beside the config to compare with"]
    except ValidationError:
        return [f"{path} is not a trial's result, so nothing can be compared"]
    if recorded.outcome != "complete":
        return [f"the recorded trial was {recorded.outcome} after epoch {recorded.epochs}, so its value is not comparable"]
    if recorded.value == result.value:
        return ["equal to the recorded value"]
    return [
        f"recorded was {recorded.value}: differs by {abs((result.value or 0) - (recorded.value or 0)):.3g}; "
        f"versions, threads or device are not the same"
    ]
