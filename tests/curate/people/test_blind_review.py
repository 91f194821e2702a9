"""A blind review shows nothing that depends on the label, and its verdicts mean what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from curate import CurateError
from curate.data.attachments import MEDIA
from curate.people.blind_review import BlindReview
from curate.people.drawn_tasks import DrawnPairs, DrawSource
from curate.people.running_rate import RunningRate
from curate.people.server import make_app
from curate.people.verdict_log import VerdictLog
from curate.steps.relabel import flip_labels
from curate.verdicts.files import read_verdicts
from curate.verdicts.match import match_verdicts
from tests.helpers import numbered_pairs, pairs_of

TOKEN = "secret"


def review_of(
    pairs: pl.DataFrame,
    folder: Path,
    reviewer: str = "ann",
    until_width: float | None = None,
    rates: list[RunningRate] | None = None,
) -> BlindReview:
    folder.mkdir(exist_ok=True)
    rates = [] if rates is None else rates
    sample = pairs.select(
        "pair_id",
        stratum=0,
        drawn=True,
        order=pl.int_range(pl.len()),
        weight=1.0,
        prediction=pl.lit(None, pl.Float64),
    )
    source = DrawSource("prefs.jsonl", False, folders=(folder,))
    drawn_pairs = DrawnPairs(folder, pairs, source, sample)
    log = VerdictLog(folder, reviewer, blind=True)
    commands = ("curate audit prefs.jsonl --gold drawn",)
    return BlindReview(drawn_pairs, log, commands, until_width, rates.append)


def flipped(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.with_columns(flip_labels(pairs, pl.repeat(True, len(pairs), eager=True)))


def states(review: BlindReview) -> list[str]:
    """All that the page is sent while every pair is judged A, but the rate."""
    state, page_states = review.state(), []
    while True:
        # The only number that depends on labels, and on at least ten of them.
        has_rate = state.pop("rate") is not None
        assert not has_rate or state["done"] >= 10
        page_states.append(json.dumps(state))
        if state["pair"] is None:
            return page_states
        state = review.judge(state["pair"]["id"], "A", "", None)


def with_images(pairs: pl.DataFrame) -> pl.DataFrame:
    names = [("images", "chosen.png"), ("rejected_images", "rejected.png")]
    return pairs.with_columns(
        pl.Series(column, [[{"path": name, "bytes": None}]] * len(pairs), dtype=MEDIA)
        for column, name in names
    )


def test_nothing_that_is_sent_depends_on_the_label(tmp_path: Path) -> None:
    pairs = with_images(numbered_pairs(12))
    other = flipped(pairs).with_columns(
        annotator=pl.lit("gpt-4"), source=pl.lit("secret"), strength=pl.lit(3.0, dtype=pl.Float32)
    )
    page_states = states(review_of(pairs, tmp_path / "a"))
    assert len(page_states) == 13
    assert page_states == states(review_of(other, tmp_path / "b"))
    assert not any(
        word in "".join(page_states) for word in ("chosen", "rejected", "gpt-4", "secret")
    )


def test_a_choice_prefers_the_answer_that_was_shown(tmp_path: Path) -> None:
    pairs = numbered_pairs(30)
    review = review_of(pairs, tmp_path)
    expected = []
    chosen = [turns[0]["content"] for turns in pairs["chosen"].to_list()]
    for at in range(30):
        pair = review.state()["pair"]
        choice = "AB"[at % 2]
        preferred = pair["a" if choice == "A" else "b"]
        expected.append("keep" if preferred == chosen[at] else "flip")
        review.judge(pair["id"], choice, "", "")
    verdicts = read_verdicts([tmp_path])
    assert verdicts["verdict"].to_list() == expected
    assert {"keep", "flip"} == set(expected)
    assert verdicts["blind"].all()
    again = match_verdicts(flipped(pairs), verdicts)
    assert again.turned == 30


def test_the_order_of_answers_is_even_and_differs_between_reviewers(tmp_path: Path) -> None:
    pairs = numbered_pairs(400)
    orders = []
    for name in ("ann", "bob"):
        review = review_of(pairs, tmp_path, name)
        states(review)
        words = read_verdicts([review.log.path])["verdict"]
        orders.append((words == "keep").to_list())
    assert all(150 < sum(order) < 250 for order in orders)
    same = sum(a == b for a, b in zip(*orders, strict=True))
    assert 150 < same < 250


def test_pairs_come_in_the_order_of_the_draw_and_none_is_passed_over(tmp_path: Path) -> None:
    pairs = numbered_pairs(6)[[3, 0, 5, 1, 4, 2]]
    ids = pairs["pair_id"].to_list()
    review = review_of(pairs, tmp_path)
    assert review.state(5)["pair"]["at"] == 0
    with pytest.raises(CurateError, match="cannot be reviewed yet"):
        review.judge(ids[1], "A", "", None)
    for i in range(3):
        assert review.state()["pair"]["id"] == ids[i]
        review.judge(ids[i], "skip", "", "")
    assert review.state(99)["pair"]["at"] == 3
    review.judge(ids[0], "B", "", "skip")  # going back is no harm
    assert review.state()["pair"]["id"] == ids[3]
    assert review.undo()["pair"]["id"] == ids[0]
    assert review.state()["pair"]["id"] == ids[0]
    assert review_of(pairs, tmp_path).state()["pair"]["id"] == ids[0]


def test_the_rate_is_shown_with_every_fifth_verdict_and_stops_the_review(tmp_path: Path) -> None:
    rates: list[RunningRate] = []
    review = review_of(numbered_pairs(100), tmp_path, until_width=30, rates=rates)
    texts = []
    while (state := review.state())["pair"] is not None:
        texts.append(state["rate"])
        review.judge(state["pair"]["id"], "A", "", "")
    assert texts[:10] == [None] * 10
    # One verdict alone never changes it: it would tell whether this verdict fits the label.
    assert all(len(set(texts[start : start + 5])) == 1 for start in range(10, len(texts) - 4, 5))
    assert texts[-1] is not None
    assert texts[-1].endswith("% wrong (95 %, valid whenever you stop)")
    assert [rate.verdict_count for rate in rates] == list(range(10, len(texts) + 1, 5))
    assert state["narrow"]
    assert 100 * (rates[-1].high - rates[-1].low) <= 30 < 100 * (rates[-2].high - rates[-2].low)
    assert review.state(3)["pair"]["at"] == 3
    review.undo()
    assert not review.state()["narrow"]
    # Reopened without a width, the review goes on.
    again = review_of(numbered_pairs(100), tmp_path)
    assert again.state()["pair"] is not None
    assert again.state()["rate"] == rates[-2].text


def test_a_comparison_is_final_and_the_others_stay_blind(tmp_path: Path) -> None:
    pairs = numbered_pairs(6)
    ids = pairs["pair_id"].to_list()
    review = review_of(pairs, tmp_path)
    with pytest.raises(CurateError, match="no pair was reviewed yet"):
        review.compare()
    for pair_id, choice in zip(ids, ("A", "B", "tie", "drop"), strict=False):
        review.judge(pair_id, choice, "", "")
    rows = review.compare()["compared"]
    assert [row["choice"] for row in rows] == ["A", "B", "tie", "drop"]
    assert [row["agrees"] for row in rows[2:]] == [None, None]
    verdicts = dict(read_verdicts([tmp_path]).select("pair_id", "verdict").iter_rows())
    for pair_id, row in zip(ids, rows[:2], strict=False):
        assert row["agrees"] == (verdicts[pair_id] == "keep")
    for opened in (review, review_of(pairs, tmp_path)):
        assert opened.state(0)["pair"]["label"] in ("A", "B")
        assert opened.state()["pair"]["label"] is None
        with pytest.raises(CurateError, match="the verdict is final"):
            opened.judge(ids[0], "B", "", None)
        with pytest.raises(CurateError, match="the verdict is final"):
            opened.undo()
    review.judge(ids[4], "A", "", "")
    assert review.state(4)["pair"]["label"] is None
    assert len(review.compare()["compared"]) == 5
    assert len(read_verdicts([tmp_path])) == 5


def test_another_window_is_noticed(tmp_path: Path) -> None:
    pairs = numbered_pairs(3)
    review = review_of(pairs, tmp_path)
    first = pairs["pair_id"][0]
    review.judge(first, "A", "", "")
    with pytest.raises(CurateError, match="reviewed in another window"):
        review.judge(first, "B", "", "")
    assert review.state(0)["pair"]["choice"] == "A"
    review.judge(first, "B", "", "A")
    assert review.state(0)["pair"]["choice"] == "B"


def test_verdicts_with_the_label_in_view_are_none_of_a_blind_log(tmp_path: Path) -> None:
    pairs = numbered_pairs(2)
    log = VerdictLog(tmp_path, "ann")
    log.add(pairs["pair_id"][0], "keep")
    log.close()
    assert review_of(pairs, tmp_path).done == 0


def test_hostile_texts_come_escaped(tmp_path: Path) -> None:
    bad = "<script>x</script><img src=x onerror=y> <think><b>trace</b></think>"
    pairs = pairs_of([{"prompt": bad, "chosen": bad, "rejected": f"{bad} 2"}])
    pair = review_of(pairs, tmp_path).state()["pair"]
    for name in ("prompt", "a", "b"):
        assert "<script>" not in pair[name]
        assert "<img" not in pair[name]
        assert "<b>" not in pair[name]


def test_over_http(tmp_path: Path) -> None:
    pairs = numbered_pairs(2)
    client = TestClient(make_app(review_of(pairs, tmp_path), TOKEN))
    assert client.get("/api/state").status_code == 403
    page = client.get("/", params={"token": TOKEN})
    assert page.status_code == 200
    assert "Blind review" in page.text
    for word in ("chosen", "rejected", "sort", "badge"):
        assert word not in page.text
    state: dict[str, Any] = client.get("/api/state?at=1").json()
    assert state["pair"]["at"] == 0
    body = {"pair_id": state["pair"]["id"], "verdict": "keep", "before": ""}
    assert client.post("/api/verdict", json=body).status_code == 400
    state = client.post("/api/verdict", json=body | {"verdict": "A"}).json()
    assert state["done"] == 1
    assert client.post("/api/arrange", json={"sort": ""}).status_code == 404
    assert client.get("/api/compare").status_code == 405
    assert len(client.post("/api/compare").json()["compared"]) == 1
