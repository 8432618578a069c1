"""Commands that run a trained model or train one alone: export, predict, train. These alone load TensorFlow in this process."""

from pathlib import Path
from typing import Annotated

import typer

from automl.cli.options import STUDIES, Format, FormatOption, StudiesDir, StudyArgument


def export(
    study: StudyArgument,
    trial: Annotated[int | None, typer.Option("--trial", metavar="N", help="Number of the trial; by default the best.")] = None,
    formats: Annotated[
        str | None, typer.Option("--formats", help="keras,saved_model,onnx,litert; by default those of the space file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="By default best/ of the study, or export/ of the trial.")
    ] = None,
    studies_dir: StudiesDir = STUDIES,
) -> None:
    """Write a trained model in some formats.

    Each is loaded back and compared before it counts.

    Example: automl export transfer --formats keras,onnx --out out/
    """
    from automl import api
    from automl.cli import models

    models.export(api.open_study(study, studies_dir), trial, formats, out)


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An exported file or folder, or a study, whose winner is taken.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Pictures.")],
    form: FormatOption = Format.TABLE,
    studies_dir: StudiesDir = STUDIES,
) -> None:
    """Classify pictures.

    One line each: file, class, probability.

    Example: automl predict studies/transfer/best holiday/*.jpg
    """
    from automl.cli import models

    models.predict(model, images, form, studies_dir)


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.json", help="A trial's config.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for its files; by default none are kept.")] = None,
) -> None:
    """Train one trial again, alone.

    Says whether it reaches its recorded value.

    Example: automl train studies/transfer/trials/0007/config.json
    """
    from automl.cli import models

    models.train(config, out)
