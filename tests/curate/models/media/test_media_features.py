"""Answers that are media, embedded: against the model itself, once, and from the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sentence_transformers import SentenceTransformer

from curate import CurateError
from curate.data.attachments import MEDIA
from curate.data.table import MESSAGES
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.models.media import media_set
from curate.models.media.media_set import MediaSet
from curate.steps.context import SilentProgress
from tests.helpers import media_answers, numbered_pairs, turn
from tests.media_models import tiny_clap, tiny_clip
from tests.pictures import coloured, picture, sound


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


def media(values: list[Any]) -> pl.Series:
    rows = [None if row is None else [medium(m) for m in row] for row in values]
    return pl.Series(rows, dtype=MEDIA)


def medium(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"path": None, "bytes": value}


def pairs_of_media(chosen: list[Any], rejected: list[Any], column: str = "images") -> pl.DataFrame:
    pairs = numbered_pairs(len(chosen)).with_columns(
        media(chosen).alias(column), media(rejected).alias(f"rejected_{column}")
    )
    return media_answers(pairs, column)


def embedded(pairs: pl.DataFrame, model: Path, store: Any = None, folders: Any = ()) -> Any:
    settings = EmbedderConfig(name=str(model), device="cpu")
    return embed_frame(pairs, settings, store, SilentProgress(), media=folders)


def test_vectors_are_the_models_own(clip: Path) -> None:
    images = [coloured((200, 30, 30), 1), coloured((30, 30, 200), 2), coloured((30, 200, 30), 3)]
    pairs = pairs_of_media([[images[0]], [images[1]]], [[images[1]], [images[2]]])
    features, report = embedded(pairs, clip)
    assert report.media == 3
    model = SentenceTransformer(str(clip), device="cpu")
    from curate.models.media.decoding import decode_image

    model_vectors = model.encode([decode_image(i).value for i in images], normalize_embeddings=True)
    np.testing.assert_allclose(features.of("chosen"), model_vectors[[0, 1]], atol=1e-5)
    np.testing.assert_allclose(features.of("rejected"), model_vectors[[1, 2]], atol=1e-5)
    prompts = model.encode(["prompt 0", "prompt 1"], normalize_embeddings=True)
    np.testing.assert_allclose(features.of("prompt"), prompts, atol=1e-5)


def test_several_media_have_their_mean_and_a_source_image_does_not_count(clip: Path) -> None:
    source, a, b, c = (picture(seed=i) for i in range(4))
    pairs = pairs_of_media([[source, a], [a, b]], [[source, b], [c]])
    features, _ = embedded(pairs, clip)
    single, _ = embedded(pairs_of_media([[a]], [[b]]), clip)
    va, vb = single.of("chosen")[0], single.of("rejected")[0]
    np.testing.assert_allclose(features.of("chosen")[0], va, atol=1e-5)
    mean = (va + vb) / np.linalg.norm(va + vb)
    np.testing.assert_allclose(features.of("chosen")[1], mean, atol=1e-5)


def test_the_same_image_twice_is_an_answer(clip: Path) -> None:
    a = picture(seed=1)
    features, report = embedded(pairs_of_media([[a]], [[a]]), clip)
    assert report.pairs_not_seen == 0
    np.testing.assert_array_equal(features.of("chosen"), features.of("rejected"))


def test_texts_and_media_in_one_table(clip: Path) -> None:
    pairs = pairs_of_media([None, [picture(seed=1)]], [None, [picture(seed=2)]])
    features, _ = embedded(pairs, clip)
    model = SentenceTransformer(str(clip), device="cpu")
    text = pairs["chosen"][0][0]["content"]
    model_vectors = model.encode([text], normalize_embeddings=True)[0]
    np.testing.assert_allclose(features.of("chosen")[0], model_vectors, atol=1e-5)


def test_texts_about_images_of_their_own_are_texts(clip: Path) -> None:
    pairs = numbered_pairs(2).with_columns(
        media([[picture(seed=1)]] * 2).alias("images"),
        media([[picture(seed=2)], None]).alias("rejected_images"),
    )
    features, report = embed_frame(pairs, EmbedderConfig(device="cpu"), None, SilentProgress())
    assert features.vectors.shape[1] == 384
    assert report.media is None


def test_a_pair_with_a_damaged_image_says_nothing(clip: Path) -> None:
    a, b = picture(seed=1), picture(seed=2)
    pairs = pairs_of_media([[b"no image"], [a]], [[a], [b]])
    features, report = embedded(pairs, clip)
    assert (report.media_not_seen, report.pairs_not_seen) == (1, 1)
    assert not features.of("chosen")[0].any()
    assert not features.of("rejected")[0].any()
    assert features.of("chosen")[1].any()


def test_a_set_without_any_image_is_refused(clip: Path) -> None:
    there = {"path": "a.png", "bytes": None}
    with pytest.raises(CurateError, match="none of the images can be decoded") as error:
        embedded(pairs_of_media([[there]], [[there | {"path": "b.png"}]]), clip)
    assert "not in the data" in str(error.value)


def test_each_image_is_decoded_once(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = media_set.DECODERS["images"]
    monkeypatch.setitem(media_set.DECODERS, "images", lambda d: calls.append(1) or real(d))
    images = [picture(seed=i) for i in range(5)]
    pairs = pairs_of_media([[i] for i in images], [[i] for i in images[::-1]])
    all_media = MediaSet(pairs, "images")
    embed_frame(
        pairs,
        EmbedderConfig(name=str(clip), device="cpu"),
        None,
        SilentProgress(),
        media=lambda _: all_media,
    )
    all_media.look(SilentProgress())
    assert len(calls) == 5
    assert all_media.looked.all()


def test_the_store_knows_vectors_by_the_files_content(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(picture(seed=1))
    (tmp_path / "b.png").write_bytes(picture(seed=2))
    paths = [{"path": "a.png", "bytes": None}], [{"path": "b.png", "bytes": None}]
    pairs = pairs_of_media([paths[0]], [paths[1]])
    store = str(tmp_path / "store")
    first, _ = embedded(pairs, clip, store, (tmp_path,))
    calls: list[int] = []
    real = media_set.DECODERS["images"]
    monkeypatch.setitem(media_set.DECODERS, "images", lambda d: calls.append(1) or real(d))
    again, _ = embedded(pairs, clip, store, (tmp_path,))
    assert not calls
    np.testing.assert_array_equal(first.of("chosen"), again.of("chosen"))
    (tmp_path / "a.png").write_bytes(picture(seed=3))
    changed, _ = embedded(pairs, clip, store, (tmp_path,))
    assert len(calls) == 1
    assert not np.allclose(first.of("chosen"), changed.of("chosen"))


def test_audios(tmp_path: Path) -> None:
    clap = tiny_clap(tmp_path / "clap")
    pairs = pairs_of_media([[sound(200)]], [[sound(3000)]], "audios")
    features, report = embedded(pairs, clap)
    assert report.media == 2
    assert features.of("chosen").shape == (1, 16)
    assert not np.allclose(features.of("chosen"), features.of("rejected"))


@pytest.mark.parametrize("name", ["auto", "minilm", "static"])
def test_a_model_of_texts_is_refused(name: str) -> None:
    pairs = pairs_of_media([[picture(seed=1)]], [[picture(seed=2)]])
    with pytest.raises(CurateError, match="images, which the embedder does not see"):
        embed_frame(pairs, EmbedderConfig(name=name), None, SilentProgress())
    texts = EmbedderConfig(name="minilm", media=False, device="cpu")
    features, _ = embed_frame(pairs, texts, None, SilentProgress())
    assert features.vectors.shape[1] == 384


def test_videos_are_refused(clip: Path) -> None:
    pairs = pairs_of_media([[b"1"]], [[b"2"]], "videos")
    with pytest.raises(CurateError, match="videos are not decoded"):
        embedded(pairs, clip)


def test_a_model_of_another_kind_of_media_is_refused(clip: Path) -> None:
    pairs = pairs_of_media([[sound(200)]], [[sound(300)]], "audios")
    with pytest.raises(CurateError, match="audios, which the embedder does not see") as error:
        embedded(pairs, clip)
    assert "text, image" in str(error.value)


def test_captions_longer_than_the_model_takes_are_told(clip: Path) -> None:
    pairs = pairs_of_media([[picture(seed=1)]], [[picture(seed=2)]])
    assert embedded(pairs, clip)[1].cut is None
    talk = turn("a " * 500, "user")
    long = pairs.with_columns(prompt=pl.lit(talk, dtype=MESSAGES))
    report = embedded(long, clip)[1]
    assert report.seen_in_part.cut == 1
    assert "longer" in report.cut
