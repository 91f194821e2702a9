"""Both pages in a real browser: nothing leaves the machine, nothing from the data is run."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.people.verdict_log import VerdictLog
from curate.report.build import write_report
from curate.report.run_view import load_view
from tests.curate.conftest import axe_findings
from tests.review_process import ReviewProcess, photograph, until

pytestmark = pytest.mark.slow


def open_report(page: Any, folder: Path) -> None:
    page.goto((folder / "report.html").as_uri())
    page.wait_for_selector("html[data-ready]")


def points(page: Any) -> Any:
    return page.locator("#scatter .scatterlayer .point")


def test_the_report_of_a_real_run(page: Any, learned: Path) -> None:
    open_report(page, learned)
    assert page.locator(".js-plotly-plot").count() == 5
    assert page.locator("#steps tbody tr").count() > 2
    page.select_option("#histogram-score", "label_em.posterior")
    assert "probability that the label is right" in page.inner_text("#histogram-note")
    page.select_option("#scatter-x", "lengths.chosen")
    page.click("#cartography")
    assert page.input_value("#scatter-x") == "crm.loss_mean"
    box = points(page).nth(5).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#scatter .hoverlayer .hovertext")
    page.wait_for_selector("#point .text")
    assert page.locator("#point .text").count() >= 3
    assert page.locator("#suspicious .pair").count() == 20
    assert page.locator("#suspicious del").count() > 0
    photograph(page, "report")
    assert page.errors == []
    assert [
        url for url in page.requests_made if not url.startswith(("file:", "data:", "blob:"))
    ] == []


def test_hostile_texts_are_shown_and_not_run(page: Any, run: Path) -> None:
    open_report(page, run)
    assert page.evaluate("window.hacked") is None
    page_text = ""
    for number in range(points(page).count()):
        page.evaluate(f"read({number})")
        assert page.evaluate("window.hacked") is None
        page_text += page.inner_text("#point")
    assert "<script>window.hacked = 1</script>" in page_text
    assert "مرحبا" in page_text
    assert "<script>window.hacked = 1</script>" in page.inner_text("#suspicious")
    assert "</script><script>window.hacked = 3</script>" in page.inner_text("#suspicious")
    for box in [points(page).nth(i).bounding_box() for i in range(0, 40, 8)]:
        page.mouse.move(box["x"] + 2, box["y"] + 2)
        page.wait_for_timeout(60)
    assert page.evaluate("window.hacked") is None
    assert page.errors == []


def test_dark_light_narrow_and_keyboard(page: Any, run: Path) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 380, "height": 800})
    open_report(page, run)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.click("#theme")
    assert page.evaluate(background) != dark
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 1
    page.locator("nav a", has_text="Explore").focus()
    page.keyboard.press("Enter")
    focused = set()
    for _ in range(9):
        page.keyboard.press("Tab")
        focused.add(page.evaluate("document.activeElement.id"))
    assert {"x-text", "x-step", "x-source", "x-score", "x-from", "x-to", "x-order"} <= focused
    photograph(page, "report-narrow")


def shown_ids(page: Any) -> list[str]:
    ids: list[str] = page.locator("#x-pairs .pair code").all_inner_texts()
    return ids


def test_the_explorer_filters_sorts_and_pages(page: Any, run: Path) -> None:
    open_report(page, run)
    frame = load_view(run).frame
    assert "40 of 40 pairs match; 10 shown" in page.inner_text("#x-count")
    page.select_option("#x-score", "lengths.rejected")
    page.select_option("#x-order", "-1")
    expected = frame.sort("lengths.rejected", descending=True, maintain_order=True)["pair_id"]
    assert shown_ids(page) == expected.head(10).to_list()
    page.fill("#x-from", "20")
    page.fill("#x-to", "30")
    within = frame.filter(pl.col("lengths.rejected").is_between(20, 30))
    assert f"{len(within)} of 40 pairs match" in page.inner_text("#x-count")
    page.click("text=Reset")
    page.wait_for_timeout(50)
    assert "40 of 40" in page.inner_text("#x-count")
    source = frame.filter(~pl.col("kept"))["source"][0]
    page.select_option("#x-source", source)
    page.select_option("#x-step", "removed by threshold")
    removed = frame.filter(pl.col("source") == source, ~pl.col("kept"))
    assert sorted(shown_ids(page)) == sorted(removed["pair_id"].head(10).to_list())


def test_the_explorer_by_keyboard_shows_hostile_texts_as_text(page: Any, run: Path) -> None:
    open_report(page, run)
    page.focus("#x-more")
    for number in (20, 30, 40):
        page.keyboard.press("Enter")
        assert len(shown_ids(page)) == number
        # The first of the added pairs is where the reader goes on.
        pairs = "[...document.querySelectorAll('#x-pairs .pair')]"
        assert page.evaluate(f"{pairs}.indexOf(document.activeElement)") == number - 10
        if number < 40:
            page.focus("#x-more")
    assert page.locator("#x-more").is_hidden()
    page.focus("#x-text")
    page.keyboard.type("window.hacked = 3")
    count = int(page.inner_text("#x-count").split()[0])
    assert 0 < count < 40
    assert page.evaluate("window.hacked") is None
    assert "<script>window.hacked = 3</script>" in page.inner_text("#x-pairs")
    page.fill("#x-text", "no pair has this")
    assert page.inner_text("#x-count").startswith("0 of 40")
    assert page.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_in_the_report(
    page: Any, axe: str, learned: Path, scheme: str, width: int
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    open_report(page, learned)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.wait_for_timeout(100)
    assert axe_findings(page, axe) == []


def test_the_answer_is_the_first_screen(page: Any, learned: Path) -> None:
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        open_report(page, learned)
        bottom = "document.getElementById('verdict').getBoundingClientRect().bottom"
        assert page.evaluate(bottom) <= height


def test_a_suspicious_label_shows_what_each_source_says(page: Any, learned: Path) -> None:
    open_report(page, learned)
    first = page.locator("#suspicious .pair").first
    assert "The label is right with probability 0." in first.inner_text()
    terms = first.locator(".terms dt").all_inner_texts()
    assert terms == ["the label itself", "probe models", "other votes"]
    # The terms add up to the log odds, up to the average over what is not known.
    nats = sum(float(text) for text in first.locator(".terms .n").all_inner_texts())
    right = float(first.locator(".sources strong").inner_text())
    assert nats == pytest.approx(math.log(right / (1 - right)), abs=0.5)


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def servers(folder: Path) -> Iterator[list[ReviewProcess]]:
    started = [ReviewProcess(folder)]
    yield started
    for server in started:
        server.kill()


def judge(page: Any, key: str) -> str:
    """Press a key, wait for the next pair, and say which pair was judged."""
    before: str = page.evaluate("document.documentElement.dataset.pair")
    page.keyboard.press(key)
    until(page, f"document.documentElement.dataset.pair !== {before!r}")
    return before


def test_ten_pairs_by_keyboard_a_kill_and_nothing_lost(
    page: Any, folder: Path, servers: list[ReviewProcess]
) -> None:
    page.goto(servers[0].address)
    page.wait_for_selector("#pair:not([hidden])")
    keys = ["k", "f", "t", "d", "s"] * 2
    verdicts = {judge(page, key): key for key in keys}
    assert len(verdicts) == 10
    assert page.inner_text("#progress").startswith("10 of 40 judged by ann")
    photograph(page, "review")
    servers[0].kill()
    page.keyboard.press("k")
    page.wait_for_selector("#error:not([hidden])")
    assert "on disk" in page.inner_text("#error")
    names = {"k": "keep", "f": "flip", "t": "tie", "d": "drop", "s": "skip"}
    assert VerdictLog(folder, "ann").verdicts == {i: names[k] for i, k in verdicts.items()}

    servers.append(ReviewProcess(folder))
    page.goto(servers[1].address)
    page.wait_for_selector("#pair:not([hidden])")
    assert page.inner_text("#progress").startswith("10 of 40")
    assert page.evaluate("document.documentElement.dataset.pair") not in verdicts
    page.keyboard.press("u")
    until(page, "document.documentElement.dataset.done === '9'")
    assert page.evaluate("document.documentElement.dataset.pair") == list(verdicts)[-1]
    assert page.evaluate("window.hacked") is None
    away = [u for u in page.requests_made if not u.startswith(("http://127.0.0.1:", "data:"))]
    assert away == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_review(
    page: Any, axe: str, servers: list[ReviewProcess], scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(servers[0].address)
    page.wait_for_selector("#pair:not([hidden])")
    assert axe_findings(page, axe) == []


def test_filter_sort_and_hostile_texts_in_the_review(
    page: Any, servers: list[ReviewProcess]
) -> None:
    page.goto(servers[0].address)
    page.wait_for_selector("#pair:not([hidden])")
    page.select_option("#sort", "lengths.chosen")
    until(page, "document.getElementById('chosen').textContent.includes('long')")
    assert "more characters" in page.inner_text("#chosen")
    page.select_option("#fate", "dropped")
    until(page, "document.getElementById('fate-badge').textContent === 'dropped'")
    page.fill("#search", "window.hacked = 1")
    page.keyboard.press("Enter")
    until(page, "document.getElementById('prompt').textContent.includes('<script>')")
    assert page.evaluate("window.hacked") is None
    for _ in range(8):
        page.locator("#pair h4").first.click()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
    assert page.evaluate("window.hacked") is None
    assert page.errors == []


def test_a_later_report_knows_the_run(page: Any, folder: Path) -> None:
    (folder / "report.html").unlink()
    write_report(folder)
    open_report(page, folder)
    assert "40" in page.inner_text("#main")
