"""One run of a search on a study's folder, from taking hold of it to letting go; imports Optuna only once the workers have started."""

from collections.abc import Callable, Sequence

from automl.errors import SpaceError, StudyError
from automl.records import write_atomically
from automl.searches import events
from automl.searches.executors.base import Executor
from automl.searches.folder import StudyFolder
from automl.searches.outcome import Outcome
from automl.searches.owner import Owner
from automl.searches.stopping import StopSwitch, stop_on_signals
from automl.space import SearchSpace, difference, load

Attach = Callable[..., events.Listener]
"""Called with the opened ledger and the direction."""


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
            # Optuna takes a second to import, in which the workers have begun to import TensorFlow.
            from automl.searches.conduct import conduct

            return conduct(space, executor, owner, stop, prepare_data=prepare_data, attach=attach, listen=listen, formats=formats)
        finally:
            executor.close()
