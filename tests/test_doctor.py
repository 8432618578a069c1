import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from automl import doctor
from automl.searches.devices import Gpu


def finished(code=0, out="", err=""):
    return lambda command, **options: subprocess.CompletedProcess(command, code, out, err)


def times_out(command, **options):
    raise subprocess.TimeoutExpired(command, 1)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (finished(out='noise\n{"tensorflow": "2.21.0", "keras": "3.15.1", "gpus": 1}\n'), None),
        (finished(out="nonsense"), "it printed something unexpected"),
        (finished(1, err="Traceback\nImportError: no libstdc++\n"), "ImportError: no libstdc++"),
        (finished(-4, err="some noise"), "it ended with code -4"),
        (times_out, "no end after 180 s"),
    ],
)
def test_trying_tensorflow(command, problem):
    trial = doctor.try_tensorflow(command)
    assert trial.problem == problem
    assert trial.gpus == (1 if problem is None else 0)


@pytest.mark.parametrize(("seen", "status"), [(2, "ok"), (0, "warning")])
def test_gpus_that_tensorflow_does_not_see(monkeypatch, seen, status):
    monkeypatch.setattr(doctor, "find_gpus", lambda: (Gpu("0", "Tesla", 16 << 30), Gpu("1", "Tesla", 16 << 30)))
    checks = {check.name: check for check in doctor._tensorflow(doctor.TensorFlowTrial("2.21.0", "3.15.1", seen))}
    assert checks["gpus"].status == status
    assert checks["tensorflow"].status == "ok"


def test_versions_against_what_is_asked_for():
    listed = [
        Requirement("numpy>=999"),
        Requirement("no-such-package-at-all>=1"),
        Requirement("rich>=1"),
        Requirement('absent; extra == "hub"'),
    ]
    checks = {check.name: check for check in doctor._packages(listed)}
    assert set(checks) == {"numpy", "no-such-package-at-all"}
    assert checks["numpy"].advice == "expected >=999; run `pip install 'numpy>=999'`"
    assert checks["no-such-package-at-all"].found == "not installed"
    assert [check.status for check in doctor._packages([Requirement("rich>=1")])] == ["ok"]


@pytest.mark.parametrize(("wanted", "status"), [(">=3.11", "ok"), ("", "ok"), (">=4", "problem")])
def test_python(wanted, status):
    assert doctor._python(wanted).status == status


def test_extras():
    listed = [
        Requirement('rich>=1; extra == "shown"'),
        Requirement('no-such-package; extra == "hub"'),
        Requirement('pytest; extra == "dev"'),
    ]
    assert [(check.name, check.found) for check in doctor._extras(listed)] == [
        ("extra shown", "installed"),
        ("extra hub", "not installed: no-such-package"),
    ]


def test_requirements_are_found_in_a_checkout_too():
    python, listed = doctor._from_sources(Path(doctor.__file__).parents[1] / "pyproject.toml")
    assert python.startswith(">=3")
    assert {"keras", "optuna"} <= {requirement.name for requirement in listed}
    assert doctor._from_sources(Path("nowhere.toml")) == ("", [])


@pytest.mark.parametrize(("system", "status"), [("ext4", "ok"), ("nfs4", "warning")])
def test_a_network_file_system_is_said_with_what_follows(tmp_path, monkeypatch, system, status):
    monkeypatch.setattr("automl.searches.storage.file_system", lambda path: system)
    monkeypatch.setattr(doctor, "free_bytes", lambda path: 100 << 30)
    check = doctor._studies(tmp_path)
    assert check.status == status
    assert ("journal mode DELETE" in check.found) == (status == "warning")


def test_little_room_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "free_bytes", lambda path: 1)
    assert doctor._cache().status == "warning"


def test_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOML_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert doctor._cache().status == "problem"
    assert doctor._studies(tmp_path / "file" / "studies").status == "problem"


def test_weights_that_are_here(keras_home):
    (keras_home / "models").mkdir(parents=True)
    assert doctor._weights().found.startswith("none in ")
    (keras_home / "models" / "mobilenet_2_5_128_tf_no_top.h5").write_text("")
    assert doctor._weights().found.endswith("for MobileNet")


def test_examine_looks_at_everything(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "try_tensorflow", lambda: doctor.TensorFlowTrial(problem="it is broken"))
    checks = {check.name: check for check in doctor.examine(tmp_path)}
    assert {"python", "packages", "tensorflow", "gpus", "machine", "weights", "cache", "studies", "extra export"} <= set(checks)
    assert checks["tensorflow"].status == "problem"
    assert all(check.advice for check in checks.values() if check.status != "ok")
