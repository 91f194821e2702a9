from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from curate import Context
from curate.data.attachments import MEDIA
from curate.data.media_bytes import MISSING, NOT_IN_DATA, OUTSIDE, TOO_LARGE
from curate.models.media import decoding, media_set
from curate.scorers.media_health import NO_MEDIA, MediaHealth
from tests.helpers import numbered_pairs
from tests.pictures import picture, smooth, sound


def with_images(*rows: list[dict[str, Any]] | None, column: str = "images") -> pl.DataFrame:
    full = [
        None if r is None else [{"path": m.get("path"), "bytes": m.get("bytes")} for m in r]
        for r in rows
    ]
    return numbered_pairs(len(rows)).with_columns(pl.Series(column, full, dtype=MEDIA))


def test_each_kind_of_image() -> None:
    intact = picture()
    pairs = with_images(
        [{"bytes": intact}, {"bytes": picture(30, 90, 1)}],
        [{"bytes": picture(seed=None)}],
        [{"bytes": intact[: len(intact) // 2]}],
        [{"bytes": b"no picture at all"}],
        [{"path": "https://example.org/a.png"}],
        None,
    )
    context = Context()
    scores = MediaHealth().score(pairs, context)
    assert scores["status"].to_list() == [
        "ok",
        "blank",
        "damaged",
        "no image",
        NOT_IN_DATA,
        NO_MEDIA,
    ]
    assert scores["images"].to_list() == [2, 1, 1, 1, 1, 0]
    assert scores["damaged"].to_list() == [0, 0, 1, 1, 0, 0]
    assert scores["blank"].to_list() == [0, 1, 0, 0, 0, 0]
    assert (scores["smallest"][0], scores["aspect"][0]) == (30, 3.0)
    assert scores["smallest"].null_count() == 4
    assert context.facts["problems"] == {"damaged": 1, NOT_IN_DATA: 1, "no image": 1}


def test_the_worst_of_a_pair_is_told() -> None:
    blank, url = {"bytes": picture(seed=None)}, {"path": "https://example.org/a.png"}
    pairs = with_images([{"bytes": picture()}, blank], [url, blank], [{"bytes": picture()}, url])
    scores = MediaHealth().score(pairs, Context())
    assert scores["status"].to_list() == ["blank", "blank", NOT_IN_DATA]


def test_audios() -> None:
    rows = [[{"bytes": sound(440, 0.5)}], [{"bytes": sound(440, level=0.0)}], [{"bytes": b"none"}]]
    scores = MediaHealth().score(with_images(*rows, column="audios"), Context())
    assert scores["status"].to_list() == ["ok", "blank", "no audio"]
    assert scores["audios"].to_list() == [1, 1, 1]
    assert scores["seconds"][0] == pytest.approx(0.5)
    assert scores["damaged"].to_list() == [0, 0, 1]


def test_files_of_a_folder_and_none_outside_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture())
    (tmp_path / "secret.png").write_bytes(picture())
    pairs = with_images(*([{"path": p}] for p in ("a.png", "b.png", "../secret.png")))
    scores = MediaHealth().score(pairs, Context(folders=(folder,)))
    assert scores["status"].to_list() == ["ok", MISSING, OUTSIDE]
    assert MediaHealth().score(pairs, Context())["status"].to_list() == [NOT_IN_DATA] * 3


def test_the_same_name_in_two_folders_is_not_guessed(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        (folder / "a.png").write_bytes(picture())
    (folders[1] / "b.png").write_bytes(picture())
    pairs = with_images([{"path": "a.png"}], [{"path": "b.png"}])
    scores = MediaHealth().score(pairs, Context(folders=folders))
    assert scores["status"].to_list() == ["in several of the data's folders", "ok"]


def test_an_image_is_decoded_once_and_a_bomb_never(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = media_set.DECODERS["images"]
    monkeypatch.setitem(media_set.DECODERS, "images", lambda d: calls.append(1) or real(d))
    pairs = with_images(*([{"bytes": picture()}] for _ in range(5)))
    context = Context()
    MediaHealth().score(pairs, context)
    MediaHealth().score(pairs, context)
    assert len(calls) == 1
    monkeypatch.setattr(decoding, "_MAX_PIXELS", 100)
    scores = MediaHealth().score(pairs, Context())
    assert scores["status"].to_list() == [TOO_LARGE] * 5


def test_images_of_the_rejected_answer_count() -> None:
    pairs = with_images([{"bytes": picture()}]).with_columns(
        pl.Series("rejected_images", [[{"path": None, "bytes": picture(seed=None)}]], dtype=MEDIA)
    )
    scores = MediaHealth().score(pairs, Context())
    assert (scores["images"][0], scores["blank"][0], scores["status"][0]) == (2, 1, "blank")


def test_a_logo_at_the_same_place_is_told() -> None:
    rng = np.random.default_rng(0)
    marked = rng.random(60) < 0.4
    rows = []
    for i, mark in enumerate(marked):
        pixels = np.asarray(Image.open(io.BytesIO(smooth(i)))).copy()
        if mark:
            pixels[70:86, 70:86] = 255
            pixels[74:82, 74:82] = 0
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        rows.append([{"bytes": file.getvalue()}])
    scores = MediaHealth().score(with_images(*rows), Context())["pattern"].to_numpy()
    assert scores[marked].min() > 0.3
    assert abs(scores[~marked]).max() < 0.3
    alone = MediaHealth().score(with_images(rows[0]), Context())["pattern"]
    assert alone.null_count() == 1
