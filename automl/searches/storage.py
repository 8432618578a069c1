"""Optuna's storage, opened so that a dashboard beside it never meets a locked database."""

import logging
import sqlite3
import time
import uuid
import warnings
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, TypeVar

import optuna
import psutil
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from automl.errors import StudyError
from automl.records import Direction
from automl.searches.folder import StudyFolder

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smbfs", "smb2", "smb3", "lustre", "beegfs", "gpfs", "ceph", "glusterfs", "fuse.sshfs", "afs", "9p"}
)
RETRY_SECONDS = 600.0
LOOK_SECONDS = 1.0
Result = TypeVar("Result")

optuna.logging.set_verbosity(logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def file_system(path: Path) -> str:
    """The type of the file system on which a path lies, for example "ext4" or "nfs"."""
    path = path.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"


def is_on_network(path: Path) -> bool:
    """Whether a path lies on a network file system, where SQLite's write-ahead log must not be used."""
    return file_system(path) in NETWORK_FILE_SYSTEMS


class _WriteAheadConnection(sqlite3.Connection):
    """A connection that readers do not block, and that does not wait for the disk at every commit.

    A power cut may drop the last commits; opening the study tells those trials again from their folders.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def storage_url(folder: StudyFolder, storage: str | None) -> str:
    """The SQLAlchemy URL of a study's database: the one that the space file names, or study.db in its folder."""
    return storage or f"sqlite:///{folder.database}"


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    return sqlalchemy.make_url(url).render_as_string(hide_password=True)


def open_storage(folder: StudyFolder, storage: str | None) -> optuna.storages.RDBStorage:
    """Open (and create) the database of a study.

    Raises:
        StudyError: It cannot be reached or read.
    """
    url = storage_url(folder, storage)
    shown = without_password(url)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        options = {"connect_args": {"timeout": 60}}
        database = sqlalchemy.make_url(url).database
        if database and not is_on_network(Path(database).parent):
            options["connect_args"]["factory"] = _WriteAheadConnection
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        driver = error.__cause__ or error
        raise StudyError(f"search.storage: {shown} needs a database driver that is not installed ({driver}); install it with pip") from None
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, RuntimeError) as error:
        told = _first_line(error)
        raise StudyError(f"{shown}: expected a database that can be opened, but got: {told}. {_way_out(folder, storage, told)}") from None


class OneWriterStudy(optuna.Study):
    """A study whose trials begin and end here and nowhere else, so less has to be read from the database.

    The median and percentile pruners ask for the complete trials at every report; they are listed again only after one has ended.
    Every ask looks for a trial that somebody has enqueued; others than this process may do so, and are heard within
    `LOOK_SECONDS`.
    """

    _complete: tuple[FrozenTrial, ...] | None = None
    _next_look = float("-inf")

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        if deepcopy or states != (TrialState.COMPLETE,):
            return super().get_trials(deepcopy, states)
        if self._complete is None:
            self._complete = tuple(super().get_trials(deepcopy, states))
        return list(self._complete)

    def tell(self, *arguments: Any, **options: Any) -> FrozenTrial:
        try:
            return super().tell(*arguments, **options)
        finally:
            self._complete = None

    def enqueue_trial(self, *arguments: Any, **options: Any) -> None:
        self._next_look = float("-inf")
        super().enqueue_trial(*arguments, **options)

    def _pop_waiting_trial_id(self) -> int | None:
        if time.monotonic() < self._next_look:
            return None
        found = super()._pop_waiting_trial_id()
        if found is None:
            self._next_look = time.monotonic() + LOOK_SECONDS
        return found


def open_optuna_study(folder: StudyFolder, storage: str | None, direction: Direction, metric: str) -> optuna.Study:
    """The Optuna study of a folder, created when it is new; the dashboard shows the metric's name."""
    opened = open_storage(folder, storage)
    created = optuna.create_study(storage=opened, study_name=folder.name, direction=direction, load_if_exists=True)
    study = OneWriterStudy(folder.name, created._storage)
    if storage is not None:
        _check_identity(study, folder, storage)
    if study.metric_names != [metric]:
        study.set_metric_names([metric])
    return study


def _check_identity(study: optuna.Study, folder: StudyFolder, storage: str) -> None:
    """Refuse to mix with somebody else's study of the same name in a database that several people use."""
    ours = folder.read_manifest().get("id")
    theirs = study.user_attrs.get("folder_id")
    if theirs is None and not study.get_trials(deepcopy=False):
        ours = ours or uuid.uuid4().hex
        folder.update_manifest(id=ours)
        study.set_user_attr("folder_id", ours)
    elif theirs != ours:
        raise StudyError(
            f"search.storage: {storage} already holds a study named {folder.name} that was not searched from {folder.path}; "
            f"give this one another name with --study"
        )


def retried(call: Callable[[], Result], *, notice: Callable[[str], None], seconds: float = RETRY_SECONDS) -> Result:
    """Call a database operation again while the database is busy or away, at growing intervals.

    Raises:
        StudyError: It was still not to be had after `seconds`.
    """
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return call()
        except optuna.exceptions.StorageInternalError as error:
            cause = _first_line(error.__cause__ or error)
            if time.monotonic() + pause > deadline:
                raise StudyError(
                    f"the study's database could not be written for {seconds:.0f} s: {cause}. "
                    f"Nothing that finished is lost; run the same command again"
                ) from error
            if pause >= 1.0:
                notice(f"the study's database is busy or away ({cause}); trying again")
            time.sleep(pause)
            pause = min(2 * pause, 10.0)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _way_out(folder: StudyFolder, storage: str | None, told: str) -> str:
    if "readonly" in told:
        return "Make it and its folder writable; a dashboard, too, sets up tables of its own"
    if storage:
        return "Check search.storage and that its server runs"
    return f"Move {folder.database.name} away and run the same command: finished trials are told again from their folders"
