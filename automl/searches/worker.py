"""The worker's side of a search: take a job, run its handler, say how it went. Knows nothing of Keras or Optuna."""

import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psutil

from automl.errors import AutoMLError
from automl.records import Answer, Decision, Epoch, Failed, Finished, Interrupted, Progress, Ready, Record, TrainJob, decode, encode


class Channel(Protocol):
    """What a handler may say to the driver while it works."""

    def report(self, epoch: Epoch) -> Decision:
        """Report an epoch and wait for the decision."""

    def progress(self, progress: Progress) -> None:
        """Say how far an epoch is."""


class TrialInterrupted(Exception):  # noqa: N818 - not an error, as KeyboardInterrupt is none
    """Raised by a handler when it has stopped because the driver said so; no result was written."""


Handler = Callable[..., Finished]
"""Called with (job, channel); raises AutoMLError for the job's fault, TrialInterrupted when it was stopped."""


def run_job(job: Record, handlers: Mapping[str, Handler], channel: Channel) -> Record:
    """Run one job and return the message that ends it, whatever happens."""
    try:
        message: Record = handlers[getattr(job, "type")](job, channel)  # noqa: B009
    except TrialInterrupted:
        assert isinstance(job, TrainJob)
        return Interrupted(number=job.config.number)
    except AutoMLError as error:
        return Failed(error=type(error).__name__, message=str(error))
    except Exception as error:  # the process boundary: a bug in one job is reported with its traceback and the worker lives on
        traceback.print_exc()
        return Failed(error=type(error).__name__, message=str(error) or type(error).__name__, traceback=traceback.format_exc())
    return message


class SocketChannel:
    """Messages as lines of JSON over the socket that the driver left open for this process.

    A thread only reads, so that the end of the driver ends this process at once, whatever it is computing.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._jobs: queue.Queue[Record] = queue.Queue()
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._sending = threading.Lock()
        threading.Thread(target=self._read, name="driver", daemon=True).start()

    def _read(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    message = decode(line)
                    if isinstance(message, Answer):
                        self._answers.put(message)
                    else:
                        self._jobs.put(message)
        except OSError:
            pass
        # The driver has ended: nobody wants the result, and the device must be free for the next driver.
        os._exit(0)

    def send(self, message: Record) -> None:
        """Send one message; the process ends when nobody is there to read it."""
        try:
            with self._sending:
                self._connection.sendall(encode(message))
        except OSError:
            os._exit(0)

    def receive(self) -> Record:
        """The next job."""
        return self._jobs.get()

    def report(self, epoch: Epoch) -> Decision:
        """Report an epoch and wait for the driver's decision."""
        self.send(epoch)
        return self._answers.get().decision

    def progress(self, progress: Progress) -> None:
        """Say how far an epoch is; nobody answers."""
        self.send(progress)


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """Send all that this process prints, TensorFlow's C++ included, to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(saved, start=1):
            os.dup2(copy, number)
            os.close(copy)


def serve(channel: SocketChannel, handlers: Mapping[str, Handler]) -> None:
    """Take jobs until the driver ends. Never returns: the reading thread ends the process."""
    process = psutil.Process()
    while True:
        channel.send(Ready(pid=process.pid, memory_bytes=process.memory_info().rss))
        job = channel.receive()
        if isinstance(job, TrainJob):
            folder = Path(job.folder)
            folder.mkdir(parents=True, exist_ok=True)
            with output_to(folder / "log.txt"):
                answer = run_job(job, handlers, channel)
        else:
            answer = run_job(job, handlers, channel)
        channel.send(answer)


def connect() -> SocketChannel:
    """The channel to the driver that started this process; its file descriptor is the first argument."""
    return SocketChannel(socket.socket(fileno=int(sys.argv[1])))
