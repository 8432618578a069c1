import subprocess
import sys


def test_what_needs_no_keras_does_not_import_it():
    script = """
import sys
import automl.models, automl.models.facts, automl.models.weights
import automl.training, automl.training.metrics, automl.training.phases, automl.training.storage
assert automl.training.fetch_weights and automl.training.never_stop
assert not {"keras", "tensorflow", "sklearn"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
