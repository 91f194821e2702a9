"""Hidden states as features, against plain passes, and under the scorers that use features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.scorers.mc_dropout import MCDropout
from curate.scorers.research.crm import CRM
from curate.steps.context import Context, SilentProgress
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import random_pairs

SETTINGS = Inference(device="cpu")


def test_vectors_are_the_states_after_the_last_tokens(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    pairs = random_pairs(5, prompts=3)
    config = EmbedderConfig(name=str(tiny), pooling="last_token")
    features, report = embed_frame(pairs, config, None, SilentProgress(), SETTINGS)
    assert report.dimensions == 32
    model = AutoModelForCausalLM.from_pretrained(tiny).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny)

    def state(*texts: str) -> np.ndarray:
        ids = [i for text in texts for i in tokenizer(text)["input_ids"]]
        with torch.no_grad():
            out = model(torch.tensor([ids]), output_hidden_states=True)
        return np.asarray(out.hidden_states[-1][0, -1])

    def written(messages: list[dict[str, str]], answer: bool) -> str:
        return tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=not answer
        )

    prompts, answers = {}, {}
    for r in pairs.to_dicts():
        start = written(r["prompt"], False)
        prompts[start] = state(start)
        for side in ("chosen", "rejected"):
            token_ids = written(r["prompt"] + r[side], True)
            answers[token_ids] = state(start, token_ids[len(start) :])
    raw = np.stack([*prompts.values(), *answers.values()])
    raw = (raw - raw.mean(0)) / raw.std(0)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    first = raw[len(prompts)]
    np.testing.assert_allclose(features.of("chosen")[0], first, atol=1e-4)
    np.testing.assert_allclose(features.of("prompt")[0], raw[0], atol=1e-4)
    np.testing.assert_allclose(features.of("rejected")[0], raw[len(prompts) + 1], atol=1e-4)


def test_they_are_kept(tiny: Path, tmp_path: Path) -> None:
    pairs, config = random_pairs(4), EmbedderConfig(name=str(tiny), pooling="last_token")
    first, report = embed_frame(pairs, config, str(tmp_path), SilentProgress(), SETTINGS)
    again, cached_report = embed_frame(pairs, config, str(tmp_path), SilentProgress(), SETTINGS)
    assert (report.cached, cached_report.cached) == (False, True)
    np.testing.assert_array_equal(first.of("chosen"), again.of("chosen"))


def test_conversations_that_are_seen_in_part_are_told(tiny: Path, tmp_path: Path) -> None:
    pairs, config = random_pairs(4), EmbedderConfig(name=str(tiny), pooling="last_token")
    short = Inference(device="cpu", max_answer_tokens=1)
    for inference, is_reported in ((SETTINGS, False), (short, True), (short, True)):
        report = embed_frame(pairs, config, str(tmp_path), SilentProgress(), inference)[1]
        assert ("first 1 of an answer: 8 of 8" in (report.cut or "")) == is_reported


@pytest.mark.slow
@pytest.mark.parametrize("scorer", [MCDropout(), CRM()])
def test_heads_are_trained_on_them(tiny: Path, scorer: MCDropout | CRM) -> None:
    pairs, config = random_pairs(30), EmbedderConfig(name=str(tiny), pooling="last_token")
    features, _ = embed_frame(pairs, config, None, SilentProgress(), SETTINGS)
    scores = scorer.score(pairs, Context().for_pairs(pairs, features))
    assert len(scores) == 30
    assert scores["margin" if "margin" in scores.columns else scores.columns[0]].is_finite().all()
