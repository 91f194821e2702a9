"""The embedder that is taken where the settings leave it open, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from curate import CurateError, Pipeline
from curate.models.embed import choice
from curate.models.embed.choice import choose_embedder
from curate.models.embed.settings import EmbedderConfig
from curate.read.pairs import Pairs
from tests.helpers import numbered_pairs

PAIRS = numbered_pairs(40, prompts=20)  # 20 prompts and 80 answers


@pytest.fixture(autouse=True)
def _cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_runs_on_gpu", lambda _: False)


@pytest.mark.parametrize(("most", "name"), [(100, "minilm"), (99, "static")])
def test_static_from_a_number_of_distinct_texts_on(
    monkeypatch: pytest.MonkeyPatch, most: int, name: str
) -> None:
    pytest.importorskip("wordllama")
    monkeypatch.setattr(choice, "MANY_TEXTS", most)
    settings, note = choose_embedder(EmbedderConfig(max_tokens=64), PAIRS)
    assert (settings.name, settings.max_tokens) == (name, 64)
    if name == "static":
        assert note is not None
        assert "100 texts are embedded by static vectors (about 1 seconds)" in note
        assert "MiniLM takes about 3 seconds" in note
    else:
        assert note is None


def test_a_gpu_a_name_and_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "MANY_TEXTS", 1)
    named = EmbedderConfig(name="minilm")
    assert choose_embedder(named, PAIRS) == (named, None)
    monkeypatch.setattr("curate.models.embed.static.static_folder", lambda: None)
    settings, note = choose_embedder(EmbedderConfig(), PAIRS)
    assert settings.name == "minilm"
    assert note is not None
    assert "[static]" in note
    monkeypatch.setattr(choice, "_runs_on_gpu", lambda _: True)
    assert choose_embedder(EmbedderConfig(), PAIRS)[0].name == "minilm"
    with pytest.raises(CurateError, match="hidden states need a model"):
        choose_embedder(EmbedderConfig(pooling="last_token"), PAIRS)


def test_a_run_tells_its_choice_and_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wordllama")
    config: dict[str, Any] = {"scorers": [{"type": "knn_diversity", "k": 3}], "store": None}
    monkeypatch.setattr(choice, "MANY_TEXTS", 10)
    result = Pipeline(config).run(Pairs(PAIRS))
    assert any("static vectors" in w for w in result.warnings)
    (embed,) = (s for s in result.steps if s.kind == "embed")
    assert embed.facts["model"] == "static"


def test_times_are_round() -> None:
    durations = [choice._rounded_duration(s) for s in (0.2, 45, 600, 7200)]
    assert durations == ["1 seconds", "45 seconds", "10 minutes", "2.0 hours"]


def test_a_name_alone_is_an_embedder() -> None:
    assert EmbedderConfig.model_validate("static") == EmbedderConfig(name="static")
    with pytest.raises(CurateError, match="wrong value") as caught:
        Pipeline({"embedder": ["static"]})
    assert caught.value.where == "pipeline: embedder"
