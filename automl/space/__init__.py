"""The space file: YAML to a `SearchSpace`, and a sampler's answers to one trial's config. Imports no Keras and no Optuna."""

from automl.space.loading import from_mapping, load
from automl.space.parameters import Condition, Parameter
from automl.space.searchspace import SearchSpace, difference, start_values
from automl.space.settings import BUILTINS, ExportConfig, SearchConfig
from automl.space.suggestion import suggest

__all__ = [
    "BUILTINS",
    "Condition",
    "ExportConfig",
    "Parameter",
    "SearchConfig",
    "SearchSpace",
    "difference",
    "from_mapping",
    "load",
    "start_values",
    "suggest",
]
