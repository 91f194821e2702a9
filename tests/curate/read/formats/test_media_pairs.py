"""Readers of preferences between media, and about media."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from curate import CurateError, read_pairs
from curate.data.table import messages_text
from curate.read.pairs import Pairs
from tests.helpers import read_rows
from tests.pictures import picture

A, B = picture(seed=1), picture(seed=2)


def media(pairs: Pairs, column: str) -> list[Any]:
    """Bytes or path of the media of each pair."""
    return [
        None if row is None else [m["bytes"] or m["path"] for m in row]
        for row in pairs.frame[column].to_list()
    ]


def texts(pairs: Pairs, column: str) -> list[str]:
    return pairs.frame.select(t=messages_text(column))["t"].to_list()


def pick_a_pic(label: float | None, **more: Any) -> dict[str, Any]:
    return {"caption": "a cat", "jpg_0": A, "jpg_1": B, "label_0": label, "model_0": "m"} | more


def test_pick_a_pic_bytes(tmp_path: Path) -> None:
    rows = [
        pick_a_pic(1.0, has_label=True, user_id=7),
        pick_a_pic(0.0, has_label=True, user_id=8),
        pick_a_pic(0.5, has_label=True, user_id=7),
        pick_a_pic(0.0, has_label=False, user_id=7),
    ]
    pairs = read_rows(tmp_path, rows, "parquet")
    assert pairs.format == "image_pairs"
    assert media(pairs, "images") == [[A], [B], [A]]
    assert media(pairs, "rejected_images") == [[B], [A], [B]]
    assert pairs.frame["is_tie"].to_list() == [False, False, True]
    assert pairs.frame["annotator"].to_list() == ["7", "8", "7"]
    assert texts(pairs, "chosen") == ["<image>"] * 3
    assert texts(pairs, "prompt") == ["a cat"] * 3
    assert pairs.rejected["reason"].to_list() == ["no label (has_label: false)"]
    assert pairs.rejected["row"].to_list() == [4]
    assert json.loads(pairs.frame["extra"][0])["model_0"] == "m"


def test_image_paths_in_json_lines(tmp_path: Path) -> None:
    row = {"prompt": "a dog", "image_0": "a.png", "image_1": "b.png", "label_0": 0}
    pairs = read_rows(tmp_path, [row])
    assert media(pairs, "images") == [["b.png"]]
    assert media(pairs, "rejected_images") == [["a.png"]]
    assert "are missing from the data folder" in " ".join(pairs.notes)


def test_urls_of_pick_a_pic_without_images(tmp_path: Path) -> None:
    row = {"caption": "c", "image_0_url": "http://x/0.png", "image_1_url": "http://x/1.png"}
    more = {"image_0_uid": "a", "image_1_uid": "b", "label_0": 0.0, "label_1": 1.0}
    pairs = read_rows(tmp_path, [row | more | {"has_label": True}])
    assert pairs.format == "image_pairs"
    assert media(pairs, "images") == [["http://x/1.png"]]
    assert media(pairs, "rejected_images") == [["http://x/0.png"]]


def test_hpdv3_paths(tmp_path: Path) -> None:
    row = {"prompt": "c", "path1": "good.png", "path2": "bad.png", "confidence": 0.9}
    pairs = read_rows(tmp_path, [row, row | {"path2": None}], on_error="skip")
    assert pairs.format == "hpdv3"
    assert media(pairs, "images") == [["good.png"]]
    assert media(pairs, "rejected_images") == [["bad.png"]]
    assert pairs.rejected["reason"].to_list() == ["one of both answers has no image"]


def test_images_of_a_hub_data_set() -> None:
    rows = {
        "prompt": ["a cat"],
        "image_0": [{"bytes": A, "path": None}],
        "image_1": [{"bytes": B, "path": None}],
        "label_0": [1],
    }
    image = datasets.Image()
    features = datasets.Features(
        prompt=datasets.Value("string"),
        image_0=image,
        image_1=image,
        label_0=datasets.Value("int64"),
    )
    pairs = read_pairs(datasets.Dataset.from_dict(rows, features=features))
    assert media(pairs, "images") == [[A]]
    assert media(pairs, "rejected_images") == [[B]]


def test_a_source_image_goes_before_both_edits(tmp_path: Path) -> None:
    row = {"prompt": "make it red", "image": "source.png", "label_0": 1}
    pairs = read_rows(tmp_path, [row | {"image_0": "a.png", "image_1": "b.png"}])
    assert media(pairs, "images") == [["source.png", "a.png"]]
    assert media(pairs, "rejected_images") == [["source.png", "b.png"]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (pick_a_pic(0.7), "the label '0.7' names neither answer nor a tie"),
        (pick_a_pic(1.0, jpg_1=None), "one of both answers has no image"),
    ],
)
def test_wrong_rows_are_told(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    valid_rows = [pick_a_pic(1.0) for _ in range(3)]
    with pytest.raises(CurateError, match=reason):
        read_rows(tmp_path, [*valid_rows, row], "parquet")


def test_ids_differ_with_the_images_and_not_with_the_label(tmp_path: Path) -> None:
    rows = [pick_a_pic(1.0), pick_a_pic(0.0), pick_a_pic(1.0, jpg_0=picture(seed=3))]
    ids = read_rows(tmp_path, rows, "parquet").frame["pair_id"].to_list()
    assert sorted(ids[:2]) == [ids[0][:32], f"{ids[0][:32]}-1"]
    assert ids[2][:32] != ids[0][:32]


def test_hpdv2_training_rows(tmp_path: Path) -> None:
    row = {"prompt": "p", "image_path": ["1.jpg", "2.jpg"], "human_preference": [0, 1]}
    pairs = read_rows(tmp_path, [row | {"user_hash": "u"}])
    assert pairs.format == "hpdv2"
    assert media(pairs, "images") == [["2.jpg"]]
    assert media(pairs, "rejected_images") == [["1.jpg"]]
    assert pairs.frame["annotator"].to_list() == ["u"]


@pytest.mark.parametrize("kind", ["lists", "objects"])
def test_hpdv2_rankings_of_several_people(tmp_path: Path, kind: str) -> None:
    places = [[1, 2, 3], [3, 2, 1]]
    annotations: list[Any] = places
    if kind == "objects":
        annotations = [{"user_hash": f"u{i}", "annotation": p} for i, p in enumerate(places)]
    row = {"prompt": "p", "image_path": ["1.jpg", "2.jpg", "3.jpg"], "raw_annotations": annotations}
    pairs = read_rows(tmp_path, [row])
    assert media(pairs, "images") == [["1.jpg"], ["3.jpg"]]
    assert media(pairs, "rejected_images") == [["3.jpg"], ["1.jpg"]]
    users = ["u0", "u1"] if kind == "objects" else [None, None]
    assert pairs.frame["annotator"].to_list() == users
    every = read_rows(tmp_path, [row], ranking={"pairs": "all"})
    assert len(every) == 6
    assert every.origins["row"].to_list() == [1] * 6


def test_an_hpdv2_row_with_too_few_places_is_listed(tmp_path: Path) -> None:
    complete_row = {"prompt": "p", "image_path": ["1.jpg", "2.jpg"], "rank": [1, 2]}
    pairs = read_rows(tmp_path, [complete_row, complete_row | {"rank": [1]}])
    assert len(pairs) == 1
    assert pairs.rejected["row"].to_list() == [2]


@pytest.mark.parametrize("kind", ["columns", "text"])
def test_rlhf_v(tmp_path: Path, kind: str) -> None:
    result = {"question": "What is it?", "chosen": "A cat.", "rejected": "A dog."}
    row = result if kind == "columns" else {"text": json.dumps(result)}
    pairs = read_rows(tmp_path, [{"image": {"bytes": A, "path": "a.png"}} | row], "parquet")
    assert pairs.format == "rlhf_v"
    assert texts(pairs, "prompt") == ["<image>\nWhat is it?"]
    parts = json.loads(pairs.frame["prompt"][0][0]["more"])["content"]
    assert [p["type"] for p in parts] == ["image", "text"]
    assert (texts(pairs, "chosen"), texts(pairs, "rejected")) == (["A cat."], ["A dog."])
    assert media(pairs, "images") == [[A]]
    assert pairs.frame["rejected_images"].null_count() == 1


def battle(vote: str | None, **more: Any) -> dict[str, Any]:
    row = {"prompt": "slow jazz", "audio_a": "a.mp3", "audio_b": "b.mp3", "preference": vote}
    return row | {"user_pseudonym": "u", "total_listening_time_a": 3.5} | more


def test_music_arena(tmp_path: Path) -> None:
    votes = [battle(v) for v in ("A", "B", "TIE", "BOTH_BAD", None)]
    pairs = read_rows(tmp_path, [*votes, battle("A", audio_b="")])
    assert pairs.format == "music_arena"
    assert media(pairs, "audios") == [["a.mp3"], ["b.mp3"], ["a.mp3"], ["a.mp3"]]
    assert media(pairs, "rejected_audios") == [["b.mp3"], ["a.mp3"], ["b.mp3"], ["b.mp3"]]
    assert pairs.frame["is_tie"].to_list() == [False, False, True, True]
    assert texts(pairs, "chosen") == ["<audio>"] * 4
    reasons = dict(zip(pairs.rejected["row"], pairs.rejected["reason"], strict=True))
    assert reasons == {5: "no vote was cast", 6: "an audio is not published"}
    assert json.loads(pairs.frame["extra"][3])["preference"] == "BOTH_BAD"


@pytest.mark.parametrize(("name", "column"), [("a.wav", "audios"), ("a.png", "images")])
def test_answers_that_are_files(tmp_path: Path, name: str, column: str) -> None:
    row = {
        "prompt": "rain",
        "chosen": {"bytes": b"RIFF1" if column == "audios" else A, "path": name},
        "rejected": {"bytes": b"RIFF2" if column == "audios" else B, "path": name},
    }
    pairs = read_rows(tmp_path, [row], "parquet")
    assert pairs.format == "media_answers"
    assert pairs.frame[column].null_count() == 0
    assert pairs.frame[f"rejected_{column}"].null_count() == 0
