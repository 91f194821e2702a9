"""From a dataset to a rate with a real browser: draw, judge blind by keyboard, compare, audit."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from curate.verdicts.files import read_verdicts
from tests.helpers import write_jsonl
from tests.review_process import ReviewProcess, photograph, until

pytestmark = pytest.mark.slow
PAIRS = 60
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def command(line: str) -> Any:
    done = CliRunner().invoke(app, shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of which every third label is wrong, by what its answers say of themselves."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for i in range(PAIRS):
        sides = [f"a sound answer to {i}", f"a faulty answer to {i}, and a longer one"]
        chosen, rejected = reversed(sides) if i % 3 == 0 else sides
        rows.append({"prompt": f"question {i}", "chosen": chosen, "rejected": rejected})
    write_jsonl(tmp_path / "my prefs.jsonl", rows)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[ReviewProcess]:
    routed = command("curate route 'my prefs.jsonl' --random 30")
    assert "  curate review my-prefs-drawn\n" in routed.output
    started = ReviewProcess(folder / "my-prefs-drawn")
    yield started
    started.kill()


def open_page(page: Any, server: ReviewProcess) -> None:
    page.goto(server.address)
    page.wait_for_selector("#pair:not([hidden])")


def sound_side(page: Any) -> str:
    return "a" if "sound" in page.inner_text("#a") else "b"


def press(page: Any, key: str) -> None:
    before = page.evaluate("document.documentElement.dataset.pair")
    page.keyboard.press(key)
    until(page, f"document.documentElement.dataset.pair !== {before!r}")


def test_from_a_dataset_to_a_rate(page: Any, folder: Path, server: ReviewProcess) -> None:
    open_page(page, server)
    sides = []
    for at in range(15):
        assert page.inner_text("#heading") == f"Pair {at + 1} of 30"
        assert not re.search(r"chosen|rejected|label:", page.inner_text("main"))
        assert page.locator("ins, del, .badge").count() == 0
        sides.append(sound_side(page))
        press(page, sides[-1])
    assert set(sides) == {"a", "b"}
    draw_folder = Path("my-prefs-drawn")
    part = command(f"curate audit 'my prefs.jsonl' --gold {draw_folder}")
    assert "15 of 30 reviewed, in the drawn order: " in " ".join(part.output.split())
    page.keyboard.press("u")
    until(page, "document.documentElement.dataset.done === '14'")
    assert page.inner_text("#heading") == "Pair 15 of 30"
    for _ in range(14, 30):
        press(page, sound_side(page))
    page.wait_for_selector("#end:not([hidden])")
    assert "compared" not in page.evaluate("JSON.stringify(state)")
    steps = page.inner_text("#end-next").splitlines()
    assert steps[0] == f"curate audit 'my prefs.jsonl' --gold {folder / draw_folder}"
    page.click("#compare-all")
    page.wait_for_selector("#confirm[open]")
    photograph(page, "blind-confirm")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_selector("#comparison:not([hidden])")
    wrong = page.locator("tr.differs").count()
    verdicts = read_verdicts([draw_folder])
    assert wrong == (verdicts["verdict"] == "flip").sum()
    data = [json.loads(line) for line in Path("my prefs.jsonl").read_text().splitlines()]
    bad = {row["prompt"] for row in data if "faulty" in row["chosen"]}
    pairs = pl.read_parquet(draw_folder / "drawn.parquet")
    prompts = [turns[-1]["content"] for turns in pairs["prompt"].to_list()]
    assert wrong == sum(prompt in bad for prompt in prompts)
    page.locator("#compared button").first.click()
    page.wait_for_selector("#pair:not([hidden])")
    assert page.inner_text("#label").startswith("Published label: ")
    assert page.locator("[data-verdict=A]").is_disabled()
    assert page.errors == []
    ended = server.stop()
    assert "reviewed: 30 of 30 pairs" in ended
    audit_result = command(steps[0])
    assert "(from 30 reviewed pairs of 60)" in " ".join(audit_result.output.split())
    assert "no rate" not in audit_result.output


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_wide_and_narrow_light_and_dark(
    page: Any, server: ReviewProcess, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    open_page(page, server)
    name = f"blind-{width}-{scheme}"
    photograph(page, name, full_page=True)
    assert page.evaluate(WIDER) <= 1
    for _ in range(3):
        press(page, sound_side(page))
    page.click("#compare")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_selector("#comparison:not([hidden])")
    photograph(page, f"{name}-compared", full_page=True)
    assert page.evaluate(WIDER) <= 1
    page.click("#go-on")
    page.wait_for_selector("#pair:not([hidden])")
    assert page.inner_text("#heading") == "Pair 4 of 30"
    assert page.errors == []


def test_keyboard_and_screen_reader(page: Any, server: ReviewProcess) -> None:
    open_page(page, server)
    names = [b.get_attribute("aria-keyshortcuts") for b in page.locator("[data-verdict]").all()]
    assert names == ["a", "b", "t", "d", "s"]
    for role, name in (("region", "Prompt"), ("region", "Answer A"), ("region", "Answer B")):
        assert page.get_by_role(role, name=name).count() == 1
    group = page.get_by_role("group", name="Which answer is better?")
    assert group.get_by_role("button").count() == 8
    for key in "tds":  # by Tab and Enter: a verdict moves the focus to the next pair's heading
        page.locator(f"[aria-keyshortcuts={key}]").focus()
        before = page.evaluate("document.documentElement.dataset.pair")
        page.keyboard.press("Enter")
        until(page, f"document.documentElement.dataset.pair !== {before!r}")
        assert page.evaluate("document.activeElement.id") == "heading"
    page.keyboard.press("ArrowLeft")
    until(page, "document.getElementById('heading').textContent.includes('skipped')")
    assert page.locator("[data-verdict=skip]").get_attribute("aria-pressed") == "true"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert page.inner_text("#heading") == "Pair 4 of 30"  # nothing is passed over
    page.uncheck("#shortcuts")
    page.keyboard.press("a")
    page.wait_for_timeout(200)
    assert page.inner_text("#heading") == "Pair 4 of 30"
    assert page.errors == []


def test_two_windows_and_a_second_process(
    page: Any, browser: Any, folder: Path, server: ReviewProcess
) -> None:
    other = browser.new_page()
    for window in (page, other):
        open_page(window, server)
    press(page, "a")
    other.keyboard.press("b")
    until(other, "document.getElementById('error').textContent.includes('another window')")
    until(other, "document.getElementById('heading').textContent.includes('A is better')")
    assert "another window" in other.inner_text("#error")
    again = CliRunner().invoke(app, ["review", "my-prefs-drawn", "--reviewer", "ann"])
    assert "this reviewer is already active" in str(again.exception)
    second = ReviewProcess(folder / "my-prefs-drawn", reviewer="bob")
    second.kill()
    other.close()
