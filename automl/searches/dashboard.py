"""optuna-dashboard on one study, bound to loopback."""

import socket

import optuna_dashboard

from automl.errors import StudyError
from automl.searches.folder import StudyFolder
from automl.searches.storage import open_storage


def free_port(wanted: int | None) -> int:
    """`wanted` if it is free, or a free port near 8080.

    Raises:
        StudyError: The wanted port is taken.
    """
    candidates = [wanted] if wanted is not None else [*range(8080, 8100), 0]
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StudyError(f"--port {wanted}: expected a free port, but something listens there; choose another or leave --port out")


def serve_dashboard(folder: StudyFolder, storage: str | None, port: int) -> None:
    """Serve the dashboard of a study until it is interrupted."""
    optuna_dashboard.run_server(open_storage(folder, storage), host="127.0.0.1", port=port)
