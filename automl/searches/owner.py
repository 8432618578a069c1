"""Who runs a study: one driver at a time, its workers by name, and the time that its search has taken so far."""

import json
import os
import socket
import time
from types import TracebackType
from typing import Any, Self

import psutil
from filelock import FileLock, Timeout

from automl.errors import StudyError
from automl.records import write_atomically
from automl.searches.folder import StudyFolder

HEARTBEAT_SECONDS = 5.0


def process_identity(pid: int) -> dict[str, Any]:
    """A process by number and start time, since numbers are used again."""
    return {"pid": pid, "started": psutil.Process(pid).create_time()}


def find_process(identity: dict[str, Any]) -> psutil.Process | None:
    """The process of this identity, or None when it has ended."""
    try:
        process = psutil.Process(int(identity["pid"]))
        same = abs(process.create_time() - float(identity["started"])) < 1.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


class Owner:
    """Holds a study while a driver runs it.

    The lock is the operating system's, so it is free again as soon as its holder has ended in any way. `owner.json` beside it says
    who that is, which workers it started, and how long the search has taken; the next driver reads the last two.

    Raises:
        StudyError: Another driver runs this study.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder
        self._lock = FileLock(folder.path / ".owner.lock")
        self._workers: list[dict[str, Any]] = []
        self._start = time.monotonic()
        self._end: float | None = None
        self._written = float("-inf")
        self.seconds_before = 0.0

    def __enter__(self) -> Self:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StudyError(self._refusal()) from None
        previous = self._read()
        self.seconds_before = float(previous.get("seconds", 0.0))
        self._await_end(previous.get("workers", []))
        self._start = time.monotonic()
        self.folder.stop_request.unlink(missing_ok=True)
        self.write()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._workers = []
        self.write()
        self.folder.stop_request.unlink(missing_ok=True)
        self._lock.release()

    @property
    def seconds(self) -> float:
        """Search time of all runs so far, this one included up to its last trial."""
        now = time.monotonic() if self._end is None else self._end
        return self.seconds_before + now - self._start

    def stop_clock(self) -> None:
        """The trials are over: what comes now, the winner's check and export, does not use up `search.time`."""
        self._end = time.monotonic()

    def name_workers(self, pids: list[int]) -> None:
        """Write down the workers that would have to end before another driver may train, if they are not those that stand there."""
        workers = [process_identity(pid) for pid in pids if psutil.pid_exists(pid)]
        if workers != self._workers:
            self._workers = workers
            self.write()

    def beat(self) -> None:
        """Write the time down every few seconds, so that a killed driver loses no more than that."""
        if time.monotonic() - self._written > HEARTBEAT_SECONDS:
            self.write()

    def write(self) -> None:
        """Write owner.json now."""
        who = {"host": socket.gethostname(), **process_identity(os.getpid())}
        content = {**who, "seconds": round(self.seconds, 3), "workers": self._workers}
        write_atomically(self.folder.owner, json.dumps(content, indent=2) + "\n")
        self._written = time.monotonic()

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.folder.owner.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return content if isinstance(content, dict) else {}

    def _refusal(self) -> str:
        owner = self._read()
        who = f"process {owner.get('pid')} on {owner.get('host')}" if owner else "another process"
        return (
            f"{self.folder.path}: this study is being searched by {who}; expected no other driver. "
            f"Wait for it, stop it with `automl stop {self.folder.name}`, or give this search another --study"
        )

    @staticmethod
    def _await_end(workers: list[dict[str, Any]]) -> None:
        """Wait until a dead driver's workers are gone; they end on their own, and are ended when they do not."""
        alive = [process for process in map(find_process, workers) if process is not None]
        _, alive = psutil.wait_procs(alive, timeout=10)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=10)


def is_running(folder: StudyFolder) -> bool:
    """Whether a driver holds this study now."""
    lock = FileLock(folder.path / ".owner.lock")
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def request_stop(folder: StudyFolder) -> None:
    """Ask the driver that holds this study to stop as Ctrl-C does.

    Raises:
        StudyError: No driver holds it.
    """
    if not is_running(folder):
        raise StudyError(f"{folder.path}: expected a running search, but none holds this study; there is nothing to stop")
    folder.stop_request.touch()
