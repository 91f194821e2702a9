"""The rate by judged pairs holds on simulated labels, whatever the predictions are worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate import audit, read_pairs
from curate.auditing.gold import Stratum, audit_gold, estimate_gold_rate
from curate.cli.app import app
from curate.errors import CurateError
from curate.people.sampling import draw_sample, read_sample
from tests.helpers import numbered_pairs, write_jsonl

PAIRS, JUDGED, TRIALS = 4000, 100, 200


def predictions(wrong: np.ndarray, worth: float, rng: np.random.Generator) -> np.ndarray:
    """Probabilities that tell wrong labels by `worth` standard deviations."""
    return 1.0 / (1.0 + np.exp(-(worth * (2.0 * wrong - 1.0) + rng.normal(size=len(wrong)))))


def trial(rate: float, worth: float, sampling: str, seed: int) -> tuple[float, float, float]:
    rng = np.random.default_rng(seed)
    wrong = (rng.random(PAIRS) < rate).astype(float)
    f = predictions(wrong, worth, rng)
    pairs = pl.DataFrame({"pair_id": [str(i) for i in range(PAIRS)], "is_tie": [False] * PAIRS})
    sample = draw_sample(pairs, pl.Series(f), JUDGED, sampling, 10_000 + seed)  # type: ignore[arg-type]
    drawn_ids = sample.filter("drawn")["pair_id"]
    verdicts = pl.DataFrame(
        {"pair_id": drawn_ids, "verdict": ["flip" if wrong[int(i)] else "keep" for i in drawn_ids]}
    )
    estimate = audit_gold(pairs, f, verdicts, sample)
    assert estimate.judged_pairs == JUDGED
    return float(wrong.mean()), estimate.low, estimate.high


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["random", "stratified"])
@pytest.mark.parametrize("worth", [0.0, 1.0])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.1, 0.2, 0.4])
def test_the_interval_holds_the_truth(rate: float, worth: float, sampling: str) -> None:
    result = [trial(rate, worth, sampling, seed) for seed in range(TRIALS)]
    covered = np.mean([low <= true <= high for true, low, high in result])
    assert covered >= 0.93, covered


def test_good_predictions_make_it_narrower() -> None:
    def width(worth: float, sampling: str) -> float:
        result = [trial(0.2, worth, sampling, seed) for seed in range(40)]
        return float(np.mean([high - low for _, low, high in result]))

    plain, helped, strata = width(0.0, "random"), width(1.5, "random"), width(1.5, "stratified")
    assert helped < 0.8 * plain
    assert strata < 0.9 * plain


def test_a_plain_sample_is_clopper_pearson_where_errors_are_few() -> None:
    wrong = np.array([1.0] * 2 + [0.0] * 98)
    estimate = estimate_gold_rate([Stratum(10_000, wrong, np.full(100, 0.5), 0.5)])
    assert estimate.rate == pytest.approx(0.02)
    assert (estimate.low, estimate.high) == pytest.approx((0.00243, 0.07038), abs=1e-4)
    none = estimate_gold_rate([Stratum(10_000, np.zeros(100), np.full(100, 0.5), 0.5)])
    assert none.rate is None
    assert none.high == pytest.approx(0.0362, abs=1e-3)
    assert none.text == "at most 3.6% (from 100 reviewed pairs of 10,000)"


def test_strata_are_drawn_by_the_spread_of_their_labels() -> None:
    suspicion = np.linspace(0.0, 0.5, 1000)
    pairs = numbered_pairs(1000)
    sample = draw_sample(pairs, pl.Series(suspicion), 100, "stratified", 0)
    counts = sample.group_by("stratum").agg(pl.col("drawn").sum(), pl.len()).sort("stratum")
    assert counts["len"].to_list() == [200] * 5
    assert counts["drawn"].sum() <= 100
    assert counts["drawn"].is_sorted()
    assert counts["drawn"].min() >= 5  # type: ignore[operator]
    with pytest.raises(CurateError, match="strata need a score"):
        draw_sample(pairs, None, 100, "stratified", 0)
    with pytest.raises(CurateError, match="too small for strata"):
        draw_sample(pairs, pl.Series(suspicion), 10, "stratified", 0)


def test_from_a_run_to_a_rate(tmp_path: Path) -> None:
    """route --random, verdicts as review writes them, audit --gold --sample."""
    run = CliRunner()
    rows = [
        {"prompt": f"question {i}", "chosen": f"a good answer {i}", "rejected": f"bad {i}"}
        for i in range(120)
    ]
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    (tmp_path / "p.yaml").write_text(
        f"input: {{path: {data}}}\noutput: {{path: {tmp_path / 'out'}, report: false}}\n"
    )
    assert run.invoke(app, ["run", str(tmp_path / "p.yaml")]).exit_code == 0
    to = str(tmp_path / "drawn")
    drawn_ids = run.invoke(app, ["route", str(tmp_path / "out"), "--random", "40", "-o", to])
    assert drawn_ids.exit_code == 0, drawn_ids.output
    sample = pl.read_parquet(tmp_path / "drawn" / "sample.parquet")
    ids = sample.filter("drawn")["pair_id"].to_list()
    assert len(ids) == 40
    votes = [
        {"pair_id": pair_id, "reviewer": "me", "verdict": "flip" if i < 10 else "keep"}
        for i, pair_id in enumerate(ids)
    ]
    gold = write_jsonl(tmp_path / "gold.jsonl", votes)
    output = str(tmp_path / "audit.json")
    arguments = ["audit", str(data), "--gold", str(gold), "--sample", to, "-o", output]
    result = run.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    estimate = json.loads(Path(output).read_text())["gold"]
    assert estimate["judged"] == 40
    assert estimate["of"] == 120
    assert estimate["low"] < 0.25 < estimate["high"]
    assert "estimated: Wrong labels: 25.0%" in result.output


def test_gold_may_be_a_column_of_the_data_or_a_file(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"question {i}", "chosen": f"a good answer {i}", "rejected": f"bad {i}"}
        | ({"expert": "wrong" if i < 5 else "right"} if i < 20 else {})
        for i in range(60)
    ]
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    output = str(tmp_path / "audit.json")
    done = CliRunner().invoke(app, ["audit", str(data), "--gold", "extra.expert", "-o", output])
    assert done.exit_code == 0, done.output
    by_column = json.loads(Path(output).read_text())["gold"]
    assert (by_column["judged"], by_column["rate"]) == (20, pytest.approx(0.25))
    assert "if the reviewed pairs were drawn at random" in by_column["text"]
    ids = read_pairs(data).frame["pair_id"][:20]
    verdicts = [{"pair_id": i, "verdict": "flip" if n < 5 else "keep"} for n, i in enumerate(ids)]
    result = audit(data, gold=str(write_jsonl(tmp_path / "gold.jsonl", verdicts)), store=None)
    assert result.gold.rate == by_column["rate"]


def test_verdicts_on_other_data_are_refused() -> None:
    verdicts = pl.DataFrame({"pair_id": ["nowhere"], "verdict": ["keep"]})
    with pytest.raises(CurateError, match="no verdict on a sampled pair"):
        audit_gold(numbered_pairs(5), np.full(5, 0.2), verdicts)


def verdicts_at(
    sample: pl.DataFrame, places: list[int], words: list[str] | None = None
) -> pl.DataFrame:
    """Verdicts on these places of the draw."""
    ids = dict(sample.filter("drawn").select("order", "pair_id").iter_rows())
    verdict_words = words or ["keep"] * len(places)
    return pl.DataFrame(
        {"pair_id": [ids[i] for i in places], "verdict": verdict_words, "blind": True}
    )


def ids_of(count: int) -> pl.DataFrame:
    ids = [str(i) for i in range(count)]
    return pl.DataFrame({"pair_id": ids, "is_tie": [False] * count})


@pytest.mark.parametrize("count", [1, 5, 9])
def test_too_few_verdicts_give_no_rate(count: int) -> None:
    pairs = ids_of(1000)
    sample = draw_sample(pairs, None, 100, "random", 0)
    estimate = audit_gold(
        pairs, np.full(1000, 0.3), verdicts_at(sample, list(range(count))), sample
    )
    assert (estimate.rate, estimate.low, estimate.high) == (None, None, None)
    assert estimate.text.startswith(f"no rate: {count} of 100 pairs are reviewed")
    assert estimate.text.endswith("Continue: curate review DRAWN")


def test_the_first_of_a_draw_are_a_smaller_sample() -> None:
    pairs = ids_of(1000)
    sample = draw_sample(pairs, None, 100, "random", 0)
    words = [*["flip"] * 5, *["keep"] * 10]
    estimate = audit_gold(
        pairs, np.full(1000, 0.3), verdicts_at(sample, list(range(15)), words), sample
    )
    assert estimate.text.startswith("15 of 100 reviewed, in the drawn order: 33.3%, between 11.8%")
    assert (estimate.judged_pairs, estimate.sample_size, estimate.labelled_pairs) == (15, 100, 1000)
    skipped = verdicts_at(sample, list(range(15)), ["skip", "drop", "skip", *words[3:]])
    estimate = audit_gold(pairs, np.full(1000, 0.3), skipped, sample)
    assert estimate.text.startswith("15 of 100 reviewed, in the drawn order: ")
    assert "; 3 skipped or unusable pairs are left out; valid whenever" in estimate.text


def test_judged_pairs_that_were_not_drawn_are_counted() -> None:
    pairs = ids_of(1000)
    sample = draw_sample(pairs, None, 100, "random", 0)
    undrawn_ids = sample.filter(~pl.col("drawn"))["pair_id"][:7]
    more = pl.DataFrame({"pair_id": undrawn_ids, "verdict": "flip", "blind": True})
    verdicts = pl.concat([verdicts_at(sample, list(range(100))), more])
    estimate = audit_gold(pairs, np.full(1000, 0.3), verdicts, sample)
    assert estimate.judged_pairs == 100
    assert estimate.text.endswith("; 7 reviewed pairs outside the sample are ignored")


@pytest.mark.parametrize("places", [list(range(1, 16)), [*range(14), 99], [3, 7, 50]])
def test_another_order_gives_no_rate(places: list[int]) -> None:
    pairs = ids_of(1000)
    sample = draw_sample(pairs, None, 100, "random", 0)
    verdicts = verdicts_at(sample, places)
    estimate = audit_gold(pairs, np.full(1000, 0.3), verdicts, sample, "curate review drawn")
    assert estimate.high is None
    assert "not in the drawn order" in estimate.text
    assert estimate.text.endswith("curate review drawn")


def test_pairs_that_were_picked_with_their_labels_in_view_give_no_rate() -> None:
    pairs = ids_of(1000)
    sample = draw_sample(pairs, None, 100, "random", 0)
    unblinded = verdicts_at(sample, list(range(100))).with_columns(blind=pl.lit(False))
    estimate = audit_gold(pairs, np.full(1000, 0.3), unblinded)
    assert estimate.high is None
    assert "no random sample" in estimate.text
    estimate = audit_gold(pairs, np.full(1000, 0.3), unblinded, sample)
    assert estimate.text.endswith("; 100 verdicts were made with the label visible")
    unknown = audit_gold(pairs, np.full(1000, 0.3), unblinded.drop("blind"))
    assert "if the reviewed pairs were drawn at random" in unknown.text


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["random", "stratified"])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("first", [15, 40])
def test_the_interval_of_the_first_of_a_draw_holds(first: int, rate: float, sampling: str) -> None:
    covered = []
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        wrong = (rng.random(PAIRS) < rate).astype(float)
        f = predictions(wrong, 0.5, rng)
        pairs = ids_of(PAIRS)
        sample = draw_sample(pairs, pl.Series(f), 100, sampling, 10_000 + seed)  # type: ignore[arg-type]
        drawn_ids = sample.filter("drawn").sort("order")["pair_id"][:first]
        words = ["flip" if wrong[int(i)] else "keep" for i in drawn_ids]
        verdicts = pl.DataFrame({"pair_id": drawn_ids, "verdict": words})
        estimate = audit_gold(pairs, f, verdicts, sample)
        if estimate.high is not None:  # strata of which none was judged give no rate
            covered.append(estimate.low <= wrong.mean() <= estimate.high)
    assert len(covered) >= 0.8 * TRIALS
    assert np.mean(covered) >= 0.93


def test_an_older_draw_without_an_order_is_read_in_one(tmp_path: Path) -> None:
    pairs = ids_of(200)
    old = draw_sample(pairs, None, 30, "random", 0).drop("order")
    old.write_parquet(tmp_path / "sample.parquet")
    result = read_sample(tmp_path)
    assert result.filter("drawn")["order"].sort().to_list() == list(range(30))
    assert result.filter(~pl.col("drawn"))["order"].null_count() == 170
    assert result["order"].equals(read_sample(tmp_path)["order"])
