"""What results show of themselves in a notebook: tables, suspicious pairs, charts."""

from __future__ import annotations

import html
from pathlib import Path

import polars as pl
import pytest

import curate
from curate import CurateError
from curate.benchmark.figures import gains_figure
from curate.benchmark.report import BenchReport
from curate.benchmark.summary import MethodResult
from tests.curate.report.conftest import CONFIG, HOSTILE, looked_at
from tests.helpers import numbered_pairs


def flipped_run(output: Path | None) -> curate.Result:
    """Return a run that flips some labels, and drops some pairs."""
    filters = [
        {"type": "flip_where", "condition": "`lengths.chosen` > 20"},
        {"type": "threshold", "column": "lengths.chosen", "min": 17},
    ]
    pipeline = curate.Pipeline(CONFIG | {"filters": filters})
    return pipeline.run(curate.Pairs(looked_at()), output=output)


def test_pairs_show_their_beginning_and_escape() -> None:
    markup = curate.Pairs(looked_at(), rows_read=40)._repr_html_()
    assert "40 from 40 rows" in markup
    assert html.escape(HOSTILE[0]) in markup
    assert "<script>" not in markup
    assert curate.Pairs(numbered_pairs(0))._repr_html_()


@pytest.mark.parametrize("is_written", [True, False])
def test_suspicious_pairs_are_the_same_from_memory_and_from_a_folder(
    tmp_path: Path, is_written: bool
) -> None:
    result = flipped_run(tmp_path / "run" if is_written else None)
    listed = result.suspicious_pairs(5)
    # Without a score of label noise these are the first dropped pairs.
    assert listed.score is None
    assert len(listed) == 5
    assert listed.frame["pair_id"].to_list() == result.dropped["pair_id"].head(5).to_list()
    page = listed._repr_html_()
    assert page.startswith("<iframe sandbox ")
    assert "<script>" not in html.unescape(page)
    assert all(pair_id in page for pair_id in listed.frame["pair_id"])


def test_a_score_is_plotted_for_kept_and_removed_pairs() -> None:
    result = flipped_run(None)
    figure = result.plot_scores("lengths.rejected")
    counts = tuple(sum(trace.y) for trace in figure.data)
    assert counts == (result.rows_kept, result.rows_dropped)
    assert figure.layout.xaxis.title.text == "lengths.rejected"
    assert result.plot_scores().layout.xaxis.title.text == "lengths.prompt"
    with pytest.raises(CurateError, match="no such score to plot"):
        result.plot_scores("lengths.missing")
    with pytest.raises(CurateError, match="a run with a scorer"):
        curate.Pipeline({}).run(numbered_pairs(3)).plot_scores()


def test_a_posterior_has_the_50_percent_line() -> None:
    values = pl.Series("noise_score.posterior", [0.1, 0.9, None])
    from curate.report.figures import score_figure

    figure = score_figure(values, values.is_not_null().to_numpy())
    assert [shape.x0 for shape in figure.layout.shapes] == [0.5]
    assert sum(figure.data[0].y) == 2
    assert score_figure(values.clear().cast(pl.Float64), values.clear().is_null().to_numpy())


def test_gains_are_plotted_with_their_intervals() -> None:
    rows = [
        MethodResult(
            "d", "as labelled", 0.0, name, gain=gain, gain_low=gain - 0.01, gain_high=gain + 0.02,
            verdict=verdict,
        )
        for name, gain, verdict in (("a", 0.03, "helps"), ("b", -0.02, "harms"), ("c", 0.0, None))
    ]  # fmt: skip
    figure = gains_figure(rows)
    assert [trace.name for trace in figure.data] == ["helps", "harms", "not shown"]
    first = figure.data[0]
    assert (first.x[0], first.error_x.array[0]) == (pytest.approx(3.0), pytest.approx(2.0))
    empty = BenchReport.__new__(BenchReport)
    object.__setattr__(empty, "advice", [])
    with pytest.raises(CurateError, match="no step was tested"):
        empty.plot_gains()
