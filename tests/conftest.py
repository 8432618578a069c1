"""What all tests share: markers that need something of the machine, and the demand that they ran.

`AUTOML_TEST_DATA` names a folder with data/, keras/ and photos/: without it tests marked real_data are skipped. `AUTOML_CHROMIUM`
may name the browser. `AUTOML_REQUIRE` is a list like `real_data,browser,imports`: a test with such a marker that is skipped fails
instead; `imports` stands for every skip because a package is missing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
IMPORTS = "imports"
# A module that skips itself while it is collected has no markers yet: its reason tells what it wanted.
TOLD_BY_REASON = {"could not import": IMPORTS, "AUTOML_TEST_DATA": "real_data", "AUTOML_CHROMIUM": "browser"}

required_key = pytest.StashKey[frozenset[str]]()
demanded_key = pytest.StashKey[list[str]]()


def find_test_data() -> Path | None:
    """The folder of AUTOML_TEST_DATA, absolute, or None where it is not set."""
    value = os.environ.get("AUTOML_TEST_DATA", "")
    if not value:
        return None
    folder = Path(value).expanduser().resolve()
    missing = [name for name in ("data", "keras", "photos") if not (folder / name).is_dir()]
    if missing:
        raise pytest.UsageError(
            f"AUTOML_TEST_DATA: expected a folder with data/, keras/ and photos/, but {folder} has no {', '.join(missing)}"
        )
    return folder


def find_browser() -> str | None:
    """The browser's program: AUTOML_CHROMIUM, else the first of BROWSERS on PATH."""
    named = os.environ.get("AUTOML_CHROMIUM", "")
    if named and not shutil.which(named):
        raise pytest.UsageError(f"AUTOML_CHROMIUM: expected a program, but got {named!r}")
    return next(filter(None, map(shutil.which, [named] if named else BROWSERS)), None)


def count_gpus() -> int:
    """GPUs that nvidia-smi lists; 0 where it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if not program:
        return 0
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=60, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


@pytest.fixture(scope="session")
def real_data_folder() -> Path:
    """The folder with data/, keras/ and photos/ that AUTOML_TEST_DATA names."""
    folder = find_test_data()
    if folder is None:
        pytest.skip("AUTOML_TEST_DATA is not set")
    return folder


@pytest.fixture(scope="session")
def browser_program() -> str:
    """The path of Chromium or Chrome."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium on PATH and AUTOML_CHROMIUM is not set")
    return program


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """Keeps the tests, and the processes that they start, out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_CACHE_DIR", str(folder))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"))
        yield folder


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty KERAS_HOME. Keras reads the variable when it is imported, which an earlier test in this process may have done."""
    folder = tmp_path / "keras"
    monkeypatch.setenv("KERAS_HOME", str(folder))
    if "keras.src.backend.config" in sys.modules:
        monkeypatch.setattr(sys.modules["keras.src.backend.config"], "_KERAS_DIR", str(folder))
    return folder


def pytest_configure(config: pytest.Config) -> None:
    names = frozenset(filter(None, (name.strip() for name in os.environ.get("AUTOML_REQUIRE", "").split(","))))
    known = {line.partition(":")[0].strip() for line in config.getini("markers")} | {IMPORTS}
    if names - known:
        unknown = ", ".join(sorted(names - known))
        raise pytest.UsageError(f"AUTOML_REQUIRE: expected markers of pyproject.toml or {IMPORTS!r}, but got {unknown}")
    config.stash[required_key] = names
    config.stash[demanded_key] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacks = {
        "real_data": (lambda: find_test_data() is None, "AUTOML_TEST_DATA is not set"),
        "browser": (lambda: find_browser() is None, "no Chromium on PATH and AUTOML_CHROMIUM is not set"),
        "gpu": (lambda: count_gpus() == 0, "nvidia-smi lists no GPU"),
    }
    for marker, (is_lacking, reason) in lacks.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and is_lacking():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def demand(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport, markers: set[str]) -> None:
    """Turn a skip that AUTOML_REQUIRE forbids into a failure."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    told = {marker for words, marker in TOLD_BY_REASON.items() if words in reason}
    broken = (markers | told) & config.stash[required_key]
    if broken:
        report.outcome = "failed"
        report.longrepr = f"AUTOML_REQUIRE names {', '.join(sorted(broken))}, but this was skipped: {reason}"
        config.stash[demanded_key].append(report.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    demand(item.config, report, {mark.name for mark in item.iter_markers()})
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    demand(collector.config, report, {mark.name for mark in collector.iter_markers()})
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    required = config.stash[required_key]
    if required:
        demanded = config.stash[demanded_key]
        outcome = f"{len(demanded)} skipped all the same: failed" if demanded else "none skipped"
        terminalreporter.write_line(f"Required by AUTOML_REQUIRE: {', '.join(sorted(required))} ({outcome})")
