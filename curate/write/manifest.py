"""manifest.json: its name and layout, and the check that no pair was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
# Raised when an older reader would misread a run folder.
FORMAT_VERSION = 1


def check_rows(rows_in: int, kept: int, dropped: int) -> None:
    """Raise RuntimeError unless every pair that came in was either kept or dropped."""
    if rows_in != kept + dropped:
        raise RuntimeError(f"{rows_in} pairs came in, but {kept} were kept and {dropped} dropped")


def data_folders(manifest: dict[str, Any]) -> tuple[Path, ...]:
    """The folders of the run's inputs, in which files of media are looked for."""
    given = manifest["config"].get("input") or []
    places = [one.get("path") for one in (given if isinstance(given, list) else [given])]
    paths = [Path(place).expanduser() for place in places if place and "://" not in place]
    return tuple(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))


def smoothing(manifest: dict[str, Any]) -> float | None:
    """The share of wrong labels that the last step which estimated it leaves."""
    rates = [step["facts"].get("label_smoothing") for step in manifest["steps"]]
    known = [rate for rate in rates if rate is not None]
    return float(known[-1]) if known else None
