"""Charts of a run in notebooks, as Plotly figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go
import polars as pl

from curate.report.charts import score_histogram
from curate.report.run_view import POSTERIORS, SUSPICION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT_COLOUR, DROPPED_COLOUR = "#1769aa", "#a84c18"
_PROBABILITIES = (*POSTERIORS, SUSPICION[0][0])


def score_figure(values: pl.Series, kept_mask: NDArray[np.bool_]) -> go.Figure:
    """Return a histogram of a score for kept and removed pairs; probabilities have a 50 % line.

    Args:
        values: (pairs,) a numeric score, whose name labels the axis.
        kept_mask: (pairs,) whether each pair was kept.
    """
    figure = go.Figure()
    bars = score_histogram(values, kept_mask)
    if bars is not None:
        middles = [(a + b) / 2 for a, b in zip(bars.edges, bars.edges[1:], strict=False)]
        for name, counts, colour in (
            ("kept", bars.kept_counts, KEPT_COLOUR),
            ("removed", bars.dropped_counts, DROPPED_COLOUR),
        ):
            figure.add_bar(x=middles, y=counts, name=name, marker={"color": colour})
    if values.name in _PROBABILITIES:
        figure.add_vline(x=0.5, line_dash="dot", annotation_text="50 %")
    figure.update_layout(
        barmode="stack", bargap=0.05, xaxis_title=values.name, yaxis_title="pairs", height=360
    )
    return figure
