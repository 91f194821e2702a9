"""A card says what is known of a dataset, and nothing in the data can break its form."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import audit, read_pairs
from curate.cli.app import app
from curate.read.pairs import Pairs
from curate.report.dataset_card import DatasetCard, make_dataset_card
from tests.helpers import write_jsonl

HOSTILE = "</script><img src=x onerror=alert(1)> | `a` \n# Not a heading"


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    rows = [
        {
            "prompt": f"What is the capital of country number {n}, and why is it? {HOSTILE}",
            "chosen": f"The capital is city {n}, a large place beside a river. " + "More. " * 200,
            "rejected": f"City {n}.",
        }
        for n in range(40)
    ]
    read = read_pairs([*rows, rows[3]])
    read.frame = read.frame.with_columns(source=pl.lit("a | b\n<i>c</i>"))
    return read


@pytest.fixture(scope="module")
def card(pairs: Pairs) -> DatasetCard:
    report = audit(pairs, embedder="static", against=pairs, dataset="capitals")
    return make_dataset_card(pairs.frame, report, "capitals", None, 2)


def test_the_card_says_how_large_how_noisy_how_biased_and_where_from(card: DatasetCard) -> None:
    text = card.to_markdown()
    assert text.startswith("## State of the data\n\n- 41 pairs over 40 prompts")
    assert "| pairs | 41 |" in text
    assert "| exact repeats of an earlier pair | 1 |" in text
    assert "| log characters | 100.0% |" in text
    assert "| prompts that the evaluation set has too | 40 of 40 |" in text
    assert "| licence | not stated |" in text
    assert re.search(r"\| languages of the prompts \| en \d", text)
    assert "### Example 2 of 2, drawn at random" in text
    assert "more characters)" in text
    assert "Measured with curate" in text
    # Of noise there is an estimate with its assumption, or the reason why there is none.
    assert re.search(r"- (Wrong labels: .*)\n- Not known: .+", text)


def test_names_and_texts_of_the_data_cannot_break_the_markdown(card: DatasetCard) -> None:
    lines = card.to_markdown().splitlines()
    assert "| sources | a \\| b &lt;i>c&lt;/i> (41) |" in lines
    assert not any(line.startswith("# ") for line in lines)
    tables = [line for line in lines if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (3, 5) for line in tables)


def test_the_page_needs_nothing_else_and_is_small(card: DatasetCard) -> None:
    html = card.to_html()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "State of the data: capitals" in html
    assert not re.findall(r"""(?:src|href)=["']https?:""", html)
    assert len(html) < 100_000


def test_the_draw_of_examples_is_the_same_each_time_and_can_be_left_out(
    pairs: Pairs, card: DatasetCard
) -> None:
    report = audit(pairs, embedder="static", dataset="capitals")
    again = make_dataset_card(pairs.frame, report, "capitals", "mit", 2)
    assert again.examples == card.examples
    assert "| prompts of evaluation sets | not checked |" in again.to_markdown()
    without = make_dataset_card(pairs.frame, report, "capitals", "mit", 0)
    assert "Example" not in without.to_markdown()
    assert "drawn at random" not in without.to_html()


def test_the_command_writes_both_files_and_replaces_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{n}?", "chosen": f"{n}.", "rejected": "?"} for n in range(20)]
    write_jsonl(tmp_path / "prefs.jsonl", rows)
    words = ["card", "prefs.jsonl", "--license", "mit", "--examples", "1"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "| licence | mit |" in (tmp_path / "prefs-card.md").read_text()
    assert "<!doctype html>" in (tmp_path / "prefs-card.html").read_text()
    (tmp_path / "prefs-card.md").write_text("mine")
    result = CliRunner().invoke(app, words)
    assert "curate did not write" in str(result.exception)
    assert (tmp_path / "prefs-card.md").read_text() == "mine"
