"""Both pages in a real browser: nothing leaves the machine, nothing from the data is run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.people.verdict_log import VerdictLog
from curate.report.build import write_report
from tests.review_process import ReviewProcess, photograph, until

pytestmark = pytest.mark.slow


def open_report(page: Any, folder: Path) -> None:
    page.goto((folder / "report.html").as_uri())
    page.wait_for_selector("html[data-ready]")


def points(page: Any) -> Any:
    return page.locator("#scatter .scatterlayer .point")


def test_the_report_of_a_real_run(page: Any, learned: Path) -> None:
    open_report(page, learned)
    assert page.locator(".js-plotly-plot").count() == 6
    assert page.locator("#funnel .bars .point").count() > 2
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
    page.keyboard.press("Tab")
    focused = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        focused.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"histogram-score", "scatter-x", "A"} <= focused
    photograph(page, "report-narrow")


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
