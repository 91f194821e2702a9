"""The most suspicious pairs of a run, as a table and as HTML for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import polars as pl

from curate.report.page import render_fragment
from curate.report.pair_details import PairDetails, pairs_with_diff
from curate.report.run_view import RunView, as_read

_FRAME_HEIGHT = 640
"""Pixels of the frame in a notebook, which scrolls."""


@dataclass(frozen=True)
class SuspiciousPairs:
    """Pairs whose labels are doubted most, with the labels that were read.

    In a notebook they are shown with a word diff of the answers and what each source says of the
    label.

    Attributes:
        frame: one row a pair: pair columns and scores, the most suspicious first.
        details: the same pairs as the pages show them.
        score: the score by which they are ordered; None where the run has none, and the first
            dropped pairs are shown.
    """

    frame: pl.DataFrame
    details: tuple[PairDetails, ...]
    score: str | None

    @classmethod
    def from_view(cls, view: RunView, count: int) -> SuspiciousPairs:
        """Return the `count` most suspicious pairs of a run."""
        frame = as_read(view.most_suspicious(count))
        score = None if view.suspicion is None else view.suspicion[0]
        return cls(frame, tuple(pairs_with_diff(frame, view)), score)

    def __len__(self) -> int:
        return len(self.frame)

    def _repr_html_(self) -> str:
        page = render_fragment("notebook.html.j2", pairs=self.details, score=self.score)
        # A frame without scripts: styles of the notebook and of the pairs don't touch each other.
        return (
            f'<iframe sandbox title="Suspicious pairs" srcdoc="{escape(page)}" '
            f'style="width:100%;height:{_FRAME_HEIGHT}px;border:0"></iframe>'
        )
