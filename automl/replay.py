"""One trial of a study, trained again from its config alone; the way to check that results can be reproduced."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from automl import data as pictures
from automl.errors import SpaceError
from automl.records import Decision, Epoch, TrialConfig, TrialResult
from automl.searches.folder import StudyFolder


def replay(config: str | Path | TrialConfig, out: Path | None, report: Callable[[Epoch], None] | None) -> TrialResult:
    """Train one config; see `api.train`."""
    from automl import training

    with tempfile.TemporaryDirectory(prefix="automl-") as temporary:
        loaded, study = (config, None) if isinstance(config, TrialConfig) else _read(Path(config))
        if study is None:
            study = Path(temporary)
            settings = loaded.data
            pictures.prepare(
                settings.path, folder=study, image_sizes=(settings.image_size,), resizes=(settings.resize,),
                validation=settings.validation, test=settings.test, seed=loaded.seed,
            )  # fmt: skip
        _use_threads_of(study)
        dataset = pictures.open_dataset(study, image_size=loaded.data.image_size, resize=loaded.data.resize)

        def listen(epoch: Epoch) -> Decision:
            if report is not None:
                report(epoch)
            return "continue"

        target = Path(temporary) / "trial" if out is None else out
        target.mkdir(parents=True, exist_ok=True)
        loaded.save(target / "config.json")
        result: TrialResult = training.train(loaded, dataset, target, report=listen)
        return result


def _use_threads_of(study: Path) -> None:
    """Compute with as many threads as the search did, as far as this process still can choose."""
    from automl.training.threads import use_threads

    try:
        use_threads(int(StudyFolder(study).read_manifest().get("threads_per_worker", 0)))
    except RuntimeError:
        # TensorFlow has computed already, in a notebook for example: its threads stay, and sums may differ in the last digit.
        return


def _read(path: Path) -> tuple[TrialConfig, Path | None]:
    """A config and the folder of the study that it lies in, if it lies in one."""
    try:
        config = TrialConfig.load(path)
    except OSError as error:
        raise SpaceError(f"{path}: expected a trial's config.json, but it cannot be read: {error.strerror}") from None
    except ValidationError as error:
        lines = "".join(f"\n  {'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise SpaceError(f"{path}: expected a trial's config.json, but it has {error.error_count()} problems:{lines}") from None
    study = path.absolute().parent.parent.parent
    return config, study if (study / "split.json").is_file() else None
