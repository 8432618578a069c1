"""Runs jobs in long-lived processes of this machine, each with its own devices and threads fixed before anything is imported."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from automl.errors import SearchFailedError
from automl.records import Answer, Job, Ready, Record, decode, encode
from automl.searches.executors.base import ExecutorEvent, Lost, Received, SuccessorLost, SuccessorReady

MAX_FAILED_STARTS = 3
LOG_TAIL_BYTES = 2000


@dataclass
class _Process:
    """A worker, or the successor of one.

    Attributes:
        is_trusted: Whether all that it sent so far was messages.
        greeting: What a successor said when it was ready, kept until it takes the worker's place.
    """

    worker: int
    popen: subprocess.Popen[bytes]
    connection: socket.socket
    buffer: bytearray = field(default_factory=bytearray)
    is_trusted: bool = True
    was_ready: bool = False
    greeting: Ready | None = None


class LocalExecutor:
    """Worker processes that talk over a socket which they inherit.

    They run in sessions of their own, so Ctrl-C in the terminal reaches only the driver. When the driver ends in any way the
    socket closes and they end themselves.

    Args:
        environments: For each worker the environment variables that differ from this process's.
        logs: Folder for what workers print outside of trials.
        command: Starts a worker; the descriptor of its socket is appended. -P keeps a keras.py in the user's folder out of its way.
    """

    def __init__(
        self,
        environments: Sequence[Mapping[str, str]],
        logs: Path,
        command: Sequence[str] = (sys.executable, "-P", "-m", "automl.worker"),
    ) -> None:
        self._environments = list(environments)
        self._logs = logs
        self._command = list(command)
        self._processes: dict[int, _Process] = {}
        self._successors: dict[int, _Process] = {}
        self._greetings: list[ExecutorEvent] = []
        self._failed_starts = 0
        self._selector = selectors.DefaultSelector()
        self._closed = False

    @property
    def workers(self) -> int:
        """One a given environment."""
        return len(self._environments)

    def start(self) -> None:
        """Start all workers without waiting for them to import TensorFlow."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for worker in range(self.workers):
            self._processes[worker] = self._launch(worker)

    def _launch(self, worker: int) -> _Process:
        ours, theirs = socket.socketpair()
        with (self._logs / f"worker-{worker}.log").open("ab") as log:
            popen = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Unbuffered, so that what a worker printed is in the log even if it is killed.
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | dict(self._environments[worker]),
                start_new_session=True,
            )
        theirs.close()
        process = _Process(worker, popen, ours)
        self._selector.register(ours, selectors.EVENT_READ, process)
        return process

    def submit(self, worker: int, job: Job) -> None:
        """Send a job; if the worker has just died, the next `wait` says so."""
        self._send(worker, job)

    def answer(self, worker: int, answer: Answer) -> None:
        """Send a decision; if the worker has just died, the next `wait` says so."""
        self._send(worker, answer)

    def _send(self, worker: int, message: Record) -> None:
        try:
            self._processes[worker].connection.sendall(encode(message))
        except OSError:
            return

    def wait(self, timeout_seconds: float) -> list[ExecutorEvent]:
        """Messages and deaths since the last call.

        Raises:
            SearchFailedError: Workers end before they are ready, again and again.
        """
        deadline = time.monotonic() + timeout_seconds
        events, self._greetings = self._greetings, []
        while not events:
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            for key, _ in ready:
                events += self._read(key.data)
            if time.monotonic() >= deadline:
                break
        return events

    def _read(self, process: _Process) -> list[ExecutorEvent]:
        try:
            data = process.connection.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            return [self._bury(process)]
        if not process.is_trusted:
            return []
        process.buffer += data
        *lines, rest = bytes(process.buffer).split(b"\n")
        process.buffer = bytearray(rest)
        messages: list[Received] = []
        for line in lines:
            try:
                messages.append(Received(process.worker, decode(line)))
            except (ValidationError, ValueError):
                # A worker of another version, or memory gone wrong: it cannot be trusted with the trial any more, nor can what it
                # has sent before it ends.
                process.is_trusted = False
                process.popen.kill()
                break
        greeting = next((message.message for message in messages if isinstance(message.message, Ready)), None)
        if greeting is not None:
            process.was_ready = True
            self._failed_starts = 0
        if self._successors.get(process.worker) is not process:
            return list(messages)
        process.greeting = greeting
        return [] if greeting is None else [SuccessorReady(process.worker)]

    def _bury(self, process: _Process) -> ExecutorEvent:
        worker = process.worker
        self._end(process)
        reason = _describe_end(process.popen.returncode)
        if self._successors.get(worker) is process:
            del self._successors[worker]
            return SuccessorLost(worker, reason if process.was_ready else reason + self._log_tail(worker))
        if not process.was_ready:
            self._failed_starts += 1
            reason += self._log_tail(worker)
            if self._failed_starts >= MAX_FAILED_STARTS:
                del self._processes[worker]
                raise SearchFailedError(f"worker {worker} ended {self._failed_starts} times before it was ready: {reason}")
        self._fill_place(worker)
        return Lost(worker, reason, process.was_ready)

    def _fill_place(self, worker: int) -> None:
        process = self._successors.pop(worker, None) or self._launch(worker)
        self._processes[worker] = process
        if process.greeting is not None:
            self._greetings.append(Received(worker, process.greeting))

    def _end(self, process: _Process) -> None:
        self._selector.unregister(process.connection)
        process.connection.close()
        try:
            process.popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            process.popen.wait()

    def _log_tail(self, worker: int) -> str:
        path = self._logs / f"worker-{worker}.log"
        text = path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip() if path.is_file() else ""
        lines = "".join(f"\n  {line}" for line in text.splitlines()[-12:])
        return f"; the end of {path}:{lines}" if lines else f"; it printed nothing ({path})"

    def prepare_successor(self, worker: int) -> None:
        """Start the process that will take a worker's place, unless it has been started."""
        if worker not in self._successors:
            self._successors[worker] = self._launch(worker)

    def replace(self, worker: int) -> None:
        """End a worker and put its successor in its place, or a process that is started now."""
        process = self._processes[worker]
        process.popen.kill()
        self._end(process)
        self._fill_place(worker)

    def pids(self) -> list[int]:
        """Process numbers of the living workers and successors."""
        return [process.popen.pid for process in self._all()]

    def _all(self) -> list[_Process]:
        return [*self._processes.values(), *self._successors.values()]

    def close(self) -> None:
        """Kill all workers; their trials stay running in the database."""
        if self._closed:
            return
        self._closed = True
        for process in self._all():
            process.popen.kill()
        for process in self._all():
            self._end(process)
        self._selector.close()


def _describe_end(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the worker was killed (signal 9), as the system does when memory runs out"
    if code < 0:
        return f"the worker was ended by {signal.Signals(-code).name}"
    return f"the worker ended with exit code {code}"
