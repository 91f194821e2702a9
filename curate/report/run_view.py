"""A finished run as one frame: texts, scores and fate of every pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import content_keys
from curate.data.table import DROP_STEP, gather_pairs
from curate.store.scratch import ScratchSpace
from curate.write.manifest import RunManifest
from curate.write.run_files import RunFiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUSPICION = (
    ("noise_score.score", True),
    ("label_em.posterior", False),
    ("judge.margin", False),
    ("reward_model.margin", False),
    ("committee.votes", False),
    ("reward_margin.margin", False),
    ("crm.loss_mean", True),
)
"""Scores by which a label is doubted, the best first, and whether large values are doubtful."""


_BATCH_ROWS = 512
_CANDIDATE_ROWS = 4 * _BATCH_ROWS


@dataclass(frozen=True)
class RunView:
    """What pages show of a run.

    Attributes:
        folder: the run's folder.
        manifest: the run's manifest.
        frame: one row a pair in the order of reading: pair columns, scores, `kept` (bool),
            drop_step, drop_reason, drop_code.
        numeric: score columns that hold numbers, in order.
    """

    folder: Path
    manifest: RunManifest
    frame: pl.DataFrame
    numeric: list[str]

    @property
    def kept_mask(self) -> NDArray[np.bool_]:
        """Return whether each pair was kept, (pairs,)."""
        kept_mask: NDArray[np.bool_] = self.frame["kept"].to_numpy()
        return kept_mask

    @property
    def data_folders(self) -> tuple[Path, ...]:
        """Return the folders of the run's inputs, in which files of media are looked for."""
        return self.manifest.data_folders

    @property
    def suspicion(self) -> tuple[str, bool] | None:
        """Return the score by which labels are doubted, and whether its large values are
        doubtful.
        """
        return next(((n, large) for n, large in SUSPICION if n in self.frame.columns), None)

    def most_suspicious(self, count: int) -> pl.DataFrame:
        """Return the pairs whose labels are doubted most; without a score for it the first dropped.

        Of several votes on the same answers that one which is doubted most.
        """
        # Numbers of rows are sorted, and not the rows, which would all come into memory. Columns by
        # name: an expression on the whole frame would first bring all of them into one form.
        if self.suspicion is None:
            return _distinct_pairs(self.frame, np.flatnonzero(~self.kept_mask), count)
        name, large = self.suspicion
        suspicion = self.frame[name].cast(pl.Float64).to_numpy() * (-1.0 if large else 1.0)
        suspicion[self.frame["is_tie"].to_numpy() | ~np.isfinite(suspicion)] = np.inf
        pairs = _distinct_pairs(self.frame, _rows_of_lowest(suspicion, _CANDIDATE_ROWS), count)
        # Votes on the same answers may fill all of these.
        return (
            pairs
            if len(pairs) == count
            else _distinct_pairs(self.frame, _rows_of_lowest(suspicion), count)
        )


def _rows_of_lowest(values: NDArray[np.float64], count: int | None = None) -> NDArray[np.int64]:
    """Return places of the lowest finite values in their order: all, or at least `count` of
    them.
    """
    if count is not None and count < len(values):
        # A sort of all takes several times the memory of the scores.
        rows = np.flatnonzero(values <= np.partition(values, count)[count])
    else:
        rows = np.arange(len(values))
    rows = rows[np.isfinite(values[rows])]
    order: NDArray[np.int64] = rows[np.argsort(values[rows], kind="stable")]
    return order


def _distinct_pairs(frame: pl.DataFrame, order: NDArray[np.int64], count: int) -> pl.DataFrame:
    """Return the first rows in an order, each prompt with the same two answers once."""
    start = 0
    pairs = frame.clear()
    while len(pairs) < count and start < len(order):
        # A few at a time: keys need the texts of the rows.
        pairs = pl.concat([pairs, gather_pairs(frame, order[start : start + _BATCH_ROWS])])
        keys = content_keys(pairs).select("prompt", "low", "high")
        pairs = pairs.filter(keys.select(pl.struct(pl.all()).is_first_distinct()).to_series())
        start += _BATCH_ROWS
    return pairs.head(count)


def load_view(folder: str | Path, scratch: ScratchSpace | None = None) -> RunView:
    """Return the view of a finished run, with texts in scratch space, by default in memory.

    Raises:
        CurateError: the folder holds no finished run.
    """
    run = RunFiles(folder)
    return make_view(run.folder, run.manifest, run.all_pairs(scratch), run.scores())


def make_view(
    folder: Path, manifest: RunManifest, pairs: pl.DataFrame, scores: pl.DataFrame
) -> RunView:
    """Return the view of a run from its pairs and scores, both in the order of reading."""
    score_names = [c for c in scores.columns if c not in pairs.columns]
    # Side by side, not by `with_columns`, which would copy the texts into one piece.
    is_kept = pairs[DROP_STEP].is_null().alias("kept")
    # By name: `select` would bring all scores, mapped in pieces of other lengths, into memory.
    frame = pairs.hstack([*(scores[name] for name in score_names), is_kept])
    numeric = [
        c for c, t in frame.schema.items() if "." in c and (t.is_numeric() or t == pl.Boolean)
    ]
    return RunView(folder, manifest, frame, numeric)


def sample_view_rows(frame: pl.DataFrame, max_rows: int, seed: int = 0) -> pl.DataFrame:
    """Return at most `max_rows` random rows, in their order."""
    if len(frame) <= max_rows:
        return frame
    rows = np.sort(np.random.default_rng(seed).choice(len(frame), max_rows, replace=False))
    return gather_pairs(frame, rows)
