"""Brings verdicts of people back as votes of further annotators: `curate merge`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from curate.data.extra_column import extra_value, extra_with
from curate.data.table import PAIR_COLUMNS, PairIds
from curate.errors import CurateError, suggestion
from curate.people.tool import Verdict, parse_export
from curate.people.tools import TOOLS
from curate.read.pairs import read_pairs
from curate.steps.context import Progress
from curate.steps.relabel import exchanged
from curate.write.run_files import RunFiles, is_run
from curate.write.run_folder import staged
from curate.write.shards import write_json, write_shards

MARK = "merge.json"
VOTES = ("keep", "flip", "tie")
"""Verdicts that are votes; drop and skip say nothing of the label."""
VERDICTS = (*VOTES, "drop", "skip")
_SCHEMA = {"pair_id": pl.String(), "reviewer": pl.String(), "verdict": pl.String()}


@dataclass(frozen=True)
class Merged:
    """Pairs with the verdicts as votes.

    Attributes:
        frame: the pair table: all pairs as they were, then one pair a vote.
        verdicts: pair_id, reviewer and verdict, the last of each reviewer on each pair.
        counts: number of each verdict.
        warnings: what the user should know.
    """

    frame: pl.DataFrame
    verdicts: pl.DataFrame
    counts: dict[str, int]
    warnings: tuple[str, ...] = ()


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


def merge(pairs: pl.DataFrame, verdicts: pl.DataFrame) -> Merged:
    """Add one pair for each vote, with the reviewer as annotator.

    Args:
        pairs: the pair table on whose labels the verdicts were given.
        verdicts: from `read_verdicts`.

    Raises:
        CurateError: a verdict on a pair that is not there.
    """
    unknown = verdicts.join(pairs, on="pair_id", how="anti")
    if len(unknown):
        raise CurateError(
            "a verdict names a pair that is not in the data",
            found=f"{unknown['pair_id'][0]} and {len(unknown) - 1} more of {len(verdicts)}",
            fix="merge with the run from which the pairs were routed",
        )
    votes = _named_apart(verdicts.filter(pl.col("verdict").is_in(VOTES)), pairs)
    cast = votes.join(pairs, on="pair_id", how="left", maintain_order="left")
    # A flip exchanges the media of both answers too.
    made = (
        cast.with_columns(exchanged(cast, cast["verdict"] == "flip"))
        .with_columns(
            # Of the vote alone: how strongly the first annotator preferred says nothing of this
            # one.
            is_tie=pl.col("verdict") == "tie",
            annotator="reviewer",
            strength=pl.lit(None, dtype=pl.Float32),
            extra=extra_with("extra", "verdict_on", pl.format('"{}"', "pair_id")),
            pair_id=pl.lit(None, dtype=pl.String),
        )
        .select(list(PAIR_COLUMNS))
    )
    counts = Counter(verdicts["verdict"].to_list())
    ordered = {name: counts[name] for name in VERDICTS}
    old = pairs.select(list(PAIR_COLUMNS))
    # Ids that the data has already (an earlier merge of the same person) are not given again.
    ids = PairIds([old["pair_id"]])
    return Merged(pl.concat([old, ids.give(made)]), verdicts, ordered)


def _named_apart(votes: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The votes with a reviewer who is called as an annotator of the data by another name."""
    # Names of before any merge: a reviewer who is called like an annotator is another person.
    own = pairs.filter(~extra_value("verdict_on").is_not_null().fill_null(False))["annotator"]
    taken = pl.col("reviewer").is_in(own.drop_nulls().unique().implode())
    other = pl.format("reviewer {}", "reviewer")
    return votes.with_columns(reviewer=pl.when(taken).then(other).otherwise("reviewer"))


def merge_files(
    data: str, verdict_files: list[Path], folder: Path, overwrite: bool, progress: Progress
) -> Merged:
    """Merge verdicts into a run's pairs, or into a data set, and write the pair table.

    Args:
        data: folder of a finished run, or a data set.
        verdict_files: what people said.
        folder: to write into: `pairs/` and merge.json.
        overwrite: replace an earlier merge.
        progress: where progress is shown.
    """
    warnings: list[str] = []
    verdicts = read_verdicts(verdict_files, warnings)
    if is_run(data):
        pairs = RunFiles(data).all_pairs()
    else:
        read = read_pairs(data, on_error="skip", progress=progress)
        pairs = read.frame
        warnings += read.told()
    merged = replace(merge(pairs, verdicts), warnings=tuple(warnings))
    with staged(folder, overwrite, MARK) as stage:
        write_shards([merged.frame], stage / "pairs", "parquet", 100_000)
        reviewers = merged.verdicts["reviewer"].n_unique()
        facts = {"data": data, "pairs": len(pairs), "reviewers": reviewers}
        write_json(facts | {"verdicts": merged.counts}, stage / MARK)
    return merged
