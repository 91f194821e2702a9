"""Packages that only some steps need: the extras of pyproject.toml."""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import distribution
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from curate.errors import CurateError
from curate.versions import DISTRIBUTION


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, by its import name."""
    return importlib.util.find_spec(package) is not None


def install_command(extra: str) -> str:
    """Return the command that installs an extra of this project, from where it was installed.

    No package index has this project yet: the command names the folder, archive or repository that
    pip recorded (PEP 610). Without a record it is for a clone, as in README.
    """
    recorded = distribution(DISTRIBUTION).read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(recorded) if recorded else {}
    url = origin.get("url", "")
    if "vcs_info" in origin:
        source = f"{DISTRIBUTION}[{extra}] @ {origin['vcs_info']['vcs']}+{url}"
    elif url.startswith("file:"):
        source = f"{url2pathname(urlsplit(url).path)}[{extra}]"
    else:
        source = f"{DISTRIBUTION}[{extra}] @ {url}" if url else f".[{extra}]"
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f'pip install {editable}"{source}"'


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
