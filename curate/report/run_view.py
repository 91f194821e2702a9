"""A finished run as one frame: texts, scores and fate of every pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import content_keys
from curate.data.table import DROP_CODE, DROP_STEP, gather_pairs
from curate.steps.posterior import JUDGED
from curate.steps.relabel import FLIPPED, swap_answers
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
POSTERIORS = ("noise_score.posterior", "label_em.posterior")
"""Probabilities that a label is right, as the score that doubts labels first gives them."""

MERGED = "_merged"
"""End of the drop code of a vote that a filter merged into another pair: nothing of it is lost."""
_BATCH_ROWS = 512
_CANDIDATE_ROWS = 4 * _BATCH_ROWS


@dataclass(frozen=True)
class RunView:
    """What pages show of a run.

    Attributes:
        folder: the run's folder.
        manifest: the run's manifest.
        frame: one row a pair in the order of reading: pair columns, scores, `kept` (bool),
            `flipped` (bool: the label is no longer the one that was read), drop_step, drop_reason,
            drop_code.
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
    def merged_mask(self) -> NDArray[np.bool_]:
        """Return whether each pair is a vote that was merged into another pair, (pairs,)."""
        merged: NDArray[np.bool_] = (
            self.frame[DROP_CODE].str.ends_with(MERGED).fill_null(False).to_numpy()
        )
        return merged

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

    def suspected_labels(self) -> int | None:
        """Return how many labels the run's posterior calls more likely wrong than right.

        None without a posterior.
        """
        name = next((n for n in POSTERIORS if n in self.frame.columns), None)
        return None if name is None else int((self.frame[name] < 0.5).sum())

    def most_suspicious(self, count: int) -> pl.DataFrame:
        """Return the pairs whose labels are doubted most; without a score for it the first dropped.

        Each prompt with the same two answers once. Merged votes and reviewed pairs are left out:
        the pair into which a vote went stands for it, and of a reviewed label nothing is in doubt.
        """
        # Numbers of rows are sorted, and not the rows, which would all come into memory. Columns by
        # name: an expression on the whole frame would first bring all of them into one form.
        if self.suspicion is None:
            dropped = np.flatnonzero(~self.kept_mask & ~self.merged_mask)
            return _distinct_pairs(self.frame, dropped, count)
        name, large = self.suspicion
        suspicion = self.frame[name].cast(pl.Float64).to_numpy() * (-1.0 if large else 1.0)
        suspicion[self._undoubted_mask(name) | ~np.isfinite(suspicion)] = np.inf
        pairs = _distinct_pairs(self.frame, _rows_of_lowest(suspicion, _CANDIDATE_ROWS), count)
        # Votes on the same answers may fill all of these.
        return (
            pairs
            if len(pairs) == count
            else _distinct_pairs(self.frame, _rows_of_lowest(suspicion), count)
        )

    def _undoubted_mask(self, column: str) -> NDArray[np.bool_]:
        """Return which pairs a list by a score of suspicion leaves out, (pairs,)."""
        mask = self.frame["is_tie"].to_numpy() | self.merged_mask
        status = f"{column.rpartition('.')[0]}.status"
        if status in self.frame.columns:
            mask = mask | (self.frame[status] == JUDGED).fill_null(False).to_numpy()
        return mask


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
    is_flipped = pl.Series("flipped", _flipped_mask(manifest, scores) & is_kept.to_numpy())
    # By name: `select` would bring all scores, mapped in pieces of other lengths, into memory.
    frame = pairs.hstack([*(scores[name] for name in score_names), is_kept, is_flipped])
    numeric = [
        c for c, t in frame.schema.items() if "." in c and (t.is_numeric() or t == pl.Boolean)
    ]
    return RunView(folder, manifest, frame, numeric)


def _flipped_mask(manifest: RunManifest, scores: pl.DataFrame) -> NDArray[np.bool_]:
    """Return whether the filters of a run flipped each label, (pairs,)."""
    flipped = np.zeros(len(scores), dtype=bool)
    for step in manifest.steps:
        name = f"{step.name}.{FLIPPED.name}"
        if step.kind == "filter" and name in scores.columns:
            # Two flips restore the label.
            flipped ^= scores[name].fill_null(False).to_numpy()
    return flipped


def as_read(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a view with the labels that were read, which the scores are about."""
    return rows.with_columns(swap_answers(rows, rows["flipped"]))


def sample_view_rows(frame: pl.DataFrame, max_rows: int, seed: int = 0) -> pl.DataFrame:
    """Return at most `max_rows` random rows, in their order."""
    if len(frame) <= max_rows:
        return frame
    rows = np.sort(np.random.default_rng(seed).choice(len(frame), max_rows, replace=False))
    return gather_pairs(frame, rows)
