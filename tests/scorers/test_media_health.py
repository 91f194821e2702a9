from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from curate import Context, CurateError
from curate.data.row_parts import MEDIA
from scorers import media_health
from scorers.media_health import NO_IMAGES, NOT_SEEN, MediaHealth
from tests.helpers import numbered_pairs


def picture(width: int = 64, height: int = 64, seed: int | None = 0) -> bytes:
    """A PNG of noise, or of one grey value where no seed is given."""
    pixels = np.full((height, width, 3), 128, dtype=np.uint8)
    if seed is not None:
        pixels = np.random.default_rng(seed).integers(0, 255, pixels.shape).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def with_images(*rows: list[dict[str, Any]] | None) -> pl.DataFrame:
    full = [
        None if r is None else [{"path": m.get("path"), "bytes": m.get("bytes")} for m in r]
        for r in rows
    ]
    pairs = numbered_pairs(len(rows))
    return pairs.with_columns(pl.Series("images", full, dtype=MEDIA))


def test_each_kind_of_image() -> None:
    whole = picture()
    pairs = with_images(
        [{"bytes": whole}, {"bytes": picture(30, 90, 1)}],
        [{"bytes": picture(seed=None)}],
        [{"bytes": whole[: len(whole) // 2]}],
        [{"bytes": b"no picture at all"}],
        [{"path": "https://example.org/a.png"}],
        None,
    )
    context = Context()
    found = MediaHealth().score(pairs, context)
    assert found["status"].to_list() == ["ok", "blank", "damaged", "no image", NOT_SEEN, NO_IMAGES]
    assert found["images"].to_list() == [2, 1, 1, 1, 1, 0]
    assert found["damaged"].to_list() == [0, 0, 1, 1, 0, 0]
    assert found["blank"].to_list() == [0, 1, 0, 0, 0, 0]
    assert (found["smallest"][0], found["aspect"][0]) == (30, 3.0)
    assert context.facts["problems"] == {"damaged": 1, NOT_SEEN: 1, "no image": 1}


def test_files_of_a_folder_and_none_outside_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture())
    (tmp_path / "secret.png").write_bytes(picture())
    pairs = with_images(*([{"path": p}] for p in ("a.png", "b.png", "../secret.png")))
    found = MediaHealth(folder=str(folder)).score(pairs, Context())
    assert found["status"].to_list() == ["ok", "missing", "leads out of the folder"]
    assert MediaHealth().score(pairs, Context())["status"].to_list() == [NOT_SEEN] * 3
    with pytest.raises(CurateError, match="no such folder"):
        MediaHealth(folder=str(tmp_path / "nowhere")).score(pairs, Context())


def test_an_image_is_decoded_once_and_a_bomb_never(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = media_health._decoded
    monkeypatch.setattr(media_health, "_decoded", lambda f: calls.append(1) or real(f))
    pairs = with_images(*([{"bytes": picture()}] for _ in range(5)))
    MediaHealth().score(pairs, Context())
    assert len(calls) == 1
    monkeypatch.setattr(media_health, "_MOST_PIXELS", 100)
    found = MediaHealth().score(pairs, Context())
    assert found["status"].to_list() == ["far too large"] * 5


def test_images_of_the_rejected_answer_count() -> None:
    pairs = with_images([{"bytes": picture()}]).with_columns(
        pl.Series("rejected_images", [[{"path": None, "bytes": picture(seed=None)}]], dtype=MEDIA)
    )
    found = MediaHealth().score(pairs, Context())
    assert (found["images"][0], found["blank"][0], found["status"][0]) == (2, 1, "blank")
