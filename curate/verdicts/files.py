"""Verdicts in files of Label Studio, Argilla or our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate.errors import CurateError, suggestion
from curate.verdicts.tool import UNDONE, ReviewVerdict, parse_export
from curate.verdicts.tools import TOOLS

VOTES = ("keep", "flip", "tie")
"""Verdicts that are votes; drop and skip say nothing of the label."""
VERDICTS = (*VOTES, "drop", "skip")
SCHEMA = {
    "pair_id": pl.String(),
    "reviewer": pl.String(),
    "verdict": pl.String(),
    "chosen_hash": pl.String(),
    "rejected_hash": pl.String(),
    "blind": pl.Boolean(),
}
"""Columns of verdicts; see `Verdict`."""
FOLDER = "verdicts"
"""Folder within a run or a draw, with one file for each reviewer."""


def verdict_paths(paths: Sequence[Path]) -> list[Path]:
    """Return the verdict files of these paths; a run or sample folder stands for its files.

    Raises:
        CurateError: a folder without verdicts.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        folder = path if path.name == FOLDER else path / FOLDER
        within = sorted(folder.glob("*.jsonl"))
        if not within:
            raise CurateError(
                "there are no verdicts",
                where=str(path),
                expected=f"{FOLDER}/NAME.jsonl in the folder",
                fix=f"review pairs first: curate review {path}",
            )
        files += within
    return files


def read_verdicts(paths: Sequence[Path], warnings: list[str] | None = None) -> pl.DataFrame:
    """Return the verdicts in files of `curate review`, Label Studio or Argilla.

    The last verdict of a reviewer on a pair counts, and none that was undone. Damaged lines are
    left out, and reported in `warnings`.

    Args:
        paths: files, or folders of a run or a draw for the files within.
        warnings: list to which warnings are added.

    Returns:
        pair_id, reviewer, verdict, chosen_hash, rejected_hash and blind; see `Verdict`.

    Raises:
        CurateError: no such file, an unknown kind of file, or an unknown verdict.
    """
    # Without a file the columns are there all the same.
    frames = [pl.DataFrame(schema=SCHEMA)]
    for path in verdict_paths(paths):
        rows = _verdicts_of(path, _read_export(path, warnings))
        for number, row in enumerate(rows, 1):
            if row.verdict not in (*VERDICTS, UNDONE):
                where = f"{path}, verdict {number}"
                fix = suggestion(row.verdict, VERDICTS)
                raise CurateError("unknown verdict", where=where, found=repr(row.verdict), fix=fix)
        frames.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    # In the order of judging: who judges again has changed their mind.
    last = pl.concat(frames).unique(["pair_id", "reviewer"], keep="last", maintain_order=True)
    return last.filter(pl.col("verdict") != UNDONE)


def _read_export(path: Path, warnings: list[str] | None) -> Any:
    """Return the content of a file, with a warning about damaged lines."""
    try:
        exported, damaged = parse_export(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CurateError(
            "cannot read the verdicts",
            where=str(path),
            found=str(error),
            expected="JSON or JSON lines",
        ) from None
    if damaged and warnings is not None:
        lines = ", ".join(map(str, damaged[:10])) + (" ..." if len(damaged) > 10 else "")
        warnings.append(f"{path}: {len(damaged)} damaged lines are left out: {lines}")
    return exported


def _verdicts_of(path: Path, exported: Any) -> list[ReviewVerdict]:
    """Return the verdicts in an export of any supported tool."""
    # By the fields of the rows: files are renamed, and names say nothing.
    tool = next((t for t in TOOLS.values() if t.matches(exported)), None)
    if tool is None:
        raise CurateError(
            "unrecognised verdict format",
            where=str(path),
            expected="Label Studio's JSON export, Argilla's records.to_json, or JSON lines of "
            "pair_id, reviewer, verdict",
        )
    try:
        return list(tool.verdicts(exported))
    # A tool's export changes with its version: any error of its reader is reported as a mismatch.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CurateError(
            "the verdicts do not match the export format of their tool",
            where=str(path),
            found=f"{type(error).__name__}: {error}",
            expected=f"an export of {tool.name}",
        ) from None


def majority_verdicts(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Return pair_id and verdict where more than half of a pair's reviewers agree."""
    # Who skips does not vote, and must not outvote others.
    decided = verdicts.filter(pl.col("verdict") != "skip")
    votes = decided.group_by("pair_id", "verdict").agg(votes=pl.len())
    total = pl.col("votes").sum().over("pair_id")
    # More than half: two against two decide nothing.
    return votes.filter(pl.col("votes") * 2 > total).select("pair_id", "verdict")
