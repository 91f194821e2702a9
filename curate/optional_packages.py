"""Packages that only some steps need: the extras of pyproject.toml."""

from __future__ import annotations

import importlib.util

from curate.errors import CurateError


def need(package: str, extra: str, where: str) -> None:
    """Check that a package of an extra is there.

    Args:
        package: its import name.
        extra: of this project, that installs it.
        where: what asks for it, for the error.

    Raises:
        CurateError: it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        fix = f'pip install "curate-preferences[{extra}]"'
        raise CurateError(f"{package} is not installed", where=where, fix=fix)
