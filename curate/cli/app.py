"""The command line. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from curate.cli.audit import audit
from curate.cli.bench import bench
from curate.cli.cache import cache
from curate.cli.card import card
from curate.cli.check import check
from curate.cli.derive import derive
from curate.cli.diff import diff
from curate.cli.examples import EXAMPLES
from curate.cli.explain import explain
from curate.cli.export import export, push
from curate.cli.hash_prompts import hash_prompts
from curate.cli.init import init, schema
from curate.cli.inspect import inspect
from curate.cli.list import list_steps
from curate.cli.new import new
from curate.cli.options import current_name
from curate.cli.people import merge, route
from curate.cli.report import apply, compare, report, review
from curate.cli.round import run_round_command
from curate.cli.run import run
from curate.cli.worth import worth
from curate.errors import CurateError
from curate.option_names import command_line_messages


class _CommandGroup(TyperGroup):
    """Group of commands that reports an EOFError as an error of the data, not as an abort."""

    def invoke(self, ctx: Any) -> object:
        """Run the command; click would print "Aborted." for an EOFError."""
        try:
            with command_line_messages():
                return super().invoke(ctx)
        except EOFError as error:
            raise RuntimeError(f"data ended too early: {error}") from error


app = typer.Typer(
    cls=_CommandGroup,
    help="Curate and denoise preference data for DPO, reward models and RLHF.",
    no_args_is_help=True,
    # Its traceback can print local variables, in which texts of the data and API keys may stand.
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # Names of options in earlier releases: accepted, and not shown by --help.
        "token_normalize_func": current_name,
    },
)

INSPECT, CURATE, MEASURE = "Inspect data and runs", "Curate", "Measure the effect"
PEOPLE, PUBLISH = "Human review", "Export and publish"
"""Groups of commands in --help."""


def main() -> None:
    """Run the command line.

    Exit codes: 0 success, 1 a bug, 2 a user error, 3 data unfit for training (`curate check`).
    """
    # Before anything is written: partial files must go however the run ends.
    _end_by_signals()
    try:
        check_working_folder()
        with only_requested_command(sys.argv[1:]):
            app()
    except CurateError as error:
        _exit_with_error(error)
    # No bug: the data does not fit, and a traceback would hide the way out.
    except MemoryError:
        _exit_with_error(
            CurateError("out of memory", fix="use --limit, or a machine with more memory")
        )
    except OSError as error:
        # What the machine refuses is the user's to mend, every other error is ours.
        if error.errno not in _SYSTEM_ERRORS:
            _report_bug()
        where = str(error.filename) if error.filename else None
        _exit_with_error(
            CurateError("the operating system reports an error", where=where, found=error.strerror)
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # libraries in Rust raise panics, which are no Exception
        _report_bug()


def check_working_folder() -> None:
    """Reject a deleted working folder, where every library fails in its own way.

    Raises:
        CurateError: the folder does not exist.
    """
    try:
        os.getcwd()  # noqa: PTH109  # Path.cwd() is the same
    except FileNotFoundError:
        raise CurateError(
            "the working folder was deleted",
            where=os.environ.get("PWD"),
            fix="change to an existing folder: cd",
        ) from None


@contextmanager
def only_requested_command(words: Sequence[str]) -> Iterator[None]:
    """Register only the requested command meanwhile: typer inspects every registered one."""
    all_commands, name = app.registered_commands, words[0] if words else ""
    matching = [c for c in all_commands if name in (c.name, getattr(c.callback, "__name__", None))]
    # Without a match all: typer then proposes the nearest name.
    app.registered_commands = matching or all_commands
    try:
        yield
    finally:
        app.registered_commands = all_commands


_SYSTEM_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EIO,
}
"""Errors of disk and permissions, which are never a bug of curate."""


def _exit_with_error(error: CurateError) -> NoReturn:
    from curate.cli.console import show_error

    show_error(error)
    sys.exit(2)


def _report_bug() -> NoReturn:
    from curate.cli.safe import visible
    from curate.errors import mask_text

    # A traceback quotes values: control characters of the data, and keys in URLs.
    text = "\n".join(visible(mask_text(line)) for line in traceback.format_exc().splitlines())
    print(text, file=sys.stderr)
    print("\nThis is a bug in curate: please report it with the lines above.", file=sys.stderr)
    sys.exit(1)


def _end_by_signals() -> None:
    """Let SIGTERM and SIGHUP end the process like an error, so that partial files are removed."""

    def end(number: int, _: object) -> None:
        # An exception, so that `finally` and context managers run; 128 + number is the shells'
        # convention.
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        # Windows has no SIGHUP.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)


_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    INSPECT: {
        "inspect": inspect,
        "audit": audit,
        "diff": diff,
        "explain": explain,
        "report": report,
        "list": list_steps,
        "hash-prompts": hash_prompts,
    },
    CURATE: {
        "init": init,
        "run": run,
        "derive": derive,
        "round": run_round_command,
        "new": new,
        "schema": schema,
        "cache": cache,
    },
    MEASURE: {"bench": bench, "worth": worth, "compare": compare},
    PEOPLE: {"route": route, "review": review, "merge": merge, "apply": apply},
    PUBLISH: {"export": export, "check": check, "card": card, "push": push},
}
"""The commands by the groups of --help, in the order in which they are used."""
for _panel, _commands in _COMMANDS.items():
    for _name, _command in _commands.items():
        _epilog = f"Example: {EXAMPLES[_name]}"
        app.command(_name, rich_help_panel=_panel, epilog=_epilog)(_command)


def _print_version(requested: bool) -> None:
    if requested:
        from curate.versions import curate_version

        typer.echo(f"curate {curate_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Curate and denoise preference data for DPO, reward models and RLHF."""
