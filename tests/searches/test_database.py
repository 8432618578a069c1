import sqlite3
import threading
import time

import optuna
import pytest

from automl.errors import StudyError
from automl.searches import storage
from automl.searches.dashboard import free_port
from automl.searches.folder import StudyFolder
from automl.searches.storage import open_optuna_study, retried


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "study"
    path.mkdir()
    return StudyFolder(path)


def pragma(folder, name):
    with sqlite3.connect(folder.database) as database:
        return database.execute(f"PRAGMA {name}").fetchone()[0]


def test_write_ahead_log_on_a_local_disk(folder):
    study = open_optuna_study(folder, None, "maximize", "val_accuracy")
    assert pragma(folder, "journal_mode") == "wal"
    with study._storage._backend.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
    assert study.metric_names == ["val_accuracy"]


def test_plain_journal_on_a_network_file_system(folder, monkeypatch):
    monkeypatch.setattr(storage, "is_on_network", lambda path: True)
    open_optuna_study(folder, None, "maximize", "val_accuracy")
    assert pragma(folder, "journal_mode") == "delete"


def test_a_study_is_opened_again(folder):
    open_optuna_study(folder, None, "maximize", "val_accuracy").ask()
    assert len(open_optuna_study(folder, None, "maximize", "val_accuracy").trials) == 1


def test_a_locked_database_is_waited_for(folder):
    """Somebody else's open write must not lose a report; Optuna alone would give up after its timeout."""
    study = open_optuna_study(folder, None, "maximize", "val_accuracy")
    trial = study.ask()
    locked, release = threading.Event(), threading.Event()

    def hold():
        blocker = sqlite3.connect(folder.database, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        locked.set()
        release.wait(30)
        blocker.execute("COMMIT")
        blocker.close()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(30)
    threading.Timer(0.5, release.set).start()
    start = time.monotonic()
    trial.report(0.5, 1)
    assert time.monotonic() - start > 0.3
    thread.join()
    assert study.trials[0].intermediate_values == {1: 0.5}


def failing(times):
    calls = []

    def call():
        calls.append(1)
        if len(calls) <= times:
            raise optuna.exceptions.StorageInternalError("invalid data") from OSError("database is locked")
        return "done"

    return call


def test_a_failing_database_is_tried_again():
    assert retried(failing(2), notice=lambda text: None) == "done"


def test_giving_up_says_that_nothing_is_lost():
    with pytest.raises(StudyError, match=r"could not be written for 0 s: database is locked\. Nothing that finished is lost"):
        retried(failing(99), notice=lambda text: None, seconds=0.3)


@pytest.mark.parametrize("content", [b"this is no database", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_database_is_one_clear_error(folder, content):
    folder.database.write_bytes(content)
    with pytest.raises(StudyError, match=r"study\.db.*Move study\.db away and run the same command"):
        open_optuna_study(folder, None, "maximize", "val_accuracy")


def test_an_unknown_server_is_one_clear_error(folder):
    with pytest.raises(StudyError, match=r"search\.storage: mysql\+pymysql://.*not installed"):
        open_optuna_study(folder, "mysql+pymysql://nobody@127.0.0.1:1/x", "maximize", "val_accuracy")


def test_another_sqlalchemy_url_is_used(folder, tmp_path):
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    open_optuna_study(folder, url, "maximize", "val_accuracy").ask()
    assert not folder.database.exists()
    assert len(optuna.load_study(study_name="study", storage=url).trials) == 1


def test_somebody_elses_study_of_the_same_name_is_refused(folder, tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    open_optuna_study(folder, url, "maximize", "val_accuracy").ask()
    assert len(open_optuna_study(folder, url, "maximize", "val_accuracy").trials) == 1
    other = tmp_path / "elsewhere" / "study"
    other.mkdir(parents=True)
    with pytest.raises(StudyError, match=r"already holds a study named study.*another name with --study"):
        open_optuna_study(StudyFolder(other), url, "maximize", "val_accuracy")


def test_ports():
    assert free_port(None) > 0
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StudyError, match="expected a free port"):
            free_port(taken.getsockname()[1])


@pytest.mark.parametrize("driver", ["mysql+pymysql", "mysql+nonsense"])
def test_a_password_is_not_shown(folder, driver):
    with pytest.raises(StudyError, match=r"me:\*\*\*@127\.0\.0\.1") as raised:
        open_optuna_study(folder, f"{driver}://me:secret@127.0.0.1:1/x", "maximize", "val_accuracy")
    assert "secret" not in str(raised.value)


def test_a_database_that_may_not_be_written(folder, monkeypatch):
    def refuse(*arguments, **options):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(optuna.storages, "RDBStorage", refuse)
    with pytest.raises(StudyError, match=r"readonly database\. Make it and its folder writable"):
        open_optuna_study(folder, None, "maximize", "val_accuracy")
