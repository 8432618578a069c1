"""A trainer without TensorFlow: the value follows from the learning rate, and what goes wrong is scripted.

Used as handlers of an inline executor, and run as a worker process: `python fake_trainer.py FD`. Environment:
FAKE_RUNS    a file to which each start and each finish of a trial is appended
FAKE_SCRIPT  JSON list of {"trial": n, "attempt": a, "moment": m, "do": d}; m is started, epoch:K or result; d is kill, exit, nan, oom,
             raise or garbage. Without "attempt" it happens in every attempt.
"""

import json
import math
import os
import signal
import sys
from pathlib import Path

from automl.records import Epoch, Finished, FinishJob, PrepareJob, Progress, TrainJob, TrialResult
from automl.searches.worker import Channel, TrialInterrupted, connect, serve


def value_of(learning_rate: float, step: int, epochs: int) -> float:
    """Best at a learning rate of 0.001, rising over the epochs."""
    return max(0.0, 1.0 - abs(math.log10(learning_rate) + 3) / 4) * step / epochs


def note(text: str) -> None:
    """Append a line to the file of runs, whole even when several processes write."""
    path = os.environ.get("FAKE_RUNS")
    if path:
        with open(path, "a") as file:
            file.write(text + "\n")


def act(job: TrainJob, moment: str) -> TrialResult | None:
    """Do what the script says at this moment."""
    for line in json.loads(os.environ.get("FAKE_SCRIPT", "[]")):
        if line["trial"] != job.config.number or line["moment"] != moment or line.get("attempt", job.attempt) != job.attempt:
            continue
        do = line["do"]
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif do == "exit":
            os._exit(3)
        elif do == "raise":
            raise RuntimeError("scripted bug")
        elif do == "garbage":
            os.write(int(sys.argv[1]), b"\x00 not a message\n")
        else:
            reason = {"nan": "the loss became NaN", "oom": f"out of memory at batch size {job.config.train.batch_size}"}[do]
            return ended(job, outcome="failed", cause="config", reason=reason)
    return None


def ended(job: TrainJob, **fields: object) -> TrialResult:
    """A result that is on disk."""
    config = job.config
    result = TrialResult.model_validate(
        {
            "number": config.number,
            "attempt": job.attempt,
            "params": config.params,
            "seed": config.seed,
            "retry_of": config.retry_of,
            **fields,
        }
    )
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.h5").write_bytes(b"weights")
    result.save(folder / "result.json")
    note(f"finished {config.number}")
    return result


def train(job: TrainJob, channel: Channel) -> Finished:
    """Report the epochs and end as scripted."""
    config = job.config
    note(f"started {config.number}")
    history = Path(job.folder) / "history.csv"
    history.parent.mkdir(parents=True, exist_ok=True)
    history.write_text(f"epoch,{config.metric}\n")
    if (failed := act(job, "started")) is not None:
        return Finished(result=failed)
    epochs = config.train.epochs
    for step in range(1, epochs + 1):
        channel.progress(Progress(number=config.number, epoch=step, step=1, steps=1))
        value = value_of(config.train.learning_rate, step, epochs)
        with history.open("a") as file:
            file.write(f"{step},{value!r}\n")
        message = Epoch(number=config.number, step=step, phase="whole", phase_step=step, metrics={config.metric: value})
        decision = channel.report(message)
        if decision == "interrupt":
            raise TrialInterrupted
        if decision == "prune":
            return Finished(result=ended(job, outcome="pruned", value=value, epochs=step))
        if (failed := act(job, f"epoch:{step}")) is not None:
            return Finished(result=failed)
    result = ended(job, outcome="complete", value=value, metrics={config.metric: value}, epochs=epochs, best_epoch=epochs)
    act(job, "result")
    return Finished(result=result)


def prepare(job: PrepareJob, channel: Channel) -> Finished:
    """Nothing to fetch."""
    return Finished()


def finish(job: FinishJob, channel: Channel) -> Finished:
    """Say that the winner was exported."""
    out = Path(job.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text("{}")
    return Finished(details={"trial": job.number})


HANDLERS = {"train": train, "prepare": prepare, "finish": finish}

if __name__ == "__main__":
    serve(connect(), HANDLERS)
