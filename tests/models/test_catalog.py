import pytest


@pytest.mark.slow
def test_the_stored_facts_are_those_of_the_installed_keras():
    from automl.models.catalog import render
    from automl.models.facts import FACTS

    assert FACTS.read_text(encoding="utf-8") == render(), "run python -m automl.models.catalog"
