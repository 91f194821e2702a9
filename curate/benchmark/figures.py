"""Charts of a bench in notebooks, as Plotly figures."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from curate.benchmark.summary import MethodResult
from curate.report.figures import DROPPED_COLOUR, KEPT_COLOUR

_COLOURS = {"helps": KEPT_COLOUR, "harms": DROPPED_COLOUR, "not shown": "#56616e"}


def gains_figure(results: Sequence[MethodResult]) -> go.Figure:
    """Return the gain of each step over keeping all pairs, in points, with 95 % intervals."""
    figure = go.Figure()
    for name, colour in _COLOURS.items():
        group = [r for r in results if _verdict_group(r) == name]
        gains = [100.0 * r.gain for r in group]
        upper = [100.0 * ((r.gain_high or r.gain) - r.gain) for r in group]
        lower = [100.0 * (r.gain - (r.gain_low or r.gain)) for r in group]
        if group:
            figure.add_scatter(
                x=gains,
                y=[r.method for r in group],
                error_x={"type": "data", "symmetric": False, "array": upper, "arrayminus": lower},
                mode="markers",
                name=name,
                marker={"color": colour, "size": 9},
            )
    figure.add_vline(x=0.0, line_width=1)
    figure.update_layout(
        xaxis_title="gain over keeping all, points", height=130 + 28 * len(results), showlegend=True
    )
    return figure


def _verdict_group(result: MethodResult) -> str:
    return result.verdict if result.verdict in ("helps", "harms") else "not shown"
