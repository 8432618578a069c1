"""What the kill tests of drivers and of workers are compared with."""

import pytest
from study_checks import TOTAL, check_study, database_trials, drive


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> list[dict]:
    """The params of all trials of a search that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "kills"
    assert drive(folder, trials=TOTAL)[0] == 0
    check_study(folder, TOTAL)
    return [trial.params for trial in database_trials(folder)]
