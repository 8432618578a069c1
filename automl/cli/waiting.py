"""Commands that wait: for a search to stop, for Ctrl-C to end the dashboard."""

import shlex
import time

from automl.api import Study
from automl.cli.console import print_line, say
from automl.searches.dashboard import free_port
from automl.searches.dashboard import serve_dashboard as serve
from automl.searches.folder import StudyFolder
from automl.searches.storage import storage_url

POLL_SECONDS = 0.3


def serve_dashboard(study: Study, port: int | None) -> None:
    """Serve the dashboard until Ctrl-C.

    Raises:
        StudyError: The port is taken, or the database cannot be opened.
    """
    folder, storage = StudyFolder(study.folder), study.space.search.storage
    chosen = free_port(port)
    print_line(f"http://127.0.0.1:{chosen}/")
    # A database's URL may hold a password; the file in the study's folder has none.
    url = "URL" if storage else shlex.quote(storage_url(folder, None))
    say(f"serving {study.name} until Ctrl-C; plain `optuna-dashboard {url}` works too")
    try:
        serve(folder, storage, chosen)
    except KeyboardInterrupt:
        say("stopped")


def stop_search(study: Study) -> None:
    """Ask, then wait until the driver lets go of the study.

    Raises:
        StudyError: No search runs on it.
    """
    study.stop()
    say(f"asked the search of {study.name} to stop; it ends after the epochs that are running, and this command waits for that")
    while study.is_running:
        time.sleep(POLL_SECONDS)
    print_line(f"{study.name} has stopped")
