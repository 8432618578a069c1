"""What a search would do, without doing it: parameters, budget, devices, disk, what is missing, and what looks like a mistake.

Nothing here imports Keras, TensorFlow or Optuna, so that a plan costs less than a second.
"""

from automl.planning.mistakes import last_decided_step
from automl.planning.plan import make_plan
from automl.planning.records import Plan
from automl.planning.words import describe_domain

__all__ = ["Plan", "describe_domain", "last_decided_step", "make_plan"]
