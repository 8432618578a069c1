"""AUTOML_REQUIRE turns a skip into a failure."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
CONFTEST = (Path(__file__).parents[1] / "conftest.py").read_text()

TESTS = """
import pytest

@pytest.mark.real_data
def test_pictures(): pass

@pytest.mark.browser
def test_page(browser_program): pass

def test_package():
    pytest.importorskip("no_such_package_anywhere")

def test_plain(): pass
"""


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, required: str, tests: str = TESTS) -> pytest.RunResult:
    for name in ("AUTOML_TEST_DATA", "AUTOML_CHROMIUM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("AUTOML_REQUIRE", required)
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\naddopts = --strict-markers\nmarkers =\n    real_data: x\n    browser: x\n    gpu: x\n")
    pytester.makepyfile(tests)
    return pytester.runpytest("-ra", "-p", "no:cacheprovider")


@pytest.mark.parametrize(
    ("required", "outcomes"),
    [
        ("", {"passed": 1, "skipped": 3}),
        ("gpu", {"passed": 1, "skipped": 3}),
        ("real_data", {"passed": 1, "skipped": 2, "errors": 1}),
        ("real_data,browser", {"passed": 1, "skipped": 1, "errors": 2}),
        ("imports", {"passed": 1, "skipped": 2, "failed": 1}),
    ],
)
def test_skip_fails_where_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, required: str, outcomes: dict[str, int]
) -> None:
    run(pytester, monkeypatch, required).assert_outcomes(**outcomes)


def test_summary_names_what_was_required(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(pytester, monkeypatch, "real_data,browser")
    result.stdout.fnmatch_lines(["Required by AUTOML_REQUIRE: browser, real_data (2 skipped all the same: failed)"])


def test_module_that_skips_itself_fails_where_required(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "import pytest\npytest.importorskip('no_such_package_anywhere')\n"
    run(pytester, monkeypatch, "imports", module).assert_outcomes(errors=1)


def test_unknown_marker_is_refused(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(pytester, monkeypatch, "real_dta")
    result.stderr.fnmatch_lines(["*expected markers of pyproject.toml or 'imports', but got real_dta"])
