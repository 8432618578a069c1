"""One run of a search on a study's folder, from taking hold of it to letting go, with the signals that end it."""

import datetime
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from automl.errors import SpaceError, StudyError
from automl.records import Direction, Failed, Finished, FinishJob, TrialResult, write_atomically
from automl.searches import events
from automl.searches.driver import Driver, StopSwitch
from automl.searches.executors.base import Executor
from automl.searches.folder import StudyFolder
from automl.searches.ledger import Ledger
from automl.searches.outcome import Ending, Outcome
from automl.searches.owner import Owner
from automl.searches.ranking import ranked
from automl.space import SearchSpace, difference, load

Attach = Callable[[Ledger, Direction], events.Listener]


def adopt_space(folder: StudyFolder, space: SearchSpace) -> None:
    """Store the space in the study, after checking that an existing study searches the same.

    Raises:
        StudyError: The study has trials of another space.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    if folder.space.is_file() and folder.numbers():
        try:
            changes = difference(load(folder.space), space)
        except SpaceError as error:
            raise StudyError(f"{folder.space}: this study's own space cannot be read any more: {error}") from None
        if changes:
            listing = "".join(f"\n  {change}" for change in changes)
            raise StudyError(
                f"{folder.path}: this study was started with another space, and its trials cannot be compared with new ones:{listing}\n"
                f"Only budgets may change (search.trials, search.time). Undo the change, or start another study with --study"
            )
    write_atomically(folder.space, space.dump())


@contextmanager
def stop_on_signals(stop: StopSwitch) -> Iterator[None]:
    """Ctrl-C or SIGTERM once asks for a clean stop; a second one, or one before the trials, raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.reason is not None or not stop.is_watched:
            raise KeyboardInterrupt
        stop.set("interrupted by Ctrl-C" if number == signal.SIGINT else "asked to by SIGTERM")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_search(
    space: SearchSpace,
    folder: StudyFolder,
    executor: Executor,
    *,
    prepare_data: Callable[[], None],
    attach: Attach,
    listen: events.Listener,
    formats: Sequence[str],
) -> Outcome:
    """Search a study until its budget is used up or it is stopped, then have the winner checked and exported.

    Args:
        space: What may vary.
        folder: The study's folder, made when missing.
        executor: Not yet started; closed when this returns.
        prepare_data: Reads the pictures into the store while the workers import.
        attach: Makes a listener that needs the opened ledger, such as the leaderboard's writer.
        listen: Hears everything.
        formats: Formats of the winner's export.

    Raises:
        StudyError: The study cannot be opened or continued.
        SearchFailedError: The trials fail alike.
        KeyboardInterrupt: Stopped twice.
    """
    stop = StopSwitch()
    folder.path.mkdir(parents=True, exist_ok=True)
    with stop_on_signals(stop), Owner(folder) as owner:
        adopt_space(folder, space)
        try:
            executor.start()
            owner.name_workers(executor.pids())
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
                _record_run(folder, owner, started, ledger)
            if ending == "interrupted":
                return Outcome(ending, _winner(ledger, space))
            return _finish(driver, ledger, space, ending, formats, listener)
        finally:
            executor.close()


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


def _record_run(folder: StudyFolder, owner: Owner, started: datetime.datetime, ledger: Ledger) -> None:
    run = {
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "trials_counted": ledger.counted,
    }
    folder.update_manifest(runs=[*folder.read_manifest().get("runs", []), run], seconds=round(owner.seconds, 3))
