"""Versions of what shapes the results."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "curate-preferences"
_LIBRARIES = (
    "polars",
    "pyarrow",
    "torch",
    "sentence-transformers",
    "transformers",
    "scikit-learn",
    "faiss-cpu",
    "faiss-gpu",
    "datasets",
    "numpy",
)


def curate_version() -> str:
    """Return the version of the installed package; of a plain source tree "unknown"."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of curate, of Python and of the libraries that shape its results."""
    return dict(_versions())


@cache  # each is a file to be found and parsed
def _versions() -> dict[str, str]:
    versions = {"curate": version(DISTRIBUTION), "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
