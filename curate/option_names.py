"""How messages name an option: `--columns` on the command line, `columns=` from Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# One for the process and not for a thread: messages are made in threads that read ahead, too.
_callers = ["Python"]


@contextmanager
def command_line_messages() -> Iterator[None]:
    """Name options as on the command line while the block runs."""
    _callers.append("command line")
    try:
        yield
    finally:
        _callers.pop()


def is_command_line() -> bool:
    """Return whether the user called a command, and not a function."""
    return _callers[-1] == "command line"


def option_name(name: str, option: str | None = None) -> str:
    """Return an option as the user would write it.

    Args:
        name: the option's name in Python.
        option: its name on the command line; default the same.

    Examples:
        >>> option_name("allow_loss")
        'allow_loss='
        >>> with command_line_messages():
        ...     option_name("allow_loss")
        '--allow-loss'
    """
    return f"--{(option or name).replace('_', '-')}" if is_command_line() else f"{name}="
