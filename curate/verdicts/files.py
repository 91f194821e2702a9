"""Verdicts in files of Label Studio, Argilla or our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from curate.errors import CurateError, suggestion
from curate.verdicts.tool import Verdict, parse_export
from curate.verdicts.tools import TOOLS

VOTES = ("keep", "flip", "tie")
"""Verdicts that are votes; drop and skip say nothing of the label."""
VERDICTS = (*VOTES, "drop", "skip")
_SCHEMA = {"pair_id": pl.String(), "reviewer": pl.String(), "verdict": pl.String()}


def read_verdicts(paths: list[Path], warnings: list[str] | None = None) -> pl.DataFrame:
    """pair_id, reviewer and verdict of files of Label Studio, Argilla or our own.

    The last verdict of a reviewer on a pair counts. Damaged lines of JSON lines are left out, and
    told in `warnings`.

    Raises:
        CurateError: no such file, or of no known kind, or a verdict that is none.
    """
    # Without a file the columns are there all the same.
    frames = [pl.DataFrame(schema=_SCHEMA)]
    for path in paths:
        rows = _verdicts_of(path, _exported(path, warnings))
        for number, (_, _, verdict) in enumerate(rows, 1):
            if verdict not in VERDICTS:
                where = f"{path}, verdict {number}"
                fix = suggestion(verdict, VERDICTS)
                raise CurateError("unknown verdict", where=where, found=repr(verdict), fix=fix)
        frames.append(pl.DataFrame(rows, schema=_SCHEMA, orient="row"))
    # Files are given in the order of judging: who judges again has changed their mind.
    return pl.concat(frames).unique(["pair_id", "reviewer"], keep="last", maintain_order=True)


def _exported(path: Path, warnings: list[str] | None) -> Any:
    """The content of a file; its damaged lines are told."""
    try:
        exported, damaged = parse_export(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CurateError(
            "the verdicts cannot be read",
            where=str(path),
            found=str(error),
            expected="JSON or JSON lines",
        ) from None
    if damaged and warnings is not None:
        shown = ", ".join(map(str, damaged[:10])) + (" ..." if len(damaged) > 10 else "")
        warnings.append(f"{path}: {len(damaged)} damaged lines are left out: {shown}")
    return exported


def _verdicts_of(path: Path, exported: Any) -> list[Verdict]:
    """The verdicts in the export of whichever tool."""
    tool = next((t for t in TOOLS.values() if t.matches(exported)), None)
    if tool is None:
        raise CurateError(
            "the verdicts are of no known kind",
            where=str(path),
            expected="Label Studio's JSON export, Argilla's records.to_json, or JSON lines of "
            "pair_id, reviewer, verdict",
        )
    try:
        return list(tool.verdicts(exported))
    # A tool's export changes with its version: whatever its reader trips over is told as that.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CurateError(
            "the verdicts are not of the form that their tool exports",
            where=str(path),
            found=f"{type(error).__name__}: {error}",
            expected=f"an export of {tool.name}",
        ) from None


def majority(verdicts: pl.DataFrame) -> pl.DataFrame:
    """pair_id and verdict where more than half of those who judged the pair agree on one."""
    said = verdicts.filter(pl.col("verdict") != "skip")
    votes = said.group_by("pair_id", "verdict").agg(votes=pl.len())
    total = pl.col("votes").sum().over("pair_id")
    # More than half: two against two decide nothing.
    return votes.filter(pl.col("votes") * 2 > total).select("pair_id", "verdict")
