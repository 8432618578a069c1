"""One run of a search on a study that is held, with workers that have started: open the trials, drive, finish."""

import datetime
from collections.abc import Callable, Sequence

from automl.records import Direction, Failed, Finished, FinishJob, TrialResult
from automl.searches import events
from automl.searches.driver import Driver
from automl.searches.executors.base import Executor
from automl.searches.ledger import Ledger
from automl.searches.outcome import Ending, Outcome
from automl.searches.owner import Owner
from automl.searches.ranking import ranked
from automl.searches.stopping import StopSwitch
from automl.space import SearchSpace


def conduct(
    space: SearchSpace,
    executor: Executor,
    owner: Owner,
    stop: StopSwitch,
    *,
    prepare_data: Callable[[], None],
    attach: Callable[[Ledger, Direction], events.Listener],
    listen: events.Listener,
    formats: Sequence[str],
) -> Outcome:
    """Search until the budget is used up or somebody stops it; see `session.run_search`."""
    folder = owner.folder
    # What the sampler, the pruner or the database lack is said before the pictures are read.
    ledger = Ledger(space, folder, notice=lambda text: listen(events.Notice(text)))
    prepare_data()
    ledger.reconcile()
    listener = events.tell_all((attach(ledger, space.search.resolved_direction), listen))
    started = datetime.datetime.now(datetime.UTC)
    driver = Driver(ledger, executor, owner, listener, stop)
    try:
        ending = driver.run()
    finally:
        owner.stop_clock()
        listener(events.SearchEnded(ledger.counted))
        _record_run(owner, started, ledger)
    if ending == "interrupted":
        return Outcome(ending, _winner(ledger, space))
    return _finish(driver, ledger, space, ending, formats, listener)


def _winner(ledger: Ledger, space: SearchSpace) -> TrialResult | None:
    return next(iter(ranked(ledger.results.values(), space.search.resolved_direction)), None)


def _finish(driver: Driver, ledger: Ledger, space: SearchSpace, ending: Ending, formats: Sequence[str], listen: events.Listener) -> Outcome:
    """Have the winner checked and exported, unless it is what best/ already holds."""
    best = _winner(ledger, space)
    folder = ledger.folder
    if best is None:
        return Outcome(ending, None)
    exported = folder.read_manifest().get("exported")
    wanted = {"trial": best.number, "formats": list(formats)}
    if exported == wanted and (folder.best / "metrics.json").is_file():
        return Outcome(ending, best)
    listen(events.Preparing(f"checking and exporting trial {best.number}"))
    problems: list[Failed] = []
    job = FinishJob(study=str(folder.path), number=best.number, formats=tuple(formats), out=str(folder.best))
    finished: Finished | None = driver.finish(job, problems.append)
    if finished is None:
        return Outcome(ending, best, export_problem=problems[0].message) if problems else Outcome("interrupted", best)
    folder.update_manifest(exported=wanted)
    return Outcome(ending, best, export=finished.details)


def _record_run(owner: Owner, started: datetime.datetime, ledger: Ledger) -> None:
    run = {
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "trials_counted": ledger.counted,
    }
    folder = owner.folder
    folder.update_manifest(runs=[*folder.read_manifest().get("runs", []), run], seconds=round(owner.seconds, 3))
