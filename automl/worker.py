"""The training process: `python -m automl.worker FD`. Joins the message loop with training and export; never imports Optuna."""

import functools
import os
import sys
from pathlib import Path
from typing import Any

from automl.records import Finished, FinishJob, PrepareJob, TrainJob
from automl.searches.worker import Channel, Handler, TrialInterrupted, connect, serve


@functools.cache
def kept() -> Any:
    """What this process keeps from trial to trial."""
    from automl.training import Kept

    return Kept()


def train_trial(job: TrainJob, channel: Channel) -> Finished:
    """Train one trial on the pictures of the study in which its folder lies."""
    from automl import training
    from automl.data import open_dataset

    folder = Path(job.folder)
    data = job.config.data
    dataset = open_dataset(folder.parent.parent, image_size=data.image_size, resize=data.resize)
    try:
        result = training.train(
            job.config, dataset, folder, report=channel.report, progress=channel.progress, attempt=job.attempt, kept=kept()
        )
    except training.TrialInterrupted:
        raise TrialInterrupted from None
    return Finished(result=result)


def fetch_weights(job: PrepareJob, channel: Channel) -> Finished:
    """Make sure that the pretrained weights are on this machine."""
    from automl import training

    training.fetch_weights(job)
    return Finished()


def finish_study(job: FinishJob, channel: Channel) -> Finished:
    """Check and export the winner, and read the test pictures."""
    from automl.export.winner import export_trial
    from automl.searches.folder import StudyFolder

    content = export_trial(StudyFolder(Path(job.study)), job.number, job.formats, Path(job.out), read_test=True, kept=kept())
    return Finished(details=content)


HANDLERS: dict[str, Handler] = {"train": train_trial, "prepare": fetch_weights, "finish": finish_study}


def import_keras() -> None:
    """Import all that a trial needs, so that the first one trains at once.

    Keras tries to import scikit-learn for wrappers that nothing here uses, which would take half a second.
    """
    hidden = "sklearn" not in sys.modules
    if hidden:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
    import keras  # noqa: F401

    if hidden:
        del sys.modules["sklearn"]
    kept()


def main() -> None:
    """Connect first, so that a driver that ends during the import ends this process too; then import, then serve."""
    channel = connect()
    import_keras()
    from automl.training.threads import use_threads

    use_threads(int(os.environ.get("AUTOML_THREADS", "0")))
    serve(channel, HANDLERS)


if __name__ == "__main__":
    main()
