"""Every error that automl raises on purpose; each message says where, what was expected, what was received and what to do.

    AutoMLError
    ├── SpaceError             the space file, a config or the command's options
    │   └── WeightsError       pretrained weights that cannot be had
    ├── DataError              the pictures
    ├── StudyError             a study folder, its database or its owner
    │   └── SearchFailedError  a search that stopped because its trials fail
    ├── TrialError             one trial; the others go on
    │   ├── BuildError         the model of this config cannot be built
    │   ├── DivergedError      the loss is NaN or infinite
    │   ├── MemoryExhaustedError   the device or the machine has too little memory for this config
    │   └── MetricMissingError the monitored metric is not among those that were computed
    └── ExportError            an artifact that could not be written or did not agree with the trained model

The command line catches AutoMLError in one place and exits with `exit_code`.
"""

from collections.abc import Sequence


class AutoMLError(Exception):
    """Base of all errors with a message meant for the user."""

    exit_code = 1


class SpaceError(AutoMLError):
    """One or more mistakes in a space file, all reported at once."""

    exit_code = 2

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class WeightsError(SpaceError):
    """Pretrained weights that are neither on this machine nor to be downloaded."""


class DataError(AutoMLError):
    """Pictures that cannot be used as they are."""

    exit_code = 2


class StudyError(AutoMLError):
    """A study that cannot be opened, continued or changed in this way."""

    exit_code = 2


class SearchFailedError(StudyError):
    """A search that ended because its trials fail alike."""

    exit_code = 1


class TrialError(AutoMLError):
    """A failure that belongs to one trial's config; it stands on the leaderboard and the search goes on."""


class BuildError(TrialError):
    """The model that this config describes cannot be built."""


class DivergedError(TrialError):
    """The training loss became NaN or infinite."""


class MemoryExhaustedError(TrialError):
    """The device or the machine has too little memory for this config."""


class MetricMissingError(TrialError):
    """The monitored metric is not among the metrics that were computed."""


class ExportError(AutoMLError):
    """An artifact that could not be written, or whose outputs differ from the trained model's."""
