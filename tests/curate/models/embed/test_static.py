from __future__ import annotations

import numpy as np
import pytest

from curate import CurateError, Pairs, Pipeline
from curate.models.embed import static
from curate.models.embed.static import StaticEmbedder, static_folder
from tests.helpers import numbered_pairs

pytest.importorskip("wordllama", reason="needs the extra 'static'")
TEXTS = ["The cat sat on the mat.", "", "naïve 日本語 text", "word " * 700, "x"]


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


def test_vectors_equal_those_of_the_package(embedder: StaticEmbedder) -> None:
    from wordllama import WordLlama

    folder = static_folder()
    theirs = WordLlama.load(cache_dir=folder, disable_download=True)
    nonempty_texts = [text for text in TEXTS if text]
    vectors = embedder.encode(nonempty_texts)
    np.testing.assert_allclose(vectors, theirs.embed(nonempty_texts, norm=True), atol=1e-5)


def test_means_of_token_vectors_by_a_loop(embedder: StaticEmbedder) -> None:
    vectors = embedder.encode(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = embedder._tokenizer.encode(text, add_special_tokens=False).ids
        if not ids:
            assert not vector.any()
            continue
        mean = embedder._vectors.double().numpy()[ids].mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_batches_and_cuts(embedder: StaticEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    untruncated = embedder.encode(TEXTS)
    monkeypatch.setattr(static, "_BATCH", 2)
    np.testing.assert_allclose(embedder.encode(TEXTS), untruncated, atol=1e-6)
    short = StaticEmbedder(max_tokens=3)
    assert short.fingerprint != embedder.fingerprint
    first = short.encode(["one two three four five six"])
    np.testing.assert_allclose(first, short.encode(["one two three"]), atol=1e-6)


def test_a_run_with_static_embeddings() -> None:
    config = {
        "embedder": {"name": "static"},
        "scorers": [{"type": "reward_margin"}, {"type": "knn_diversity", "k": 3}],
    }
    result = Pipeline(config).run(Pairs(numbered_pairs(60)))
    (step,) = [s for s in result.steps if s.kind == "embed"]
    assert (step.facts["model"], step.facts["dimensions"]) == ("static", 256)
    assert result.scores["reward_margin.margin"].null_count() == 0


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CurateError, match=r"pip install .*\[static\]"):
        StaticEmbedder()
