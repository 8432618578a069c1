"""A driver process for the kill tests: `python drive.py STUDY_FOLDER OPTIONS_JSON`.

Options: trials, epochs, workers, seed, sampler, pruner, time, kill ({"moment": m, "trial": n}), pause (touch this file and wait for it
to go when trial 0 has reported its first epoch), read_for_ever (touch this file and
never have the data ready). Prints how the search ended as one line of JSON.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from automl.errors import AutoMLError
from automl.records import TrialConfig
from automl.results.leaderboard import LeaderboardWriter
from automl.searches import events
from automl.searches.executors.local import LocalExecutor
from automl.searches.folder import StudyFolder
from automl.searches.session import run_search
from automl.space import from_mapping

FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fake_trainer.py")))


def space_mapping(options):
    return {
        "study": "kills",
        "data": {"path": "digits", "image_size": 8},
        "model": {"backbone": "cnn"},
        "train": {
            "epochs": options.get("epochs", 4),
            "learning_rate": {"float": [1e-5, 1e-1], "log": True},
            "optimizer": {"choice": ["adam", "sgd"]},
            "batch_size": options.get("batch_size", 32),
        },
        "search": {
            "trials": options.get("trials", 6),
            "seed": options.get("seed", 0),
            "sampler": options.get("sampler", {"name": "tpe", "n_startup_trials": 3}),
            "pruner": options.get("pruner", "none"),
            **({"time": options["time"]} if "time" in options else {}),
            **({"start": options["start"]} if "start" in options else {}),
        },
    }


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Killer:
    """Kills this process at a named moment."""

    def __init__(self, moment, trial):
        self.moment, self.trial = moment, trial
        if moment == "before config":
            save = TrialConfig.save
            TrialConfig.save = lambda config, path: die() if config.number == trial else save(config, path)
        if moment == "leaderboard":
            replace = os.replace
            os.replace = lambda source, target: die() if str(target).endswith("leaderboard.csv") else replace(source, target)

    def __call__(self, event):
        kinds = {
            "asked": isinstance(event, events.Asked) and event.config.number,
            "mid epoch": isinstance(event, events.Reported) and event.epoch.step == 2 and event.epoch.number,
            "result": isinstance(event, events.ResultReceived) and event.result.number,
            "told": isinstance(event, events.Told) and event.result.number,
        }
        found = kinds.get(self.moment, False)
        if found is not False and found == self.trial:
            die()


def pause_at_first_report(marker):
    reports = []

    def listen(event):
        if isinstance(event, events.Reported) and not reports:
            reports.append(event)
            marker.touch()
            while marker.exists():
                time.sleep(0.01)

    return listen


def read_pictures(options):
    """Nothing to read; with `read_for_ever` say by a file that it has begun and never end."""
    if "read_for_ever" in options:
        Path(options["read_for_ever"]).touch()
        while True:
            time.sleep(0.01)


def main():
    folder, options = StudyFolder(Path(sys.argv[1])), json.loads(sys.argv[2])
    listeners = []
    if "kill" in options:
        listeners.append(Killer(**options["kill"]))
    if "pause" in options:
        listeners.append(pause_at_first_report(Path(options["pause"])))
    listen = events.tell_all(tuple(listeners))
    try:
        outcome = run_search(
            from_mapping(space_mapping(options), base=Path.cwd()),
            folder,
            LocalExecutor([{}] * options.get("workers", 1), folder.logs, FAKE_WORKER),
            prepare_data=lambda: read_pictures(options),
            attach=lambda ledger, direction: LeaderboardWriter(folder, direction, options.get("keep", 3), ledger.results),
            listen=listen,
            formats=("keras",),
        )
    except AutoMLError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        return error.exit_code
    print(json.dumps({"ending": outcome.ending, "best": outcome.best.number if outcome.best else None}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
