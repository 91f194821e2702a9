"""What the report says of labels: which are listed, in which orientation, and by what they fall."""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import pytest

from curate import Pairs, Pipeline
from curate.data.table import messages_text
from curate.report.build import report_html
from curate.report.posterior_sources import PosteriorSource, label_sources
from curate.report.run_view import RunView, as_read, load_view
from curate.steps.step_record import StepRecord
from tests.helpers import pairs_of

FILTERS = [
    {"type": "consensus"},
    {"type": "flip_where", "condition": "`lengths.chosen` > 8"},
    {"type": "threshold", "column": "lengths.chosen", "min": 3},
]


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    """Return a run of six pairs: two votes on one, a flipped, a dropped, a reviewed one."""
    rows = [
        {"prompt": "a", "chosen": "four", "rejected": "five", "annotator": "ann"},
        {"prompt": "a", "chosen": "four", "rejected": "five", "annotator": "ben"},
        {"prompt": "b", "chosen": "a long answer", "rejected": "short"},
        {"prompt": "c", "chosen": "no", "rejected": "dropped one"},
        {"prompt": "d", "chosen": "fine", "rejected": "reviewed"},
        {"prompt": "e", "chosen": "well", "rejected": "badly"},
    ]
    folder = tmp_path_factory.mktemp("suspicious") / "run"
    config = {"scorers": [{"type": "lengths"}], "filters": FILTERS, "store": None}
    Pipeline(config).run(Pairs(pairs_of(rows)), output=folder)
    view = load_view(folder)
    frame = view.frame.with_columns(
        pl.Series("noise_score.score", [0.9, 0.8, 0.7, 0.6, 1.0, 0.1]),
        pl.Series("noise_score.posterior", [0.1, 0.2, 0.3, 0.4, 0.0, 0.9]),
        pl.Series("noise_score.heads", [-1.0] * 6),
        pl.Series("noise_score.votes", [0.0] * 6),
        pl.Series("noise_score.evidence", [-2.2] * 6),
        pl.Series("noise_score.evidence_judge_margin", [-2.5] * 6),
        pl.Series("noise_score.evidence_file", [0.3] * 6),
        pl.Series("noise_score.status", ["ok", "ok", "ok", "ok", "judged", "ok"]),
    )
    return RunView(view.folder, view.manifest, frame, [*view.numeric, "noise_score.score"])


def test_merged_is_not_dropped(view: RunView) -> None:
    page = report_html(view)
    rows = re.findall(r'<th scope="row">(\w+)</th>(.*?)</tr>', page, re.DOTALL)
    cells = {name: re.findall(r'<td class="n">(.*?)</td>', html) for name, html in rows}
    # Pairs in, merged, dropped, labels flipped, pairs out.
    assert cells["consensus"] == ["6", "1", "", "", "5"]
    assert cells["flip_where"] == ["5", "", "", "1", "5"]
    assert cells["threshold"] == ["5", "", "1", "", "4"]
    for count, name in (("1", "votes merged"), ("1", "dropped"), ("1", "labels flipped")):
        assert f"<li><strong>{count}</strong> {name}</li>" in page


def test_one_entry_a_pair_without_merged_votes_and_reviewed_pairs(view: RunView) -> None:
    listed = view.most_suspicious(20)
    # The kept vote on "a" stands for both; the reviewed "d" is in no doubt.
    assert len(listed) == 4
    assert listed["noise_score.score"].is_sorted(descending=True)
    assert "judged" not in listed["noise_score.status"].to_list()
    assert listed["drop_code"].drop_nulls().to_list() == ["threshold_min"]
    assert view.suspected_labels() == 5


def test_labels_are_shown_as_they_were_read(view: RunView) -> None:
    flipped = view.frame.filter(pl.col("flipped"))
    assert flipped.select(messages_text("chosen")).item() == "short"
    before = as_read(flipped)
    assert before["rejected"].to_list() == flipped["chosen"].to_list()
    assert as_read(view.frame.filter(~pl.col("flipped")))["chosen"].to_list() == (
        view.frame.filter(~pl.col("flipped"))["chosen"].to_list()
    )


def test_the_posterior_with_its_sources(view: RunView) -> None:
    label = label_sources(view.frame.row(2, named=True), view)
    assert label is not None
    assert (label.right, label.is_reviewed) == (0.3, False)
    named = {source.name: source for source in label.sources}
    # No step of this run recorded what a label is worth by itself.
    assert list(named) == ["probe models", "other votes", "judge margin", "file"]
    assert named["judge margin"].verdict == "against it"
    assert named["file"].verdict == "for the label"
    assert named["other votes"].verdict == "says nothing"
    assert PosteriorSource("far", 99.0).width == 100.0
    reviewed = label_sources(view.frame.row(4, named=True), view)
    assert reviewed is not None
    assert reviewed.is_reviewed
    assert label_sources({"lengths.chosen": 3}, view) is None


def test_warnings_stand_under_their_step(view: RunView) -> None:
    steps = [
        StepRecord("a", "score", 1, 1, 0.0, {}, ("'a': <mild>",), ()),
        StepRecord("b", "filter", 1, 1, 0.0, {}, (), ("'b': first\nmore\nlines",)),
    ]
    manifest = replace(view.manifest, steps=steps)
    page = report_html(RunView(view.folder, manifest, view.frame, view.numeric))
    assert "<strong>a</strong>: 1 warning</summary>" in page
    assert "<p>&lt;mild&gt;</p>" in page
    assert "<strong>b</strong>: 1 warning, read before you train</summary>" in page
    assert "<p>first</p><pre>more\nlines</pre>" in page
