"""Matches verdicts to the pairs whose labels they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from curate.errors import CurateError
from curate.steps.relabel import flipped_mask
from curate.verdicts.answers import answer_hashes
from curate.verdicts.files import SCHEMA, majority_verdicts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MatchedVerdicts:
    """Verdicts about the labels of a pair table as they stand in it.

    Attributes:
        frame: columns of `read_verdicts`; a verdict made on the other orientation is turned.
        total: verdicts that were read.
        unknown: verdicts on pairs that the table does not hold; they are not in `frame`.
        changed: verdicts on pairs whose answers are others now; they are not in `frame`.
        turned: keep and flip verdicts that were exchanged, since the label was flipped meanwhile.
        unchecked: keep and flip verdicts of older files, which do not record the answers.
        doubtful: those of them on labels that a filter has flipped.
    """

    frame: pl.DataFrame
    total: int
    unknown: int
    changed: int
    turned: int
    unchecked: int
    doubtful: int

    @property
    def unmatched(self) -> int:
        """Return the verdicts that match none of the pairs."""
        return self.unknown + self.changed

    def require_all(self, where: str, way_out: str = "") -> None:
        """Refuse verdicts that cannot be matched.

        Args:
            where: what the verdicts were matched to, for the message.
            way_out: what else the user can do.

        Raises:
            CurateError: any verdict is on a pair that is not there, or whose answers have changed.
        """
        if self.unmatched:
            fix = "name the dataset or run whose pairs were reviewed"
            raise CurateError(
                "verdicts do not belong to these pairs",
                where=where,
                found=self.unmatched_text(),
                fix=f"{fix}, {way_out}" if way_out else fix,
            )

    def unmatched_text(self) -> str:
        """Return how many verdicts match none of the pairs, and why."""
        counts = {
            "on unknown pairs": self.unknown,
            "on pairs whose answers changed": self.changed,
        }
        reasons = (f"{n:,} of {self.total:,} verdicts {why}" for why, n in counts.items() if n)
        return "; ".join(reasons)

    def warnings(self) -> list[str]:
        """Return warnings about the match."""
        lines = []
        if self.unmatched:
            lines.append(f"left out: {self.unmatched_text()}")
        if self.turned:
            lines.append(
                f"{self.turned:,} of {self.total:,} verdicts were given before the label was "
                "flipped; they were adjusted to prefer the same answer"
            )
        if self.unchecked:
            line = (
                f"{self.unchecked:,} of {self.total:,} verdicts do not record which answer they "
                "prefer (a file of an older version): they are applied to the current label"
            )
            if self.doubtful:
                line += (
                    f"; a filter has flipped {self.doubtful:,} of these labels: review them again"
                )
            lines.append(line)
        return lines


def match_verdicts(pairs: pl.DataFrame, verdicts: pl.DataFrame) -> MatchedVerdicts:
    """Return verdicts as they apply to the labels of a pair table.

    Args:
        pairs: the pair table, with labels as they stand now.
        verdicts: from `read_verdicts`; or only pair_id, reviewer and verdict.
    """
    verdicts = pl.concat([pl.DataFrame(schema=SCHEMA), verdicts], how="diagonal")
    reviewed = pairs.filter(pl.col("pair_id").is_in(verdicts["pair_id"].unique().implode()))
    current = answer_hashes(reviewed).rename({"chosen_hash": "c", "rejected_hash": "r"})
    current = current.with_columns(reviewed["pair_id"], is_flipped=flipped_mask(reviewed))
    joined = verdicts.join(current, on="pair_id", how="inner", maintain_order="left")
    chosen, rejected = pl.col("chosen_hash"), pl.col("rejected_hash")
    # A file may record only one of the answers: one that is recognised decides.
    is_same = ((chosen == pl.col("c")) | (rejected == pl.col("r"))).fill_null(False)
    is_other = ((chosen == pl.col("r")) | (rejected == pl.col("c"))).fill_null(False)
    has_hash = chosen.is_not_null() | rejected.is_not_null()
    is_changed = has_hash & ~is_same & ~is_other
    is_side = pl.col("verdict").is_in(["keep", "flip"])
    # Answers with equal texts match both ways: such a verdict stays as it is.
    is_turned = is_side & is_other & ~is_same
    counts = joined.select(
        changed=is_changed.sum(),
        turned=is_turned.sum(),
        unchecked=(is_side & ~has_hash).sum(),
        doubtful=(is_side & ~has_hash & pl.col("is_flipped")).sum(),
    ).row(0, named=True)
    turned = pl.col("verdict").replace({"keep": "flip", "flip": "keep"})
    frame = joined.filter(~is_changed).with_columns(
        verdict=pl.when(is_turned).then(turned).otherwise("verdict"),
        # As the pair is now: the verdict was turned to fit.
        chosen_hash=pl.when(has_hash).then("c"),
        rejected_hash=pl.when(has_hash).then("r"),
    )
    unknown = len(verdicts) - len(joined)
    return MatchedVerdicts(frame.select(list(SCHEMA)), len(verdicts), unknown, **counts)


def label_verdicts(pairs: pl.DataFrame, verdicts: pl.DataFrame) -> NDArray[np.int8]:
    """Return the majority verdict on each label: 1 right, -1 wrong, 0 undecided or not reviewed.

    Args:
        pairs: the pair table.
        verdicts: the frame of `match_verdicts` for these pairs.

    Returns:
        (pairs,) int8, as in `LabelEvidence.verdicts`.
    """
    sign = pl.col("verdict").replace_strict(
        {"keep": 1, "flip": -1}, default=0, return_dtype=pl.Int8
    )
    signs = majority_verdicts(verdicts).select("pair_id", sign=sign)
    joined = pairs.select("pair_id").join(signs, on="pair_id", how="left", maintain_order="left")
    labels: NDArray[np.int8] = joined["sign"].fill_null(0).to_numpy()
    return labels
