"""Packages that only some steps need: the extras of pyproject.toml."""

from __future__ import annotations

import importlib.util

from curate.errors import CurateError


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, by its import name."""
    return importlib.util.find_spec(package) is not None


def install_command(extra: str) -> str:
    """Return the command that installs an extra of this project."""
    return f'pip install "curate-preferences[{extra}]"'


def need(package: str, extra: str, where: str) -> None:
    """Check that a package of an extra is there.

    Args:
        package: its import name.
        extra: of this project, that installs it.
        where: what asks for it, for the error.

    Raises:
        CurateError: it is not installed.

    Examples:
        >>> need("json", "hygiene", "scorer 'markdown'")
        >>> need("no_such_package", "hygiene", "scorer 'markdown'")
        Traceback (most recent call last):
        curate.errors.CurateError: no_such_package is not installed...
    """
    if not is_installed(package):
        raise CurateError(f"{package} is not installed", where=where, fix=install_command(extra))
