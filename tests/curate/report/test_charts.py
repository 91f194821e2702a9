"""What the charts show equals what a loop over the pairs counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curate import CurateError, Pairs, Pipeline
from curate.auditing.audit_report import AuditReport
from curate.auditing.biases import LabelBiases
from curate.auditing.noise import GroupAgreement, NoiseFindings
from curate.auditing.trait_share import TraitShare
from curate.cli.saved_pages import write_saved_page
from curate.models.heads.noise.calibration import Calibration, ReliabilityBin
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.models.heads.noise.learnability import LearnabilityTest
from curate.models.heads.noise.pair_agreement import pair_agreement
from curate.models.heads.posterior.source_accuracy import SourceAccuracy
from curate.report import charts
from curate.report.build import report_html, write_report
from curate.report.run_view import RunView, load_view, sample_view_rows
from curate.report.word_diff import MAX_CHARACTERS, word_diff
from tests.curate.report.conftest import CONFIG, HOSTILE
from tests.helpers import audit_report, dataset_summary, numbered_pairs, pairs_of


def test_histograms_count_every_pair_once(run: Path) -> None:
    view = load_view(run)
    result = charts.score_histograms(view)
    assert set(result) == set(view.numeric)
    for name, bars in result.items():
        is_present = view.frame[name].is_not_null()
        assert sum(bars["kept_counts"]) == int((is_present & view.frame["kept"]).sum())
        assert sum(bars["dropped_counts"]) == int((is_present & ~view.frame["kept"]).sum())
        assert bars["missing"] == int((~is_present).sum())
        assert len(bars["edges"]) == len(bars["kept_counts"]) + 1 <= charts.MAX_BINS + 2


@pytest.mark.parametrize(("low", "high"), [(0.003, 0.998), (-3.2, 7.9), (12.0, 4711.0), (5.0, 5.0)])
def test_bins_begin_at_round_numbers_and_cover_the_range(low: float, high: float) -> None:
    edges = charts.bin_edges(low, high, is_whole=False)
    assert edges[0] <= low <= high <= edges[-1]
    assert len(edges) <= charts.MAX_BINS + 2
    width = edges[1] - edges[0]
    np.testing.assert_allclose(edges / width, np.round(edges / width), atol=1e-6)
    assert f"{width:e}"[0] in "125"


def test_whole_numbers_stand_in_the_middle_of_their_bins() -> None:
    assert charts.bin_edges(0, 1, is_whole=True).tolist() == [-0.5, 0.5, 1.5]
    edges = charts.bin_edges(1, 400, is_whole=True)
    assert (edges[1] - edges[0]) % 1 == 0
    assert edges[0] == 0.5
    assert edges[-1] > 400


def test_values_beyond_the_bins_are_counted_and_said(run: Path) -> None:
    view = load_view(run)
    values = np.linspace(0.0, 1.0, 40)
    values[0], values[-1] = -50.0, 80.0
    frame = view.frame.with_columns(pl.Series("lengths.log_ratio", np.tile(values, 25)[:40]))
    wide = RunView(view.folder, view.manifest, frame, ["lengths.log_ratio"])
    bars = charts.score_histograms(wide)["lengths.log_ratio"]
    assert sum(bars["kept_counts"]) + sum(bars["dropped_counts"]) == 40
    assert bars["beyond"] == sum((values < bars["edges"][0]) | (values > bars["edges"][-1]))


def test_bins_of_a_narrow_score_stay_even(tmp_path: Path) -> None:
    Pipeline(CONFIG).run(Pairs(numbered_pairs(50)), output=tmp_path / "r")
    view = load_view(tmp_path / "r")
    narrow = pl.Series("lengths.chosen", np.linspace(0.9965, 0.9999, 50))
    near = RunView(view.folder, view.manifest, view.frame.with_columns(narrow), ["lengths.chosen"])
    widths = np.diff(charts.score_histograms(near)["lengths.chosen"]["edges"])
    np.testing.assert_allclose(widths, widths.mean(), rtol=0.01)


def test_kinds_of_pairs_are_counted(run: Path) -> None:
    view = load_view(run)
    kind = pl.Series("disagreement.kind", ["flip", "taste", "taste", None] * 10)
    long = pl.Series("contamination.match", [f"prompt {i}" for i in range(40)])
    frame = view.frame.with_columns(kind, long, kind.alias("disagreement.status"))
    result = charts.category_shares(RunView(view.folder, view.manifest, frame, view.numeric))
    assert list(result) == ["disagreement.kind"]
    rows = result["disagreement.kind"]
    assert [(r["kind"], r["pairs"]) for r in rows] == [("taste", 20), ("flip", 10)]
    assert [r["share"] for r in rows] == pytest.approx([2 / 3, 1 / 3])
    kept_share = frame.filter(pl.col("disagreement.kind") == "flip")["kept"].mean()
    assert rows[1]["kept"] == pytest.approx(kept_share)


def test_length_bias(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "chosen": "x" * 40, "rejected": "x" * 10},
        {"prompt": "q", "chosen": "x" * 10, "rejected": "x" * 40},
        {"prompt": "r", "chosen": "x" * 20, "rejected": "x" * 10},
    ]
    filters = [{"type": "threshold", "column": "lengths.difference", "max": 10}]
    Pipeline(CONFIG | {"filters": filters}).run(Pairs(pairs_of(rows)), output=tmp_path / "r")
    view = load_view(tmp_path / "r")
    result = charts.length_bias_histograms(view)
    for side, longer in (("before", 2 / 3), ("after", 1 / 2)):
        assert sum(result[side]) == pytest.approx(1.0, abs=1e-3)
        shares = np.array(result[side])[np.array(result["edges"][:-1]) >= 0]
        assert shares.sum() == pytest.approx(longer, abs=1e-4)


def test_groups(run: Path) -> None:
    view = load_view(run)
    table = charts.group_rows(view, "annotator")
    assert [row["pairs"] for row in table] == [20, 20]
    for row in table:
        group_pairs = view.frame.filter(pl.col("annotator") == row["name"])
        assert row["kept"] == pytest.approx(group_pairs["kept"].mean())


def test_a_sample_keeps_the_order_and_is_the_same_each_time() -> None:
    frame = pl.DataFrame({"i": range(1000)})
    first = sample_view_rows(frame, 50)["i"].to_list()
    assert first == sorted(first) == sample_view_rows(frame, 50)["i"].to_list()
    assert len(set(first)) == 50
    assert sample_view_rows(frame, 5000).equals(frame)


def test_points_are_bounded_and_belong_to_their_pairs(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "MAX_POINTS", 10)
    view = load_view(run)
    result = charts.scatter_points(view)
    assert (len(result["id"]), result["total"]) == (10, 40)
    for at, pair_id in enumerate(result["id"]):
        row = view.frame.row(by_predicate=pl.col("pair_id") == pair_id, named=True)
        assert result["kept"][at] == row["kept"]
        assert result["scores"]["lengths.chosen"][at] == pytest.approx(
            row["lengths.chosen"], rel=1e-3
        )
        assert len(result["chosen"][at]) <= 501


def test_word_diff_marks_what_differs_and_escapes() -> None:
    chosen_html, right = word_diff("the <b>old</b> cat", "the <b>new</b> cat")
    assert chosen_html == "the &lt;b&gt;<ins>old</ins>&lt;/b&gt; cat"
    assert right == "the &lt;b&gt;<del>new</del>&lt;/b&gt; cat"
    same, _ = word_diff("equal", "equal")
    assert "<" not in same
    cut, _ = word_diff("x" * (MAX_CHARACTERS + 5), "")
    assert "5 more characters" in cut


def test_what_is_not_marked_is_the_same_in_both() -> None:
    import re

    rng = np.random.default_rng(0)
    for _ in range(20):
        texts = [" ".join(rng.choice(["a", "b", "c,"], size=40)) + " " for _ in range(2)]
        first, second = (re.sub(r"<(ins|del)>.*?</\1>", "", str(s)) for s in word_diff(*texts))
        assert first.split() == second.split()
    # Repeated words take difflib 20 seconds.
    same, _ = word_diff("a b " * 1000, "b a " * 1000)
    assert same == "a b " * 999 + "a <ins>b </ins>"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_diff_gives_back_the_text(text: str) -> None:
    import html
    import re

    chosen_html, _ = word_diff(text[:3000], "an other answer")
    assert html.unescape(re.sub(r"</?(del|ins)>", "", str(chosen_html))) == text[:3000]


def test_texts_cannot_leave_their_place_in_the_page(run: Path) -> None:
    page = report_html(load_view(run))
    assert "<script>window.hacked" not in page
    assert page.count("</script>") == 3  # data, plotting library, ours
    start = page.index('id="data">') + len('id="data">')
    data = json.loads(page[start : page.index("</script>", start)])
    assert any("<script>" in text for text in data["points"]["prompt"])


def test_a_report_of_a_run_without_scores_or_pairs(tmp_path: Path) -> None:
    Pipeline({"store": None}).run(Pairs(numbered_pairs(3)), output=tmp_path / "plain")
    assert (tmp_path / "plain" / "report.html").stat().st_size > 1_000_000
    config = {"filters": [{"type": "expression", "drop": "TRUE"}], "store": None}
    Pipeline(config).run(Pairs(numbered_pairs(3)), output=tmp_path / "none")
    page = (tmp_path / "none" / "report.html").read_text()
    assert "<strong>3</strong> pairs read" in page
    assert "<strong>0</strong> kept" in page


def test_a_report_can_be_left_out_and_made_later(tmp_path: Path) -> None:
    config = {"output": {"report": False}, "store": None}
    Pipeline(config).run(Pairs(numbered_pairs(3)), output=tmp_path / "run")
    assert not (tmp_path / "run" / "report.html").exists()
    assert write_report(tmp_path / "run").exists()
    with pytest.raises(CurateError, match="not a finished run"):
        write_report(tmp_path)


def test_an_audit_as_a_page(tmp_path: Path) -> None:
    agreement = pair_agreement(np.array([1.0, 1.0, -1.0]))
    result = audit_report(
        noise=NoiseFindings(
            learnt=LearnabilityTest(agreement, 2, 1, 0.5),
            calibration=Calibration(3, 0.7, 1.1, 0.6, 0.1, 0.02),
            reliability_curve=(ReliabilityBin(0.6, 0.6, 10),),
            estimate=NoiseEstimate(None, 0.0, 0.21, "at most 21 % (by <b>heads</b>)"),
            evidence=(SourceAccuracy("<s>judge</s>", 90, 0.8, 0.75, 0.84),),
            by_annotator=(GroupAgreement("<i>ann</i>", agreement),),
        ),
        data=dataset_summary(pairs=3, distinct_prompts=2, annotators={"<b>": 3}),
        biases=LabelBiases((TraitShare("<u>length</u>", 40, 0.9, 0.8, 0.95),)),
    )
    (tmp_path / "audit.json").write_text(json.dumps(result.to_json()))
    assert AuditReport.from_json(json.loads((tmp_path / "audit.json").read_text())) == result
    page = write_saved_page(tmp_path / "audit.json").read_text()
    assert "&lt;s&gt;judge&lt;/s&gt;" in page
    assert "75.0% - 84.0%" in page
    assert "at most 21 % (by &lt;b&gt;heads&lt;/b&gt;)" in page
    assert "&lt;i&gt;ann&lt;/i&gt;" in page
    assert "<i>ann" not in page
    assert "<u>length" not in page
    # Sentences first, tables and no JSON.
    assert page.index('id="verdict"') < page.index('id="noise"')
    assert "3 pairs over 2 prompts" in page
    assert "{&#34;" not in page
    assert "80.0% - 95.0%" in page
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(CurateError, match="no findings"):
        write_saved_page(tmp_path / "other.json")


@pytest.mark.slow
def test_the_noise_section_and_the_map(learned: Path) -> None:
    page = (learned / "report.html").read_text()
    assert "From <code>label_em.margin</code>" in page
    # One number for one thing: what the scorer measured on all pairs is what the page says.
    (agreement,) = (
        step.facts["learnt"]["agreement"]["text"]
        for step in load_view(learned).manifest.steps
        if step.name == "label_em"
    )
    assert agreement in page
    places = pl.read_parquet(learned / "prompt_map.parquet")
    is_present = load_view(learned).frame["pair_id"]
    assert places["pair_id"].is_in(is_present.to_list()).all()
    assert np.isfinite(places.select("x", "y").to_numpy()).all()
