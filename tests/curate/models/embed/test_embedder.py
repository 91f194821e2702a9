"""The embedder that comes with curate, loaded from its wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from curate import CurateError, Pipeline
from curate.models.embed import int8
from curate.models.embed.device import choose_device
from curate.models.embed.embedder import Embedder
from curate.models.embed.frame import embed_frame, text_embedder
from curate.models.embed.pair_embeddings import distinct_texts, embed_pairs
from curate.models.embed.settings import EmbedderConfig
from curate.models.heads.answer_features import answer_feature_tensors
from curate.steps.context import SilentProgress
from curate.store.scratch import ScratchSpace
from curate.store.store import Store, open_store
from tests.helpers import pairs_of

ROWS = [
    {"prompt": "What is a cat?", "chosen": "An animal.", "rejected": "A car."},
    {"prompt": "What is a cat?", "chosen": "A car.", "rejected": "An animal."},
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(device="cpu", batch_tokens=64)


def test_embeddings_are_unit_length_in_order_and_do_not_depend_on_the_batch(
    embedder: Embedder,
) -> None:
    texts = ["a cat", "a " * 100 + "dog", "", "a kitten", "tax law"]
    vectors = embedder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([embedder.encode([t]) for t in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    assert vectors[0] @ vectors[3] > vectors[0] @ vectors[4] + 0.3


def test_out_of_memory_halves_the_batch(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sizes = embedder._encode_batch, []

    def small(texts: list[str], inputs: object) -> list[np.ndarray]:
        sizes.append(len(texts))
        if len(texts) > 2:
            raise torch.OutOfMemoryError
        return real(texts, None)

    texts = [f"text {i}" for i in range(7)]
    expected = embedder.encode(texts)
    monkeypatch.setattr(embedder, "_encode_batch", small)
    np.testing.assert_allclose(embedder.encode(texts), expected, atol=1e-5)
    assert max(sizes) > 2


def test_one_text_that_does_not_fit_is_an_error(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(texts: list[str], inputs: object) -> list[np.ndarray]:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(embedder, "_encode_batch", never)
    with pytest.raises(CurateError, match="does not fit"):
        embedder.encode(["x"])


def test_each_distinct_text_once_and_the_second_time_from_the_store(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, store = pairs_of(ROWS), Store(tmp_path)
    texts, index = distinct_texts(pairs)
    assert texts == ["What is a cat?", "An animal.", "A car."]
    assert index["chosen"].tolist() == [1, 2]
    first = embed_pairs(pairs, embedder, store, SilentProgress())
    assert (first.cached, first.vectors.shape) == (False, (3, 384))
    monkeypatch.setattr(embedder, "batches", None)
    second = embed_pairs(pairs, embedder, store, SilentProgress())
    assert second.cached
    np.testing.assert_array_equal(first.of("chosen"), second.of("rejected")[::-1])


def test_answers_are_scaled_to_differences_of_norm_one(embedder: Embedder) -> None:
    features = embed_pairs(pairs_of(ROWS), embedder, None, SilentProgress())
    chosen, rejected = answer_feature_tensors(features)
    assert (chosen - rejected).norm(dim=1).square().mean().item() == pytest.approx(1.0)


def test_fingerprint_changes_with_the_length_limit(embedder: Embedder) -> None:
    assert Embedder(device="cpu", max_tokens=64).fingerprint != embedder.fingerprint


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(CurateError, match="could not be loaded") as caught:
        Embedder("no-such/model", device="cpu")
    assert "embedder.name" in str(caught.value)


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(CurateError, match="cannot be used"):
        choose_device("cuda:99")


def test_store_setting(tmp_path: Path) -> None:
    assert open_store(None) is None
    store = open_store(str(tmp_path))
    assert store is not None
    assert store.root == tmp_path


@pytest.mark.slow
def test_a_run_that_is_stopped_has_kept_all_but_the_batch_at_work(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"prompt": f"p{i}", "chosen": f"a{i} " * 20, "rejected": f"b{i} " * 20} for i in range(20)
    ]
    pairs, store = pairs_of(rows), Store(tmp_path)
    real, done = embedder._encode_batch, []

    def some(texts: list[str], inputs: object) -> list[np.ndarray]:
        if sum(done) >= 20:
            raise KeyboardInterrupt
        done.append(len(texts))
        return real(texts, None)

    monkeypatch.setattr(embedder, "_encode_batch", some)
    with pytest.raises(KeyboardInterrupt):
        embed_pairs(pairs, embedder, store, SilentProgress())
    monkeypatch.setattr(embedder, "_encode_batch", real)
    embedded: list[str] = []
    batches = embedder.batches
    monkeypatch.setattr(embedder, "batches", lambda t: (embedded.extend(t), batches(t))[1])
    features = embed_pairs(
        pairs, embedder, store, SilentProgress(), ScratchSpace(tmp_path), "float32"
    )
    assert len(embedded) == 60 - sum(done)
    plain = embed_pairs(pairs, embedder, None, SilentProgress())
    np.testing.assert_allclose(features.vectors, plain.vectors, atol=1e-5)
    assert isinstance(features.vectors, np.memmap)


@pytest.mark.slow
def test_openvino_gives_nearly_the_same_vectors(embedder: Embedder) -> None:
    pytest.importorskip("openvino")
    fast = Embedder(backend="openvino", batch_tokens=512)
    texts = ["a cat", "tax law", "", *(f"word {i} " * (1 + 7 * i) for i in range(20))]
    cosine = (embedder.encode(texts) * fast.encode(texts)).sum(axis=1)
    assert cosine.min() > 0.999
    assert fast.fingerprint != embedder.fingerprint


@pytest.mark.slow
def test_whole_numbers_give_near_vectors_and_tell_how_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    # Its first layer and few texts: two seconds in the place of ten.
    float_model = Embedder(device="cpu")._model
    float_model[0].auto_model.encoder.layer = float_model[0].auto_model.encoder.layer[:1]
    float_model[0].auto_model.config.num_hidden_layers = 1
    float_model.save(str(tmp_path))
    monkeypatch.setattr(int8, "_CALIBRATION", 12)
    settings = EmbedderConfig(name=str(tmp_path), backend="openvino-int8")
    embedder, fast = Embedder(str(tmp_path), device="cpu"), text_embedder(settings)
    cosines = fast.rounding_error
    assert 0.95 < cosines.least_cosine < cosines.mean_cosine < 1.0
    texts = ["a cat sat on the mat", "tax law " * 90]
    assert (embedder.encode(texts) * fast.encode(texts)).sum(axis=1).min() > 0.95
    pairs = pairs_of([{"prompt": texts[0], "chosen": texts[1], "rejected": "a dog"}])
    _, report = embed_frame(pairs, settings, None, SilentProgress(), load=lambda _: fast)
    assert report.int8 == cosines
    assert (
        len({e.fingerprint for e in (fast, embedder, Embedder(str(tmp_path), backend="openvino"))})
        == 3
    )


def test_texts_that_set_ranges_are_not_those_that_are_tried() -> None:
    texts = int8.calibration_texts()
    assert len(set(texts)) == len(texts) == 150
    assert texts == int8.calibration_texts()
    lengths = np.array([len(text) for text in texts])
    assert (lengths < 150).any()
    assert (lengths > 800).any()


def test_without_nncf_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CurateError, match="nncf is not installed"):
        int8.quantise_model(None, lambda text: [])


def test_a_book_is_cut_before_it_is_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Embedder()
    page = "the cat sat on the mat and looked at the dog. " * 60
    lengths: list[int] = []
    real = embedder._model.preprocess

    def preprocess(texts: list[str]) -> object:
        lengths.extend(map(len, texts))
        return real(texts)

    monkeypatch.setattr(embedder._model, "preprocess", preprocess)
    page_vector, book = embedder.encode([page]), embedder.encode([page * 1000])
    assert max(lengths) == 32 * embedder.max_tokens
    np.testing.assert_allclose(page_vector, book, atol=1e-6)


def test_texts_that_are_seen_in_part_are_counted(embedder: Embedder) -> None:
    words = "word " * 400
    assert embedder.count_cut(["short", words, words[:100], "x" * 100_000]) == 2
    assert embedder.count_cut([]) == 0


def test_a_run_says_that_texts_are_seen_in_part(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "chosen": "one " * 300, "rejected": f"two {i}"} for i in range(60)]
    config = {"scorers": [{"type": "reward_margin"}], "store": str(tmp_path)}
    for model, is_reported in (("minilm", True), ("static", False)):
        result = Pipeline(config | {"embedder": {"name": model}}).run(rows)
        assert any("256 tokens" in warning for warning in result.warnings) == is_reported
    # Of 121 texts one is long; a run that takes all from the store says so too.
    again = Pipeline(config | {"embedder": {"name": "minilm"}}).run(rows)
    step = next(step for step in again.steps if step.name == "embed")
    assert step.facts["cached"]
    assert step.facts["seen_in_part"] == {"texts": 121, "cut": 1, "max_tokens": 256}
    assert any("256 tokens" in warning for warning in again.warnings)
