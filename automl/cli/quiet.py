"""Keeps what TensorFlow says of itself when it starts off the screen; no setting of its own does that."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from automl.errors import AutoMLError


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Put aside what libraries write to the descriptor of stderr, while Python's own stderr goes on.

    If something unexpected is raised, what was put aside is shown, since it may say why.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    before = sys.stderr
    before.flush()
    with tempfile.TemporaryFile() as aside, os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as ours:
        if before is sys.__stderr__:
            sys.stderr = ours
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except (AutoMLError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            ours.flush()
            aside.seek(0)
            shutil.copyfileobj(aside, ours.buffer)
            raise
        finally:
            sys.stderr = before
            ours.flush()
            os.dup2(ours.fileno(), 2)
