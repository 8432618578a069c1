"""The command `automl`: a thin coat over `automl.api`. Here alone errors turn into messages and exit codes."""

import errno
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import automl
from automl.cli import cache, doctor, evaluation, pictures, searching, spaces, studies
from automl.errors import AutoMLError, SpaceError, WeightsError

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
_USERS_OWN = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    }
)
"""Failures of the file system that say something about the user's folders, not about this program."""


class CommandLine(TyperGroup):
    """Runs a command and turns what it raises into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AutoMLError as error:
            _complain(describe(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read the output has seen enough. Python would complain when it closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            if error.errno not in _USERS_OWN:
                raise
            where = f"{error.filename}: " if error.filename else ""
            hint = "; free some space and run the same command again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            _complain(f"error: {where}{error.strerror}{hint}")
            raise typer.Exit(EXIT_FAILED) from None


def describe(error: AutoMLError) -> str:
    """An error as it is printed: the list of a space file's mistakes begins with the file, everything else with `error:`."""
    is_listing = isinstance(error, SpaceError) and not isinstance(error, WeightsError) and error.problems
    return str(error) if is_listing else f"error: {error}"


def _complain(text: str) -> None:
    from automl.cli.console import say

    say(text)


app = typer.Typer(
    name="automl",
    cls=CommandLine,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"automl {automl.__version__}\n")
        raise typer.Exit


@app.callback()
def root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    """Search for the best image classifier for your own pictures.

    Exit codes: 0 done, 1 the work failed, 2 the input is wrong, 130 interrupted.
    """


for command in (
    searching.search, spaces.validate, spaces.plan, spaces.schema, doctor.doctor, pictures.inspect, studies.leaderboard, studies.show,
    studies.dashboard, studies.stop, evaluation.export, evaluation.predict, evaluation.train,
):  # fmt: skip
    app.command()(command)
app.add_typer(spaces.shipped, name="spaces")
app.add_typer(cache.cache, name="cache")


def main() -> None:
    """The entry point of the command `automl`."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name may hold what the terminal's encoding does not know.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="automl")


if __name__ == "__main__":
    main()
