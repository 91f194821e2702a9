"""A finished run as one frame: texts, scores and fate of every pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.hashes import content_keys
from curate.data.table import DROP_STEP, rows_at
from curate.store.workspace import Workspace
from curate.write.manifest import data_folders
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


_LOOKED_AT = 512
_CANDIDATES = 4 * _LOOKED_AT


@dataclass(frozen=True)
class RunView:
    """What pages show of a run.

    Attributes:
        folder: of the run.
        manifest: as written.
        frame: one row a pair in the order of reading: pair columns, scores, `kept` (bool),
            drop_step, drop_reason, drop_code.
        numeric: score columns that hold numbers, in order.
    """

    folder: Path
    manifest: dict[str, Any]
    frame: pl.DataFrame
    numeric: list[str]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Whether each pair was kept, (pairs,)."""
        found: NDArray[np.bool_] = self.frame["kept"].to_numpy()
        return found

    @property
    def data_folders(self) -> tuple[Path, ...]:
        """The folders of the run's inputs, in which files of media are looked for."""
        return data_folders(self.manifest)

    @property
    def suspicion(self) -> tuple[str, bool] | None:
        """The score by which labels are doubted, and whether its large values are doubtful."""
        return next(((n, large) for n, large in SUSPICION if n in self.frame.columns), None)

    def most_suspicious(self, count: int) -> pl.DataFrame:
        """The pairs whose labels are doubted most; without a score for it the first dropped.

        Of several votes on the same answers that one which is doubted most.
        """
        # Numbers of rows are sorted, and not the rows, which would all come into memory. Columns by
        # name: an expression on the whole frame would first bring all of them into one form.
        if self.suspicion is None:
            return _once(self.frame, np.flatnonzero(~self.kept), count)
        name, large = self.suspicion
        doubt = self.frame[name].cast(pl.Float64).to_numpy() * (-1.0 if large else 1.0)
        doubt[self.frame["is_tie"].to_numpy() | ~np.isfinite(doubt)] = np.inf
        found = _once(self.frame, _lowest(doubt, _CANDIDATES), count)
        # Votes on the same answers may fill all of these.
        return found if len(found) == count else _once(self.frame, _lowest(doubt), count)


def _lowest(values: NDArray[np.float64], count: int | None = None) -> NDArray[np.int64]:
    """Places of the lowest finite values in their order: all, or at least `count` of them."""
    if count is not None and count < len(values):
        # A sort of all takes several times the memory of the scores.
        found = np.flatnonzero(values <= np.partition(values, count)[count])
    else:
        found = np.arange(len(values))
    found = found[np.isfinite(values[found])]
    order: NDArray[np.int64] = found[np.argsort(values[found], kind="stable")]
    return order


def _once(frame: pl.DataFrame, order: NDArray[np.int64], count: int) -> pl.DataFrame:
    """The first rows in an order, each prompt with the same two answers once."""
    start = 0
    found = frame.clear()
    while len(found) < count and start < len(order):
        # A few at a time: keys need the texts of the rows.
        found = pl.concat([found, rows_at(frame, order[start : start + _LOOKED_AT])])
        keys = content_keys(found).select("prompt", "low", "high")
        found = found.filter(keys.select(pl.struct(pl.all()).is_first_distinct()).to_series())
        start += _LOOKED_AT
    return found.head(count)


def load_view(folder: str | Path, workspace: Workspace | None = None) -> RunView:
    """The view of a finished run, whose texts lie in the workspace, by default in memory.

    Raises:
        CurateError: the folder holds no finished run.
    """
    run = RunFiles(folder)
    return make_view(run.folder, run.manifest, run.all_pairs(workspace), run.scores())


def make_view(
    folder: Path, manifest: dict[str, Any], pairs: pl.DataFrame, scores: pl.DataFrame
) -> RunView:
    """The view of a run whose pairs and scores are at hand, both in the order of reading."""
    own = [c for c in scores.columns if c not in pairs.columns]
    # Side by side, not by `with_columns`, which would copy the texts into one piece.
    kept = pairs[DROP_STEP].is_null().alias("kept")
    # By name: `select` would bring all scores, mapped in pieces of other lengths, into memory.
    frame = pairs.hstack([*(scores[name] for name in own), kept])
    numeric = [
        c for c, t in frame.schema.items() if "." in c and (t.is_numeric() or t == pl.Boolean)
    ]
    return RunView(folder, manifest, frame, numeric)


def sampled(frame: pl.DataFrame, most: int, seed: int = 0) -> pl.DataFrame:
    """At most `most` rows drawn at random, in their order."""
    if len(frame) <= most:
        return frame
    rows = np.sort(np.random.default_rng(seed).choice(len(frame), most, replace=False))
    return rows_at(frame, rows)
