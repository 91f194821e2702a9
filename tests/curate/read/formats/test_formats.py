"""Every format on rows of the published file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from curate import CurateError, read_pairs
from tests.helpers import PANDALM_SAMPLE, turn, write_jsonl


def texts(column: pl.Series) -> list[str]:
    return [messages[-1]["content"] for messages in column.to_list()]


def test_hh_splits_at_the_turn_where_the_dialogues_part(data: Path) -> None:
    pairs = read_pairs(str(data / "hh-rlhf-harmless" / "slice.jsonl.gz"))
    assert (pairs.format, len(pairs), pairs.rows_read) == ("hh", 60, 60)
    frame = pairs.frame
    usual = frame.head(58)
    assert usual["chosen"].list.len().to_list() == [1] * 58
    assert {m[-1]["role"] for m in usual["prompt"].to_list()} == {"user"}
    assert {m[0]["role"] for m in frame["chosen"].to_list()} <= {"assistant", "user"}
    early = frame.tail(2)
    assert early.select(n=pl.max_horizontal(pl.col("chosen", "rejected").list.len()))["n"].min() > 1


def test_hh_gives_back_the_published_text(data: Path) -> None:
    path = data / "hh-rlhf-harmless" / "slice.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    marks = {"user": "\n\nHuman: ", "assistant": "\n\nAssistant: "}
    for row, pair in zip(rows, read_pairs(str(path)).frame.to_dicts(), strict=True):
        for side in ("chosen", "rejected"):
            turns = pair["prompt"] + pair[side]
            text = "".join(marks[t["role"]] + t["content"] for t in turns)
            # The published texts have one space after the mark, and none before an empty turn.
            assert text.replace(": ", ":") == row[side].replace(": ", ":")


def test_pandalm_makes_one_pair_a_vote_and_marks_ties() -> None:
    pairs = read_pairs(str(PANDALM_SAMPLE))
    assert (pairs.format, pairs.rows_read, len(pairs)) == ("pandalm", 250, 750)
    assert sorted(pairs.frame["annotator"].unique()) == ["annotator1", "annotator2", "annotator3"]
    votes = pairs.frame["extra"].str.json_path_match("$.vote")
    assert (votes == "0").to_list() == pairs.frame["is_tie"].to_list()
    first = pairs.frame.filter(votes == "2").row(0, named=True)
    extra = json.loads(first["extra"])
    assert extra["chosen_slot"] == 2
    assert {"cmp_key", "idx", "instruction", "input"} <= set(extra)


def test_llmbar_takes_the_labelled_output(data: Path) -> None:
    path = data / "llmbar" / "Natural.json"
    rows = json.loads(path.read_text())
    pairs = read_pairs(str(path))
    assert pairs.format == "llmbar"
    assert texts(pairs.frame["chosen"]) == [row[f"output_{row['label']}"] for row in rows]


def test_autoj_reads_ties_and_scenarios(data: Path) -> None:
    pairs = read_pairs(str(data / "auto-j" / "slice.json"))
    rows = [json.loads(line) for line in (data / "auto-j" / "slice.json").open()]
    assert pairs.format == "autoj"
    assert pairs.frame["is_tie"].to_list() == [row["label"] == 2 for row in rows]
    winners = [row["response 2" if row["label"] == 1 else "response 1"] for row in rows]
    assert texts(pairs.frame["chosen"]) == winners
    scenarios = pairs.frame["extra"].str.json_path_match("$.scenario").to_list()
    assert scenarios == [row["scenario"] for row in rows]


@pytest.mark.parametrize("name", ["dpo_en_demo", "dpo_zh_demo"])
def test_sharegpt_ranking(data: Path, name: str) -> None:
    path = data / "llama-factory-dpo" / f"{name}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    pairs = read_pairs(str(path))
    assert pairs.format == "sharegpt"
    assert texts(pairs.frame["chosen"]) == [row["chosen"]["value"] for row in rows]
    assert [len(p) for p in pairs.frame["prompt"].to_list()] == [
        len(row["conversations"]) for row in rows
    ]
    assert {m["role"] for p in pairs.frame["prompt"].to_list() for m in p} <= {
        "user",
        "assistant",
        "system",
    }


TRL = {
    "explicit standard": {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
    "implicit standard": {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    "explicit conversational": {
        "prompt": turn("What colour is the sky?", "user"),
        "chosen": turn("Blue."),
        "rejected": turn("Green."),
    },
    "implicit conversational": {
        "chosen": turn("What colour is the sky?", "user") + turn("Blue."),
        "rejected": turn("What colour is the sky?", "user") + turn("Green."),
    },
    "explicit with the prompt repeated": {
        "prompt": turn("What colour is the sky?", "user"),
        "chosen": turn("What colour is the sky?", "user") + turn("Blue."),
        "rejected": turn("What colour is the sky?", "user") + turn("Green."),
    },
}


@pytest.mark.parametrize("kind", TRL)
def test_trl_types(tmp_path: Path, kind: str) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [TRL[kind]] * 3)
    pairs = read_pairs(str(path))
    assert pairs.format == "trl"
    row = pairs.frame.row(0, named=True)
    standard = "standard" in kind
    sky = "The sky is" if standard else "What colour is the sky?"
    assert row["prompt"] == turn(sky, "user")
    assert row["chosen"] == turn(" blue." if standard else "Blue.")
    assert row["rejected"] == turn(" green." if standard else "Green.")


def test_ultrafeedback_binarized_with_a_text_prompt(tmp_path: Path) -> None:
    """Prompt as text, answers as messages that repeat it."""
    row = {
        "prompt": "Hello?",
        "chosen": turn("Hello?", "user") + turn("Hi."),
        "rejected": turn("Hello?", "user") + turn("Go."),
        "score_chosen": 8.5,
    }
    pair = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", [row]))).frame.row(0, named=True)
    assert (pair["prompt"], pair["chosen"]) == (turn("Hello?", "user"), turn("Hi."))
    assert json.loads(pair["extra"]) == {"score_chosen": 8.5}


def test_a_system_column_goes_before_the_prompt(tmp_path: Path) -> None:
    rows = [
        {"system": s, "prompt": "p", "chosen": "a", "rejected": "b"} for s in ("Be kind.", "", None)
    ]
    prompts = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows))).frame["prompt"].to_list()
    assert prompts[0] == turn("Be kind.", "system") + turn("p", "user")
    assert prompts[1] == prompts[2] == turn("p", "user")


def test_mapped_columns_with_slots_and_labels(tmp_path: Path) -> None:
    rows = [
        {"q": "p", "x": "one", "y": "two", "winner": w, "who": "ann", "gap": 1.5}
        for w in ("A", "B", "both")
    ]
    mapping: dict[str, object] = {
        "prompt": "q",
        "first": "x",
        "second": "y",
        "label": "winner",
        "annotator": "who",
        "strength": "gap",
        "first_wins": ["A"],
        "second_wins": ["B"],
        "tie": ["both"],
    }
    pairs = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)), columns=mapping)
    assert texts(pairs.frame["chosen"]) == ["one", "two", "one"]
    assert pairs.frame["is_tie"].to_list() == [False, False, True]
    assert pairs.frame["annotator"].to_list() == ["ann"] * 3
    assert pairs.frame["strength"].to_list() == [1.5] * 3


def test_mapped_columns_with_an_unknown_label_are_malformed(tmp_path: Path) -> None:
    rows = [{"q": "p", "x": "one", "y": "two", "winner": "C"}]
    mapping: dict[str, object] = {"prompt": "q", "first": "x", "second": "y", "label": "winner"}
    with pytest.raises(CurateError, match="names neither answer nor a tie"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)), columns=mapping)


SLOTS: dict[str, object] = {"prompt": "q", "first": "x", "second": "y"}


@pytest.mark.parametrize("kind", [float, str])
def test_slots_go_by_their_scores(tmp_path: Path, kind: type) -> None:
    rows = [
        {"q": "p", "x": "one", "y": "two", "sx": kind(first), "sy": kind(second)}
        for first, second in ((4, 2.5), (1, 9), (3, 3))
    ]
    mapping = SLOTS | {"first_score": "sx", "second_score": "sy"}
    pairs = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)), columns=mapping)
    assert texts(pairs.frame["chosen"]) == ["one", "two", "one"]
    assert pairs.frame["is_tie"].to_list() == [False, False, True]
    assert pairs.frame["strength"].to_list() == [1.5, 8.0, 0.0]
    assert json.loads(pairs.frame["extra"][0])["sx"] == kind(4)


@pytest.mark.parametrize("score", [None, "good", float("nan")])
def test_a_score_that_is_no_number_is_told(tmp_path: Path, score: object) -> None:
    rows = [{"q": "p", "x": "one", "y": "two", "sx": s, "sy": 1.0} for s in (2.0, score, 3.0)]
    mapping = SLOTS | {"first_score": "sx", "second_score": "sy"}
    path = str(write_jsonl(tmp_path / "a.jsonl", rows))
    pairs = read_pairs(path, columns=mapping, on_error="skip")
    assert texts(pairs.frame["chosen"]) == ["one", "one"]
    assert len(pairs.rejected) == 1


def test_a_label_may_name_the_model_that_won(tmp_path: Path) -> None:
    models = {"x": "one", "y": "two", "mx": "m", "my": "n"}
    rows = [{"q": "p", **models, "winner": w} for w in ("m", "n", "tie", "o")]
    rows.append({"q": "p", **models, "mx": "n", "winner": "n"})  # both answers are by n
    mapping = SLOTS | {"label": "winner", "first_model": "mx", "second_model": "my"}
    path = str(write_jsonl(tmp_path / "a.jsonl", rows))
    pairs = read_pairs(path, columns=mapping, on_error="skip")
    assert texts(pairs.frame["chosen"]) == ["one", "two", "one"]
    assert pairs.frame["is_tie"].to_list() == [False, False, True]
    assert len(pairs.rejected) == 2


def test_scores_and_a_label_are_not_mixed(tmp_path: Path) -> None:
    mapping = SLOTS | {"label": "winner", "first_score": "sx", "second_score": "sy"}
    with pytest.raises(CurateError, match="first_score"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", [{"q": "p"}])), columns=mapping)


def test_every_unplaced_column_is_kept_in_extra(tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "score": 3, "meta": {"x": [1, None]}}
    pair = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", [row]))).frame.row(0, named=True)
    assert json.loads(pair["extra"]) == {"score": 3, "meta": {"x": [1, None]}}


def test_the_pair_table_is_read_back(tmp_path: Path, data: Path) -> None:
    pairs = read_pairs(str(data / "auto-j" / "slice.json"))
    pairs.frame.write_parquet(tmp_path / "pairs.parquet")
    again = read_pairs(str(tmp_path / "pairs.parquet"))
    assert again.format == "pairs"
    assert again.frame.equals(pairs.frame)


def test_an_unknown_format_names_the_nearest(data: Path) -> None:
    with pytest.raises(CurateError, match="did you mean 'pandalm'"):
        read_pairs(str(data / "auto-j" / "slice.json"), format="pandlm")


def test_data_of_another_format_than_named(data: Path) -> None:
    with pytest.raises(CurateError, match="not of the format 'llmbar'") as caught:
        read_pairs(str(data / "auto-j" / "slice.json"), format="llmbar")
    assert "output_1" in str(caught.value)


def test_columns_of_no_format(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"url": "x"}])
    with pytest.raises(CurateError, match="was not recognised") as caught:
        read_pairs(str(path))
    assert "columns url" in str(caught.value)
    assert "columns=" in str(caught.value)
