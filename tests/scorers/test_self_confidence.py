"""Self-refinement's margin against plain passes, its mask against a plain loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from curate import CurateError
from curate.scorers.self_confidence import SelfConfidence
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import plain_loop, random_pairs
from tests.models import tiny_causal, tiny_tokenizer

CONTEXT = Context(inference=Inference(device="cpu"))


def mixed_loop(first: Path, second: Path, pairs: pl.DataFrame, mix: float) -> np.ndarray:
    """Sums (pairs, 2) under softmax(mix z1 + (1 - mix) z2), one pass for each answer and model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    models = [AutoModelForCausalLM.from_pretrained(f).double().eval() for f in (first, second)]
    tokenizer = AutoTokenizer.from_pretrained(first)

    def one(prompt: list[dict[str, str]], answer: list[dict[str, str]]) -> float:
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        conversation_text = tokenizer.apply_chat_template([*prompt, *answer], tokenize=False)
        start = tokenizer(text)["input_ids"]
        ids = torch.tensor([start + tokenizer(conversation_text[len(text) :])["input_ids"]])
        with torch.no_grad():
            z = [model(ids).logits[0] for model in models]
        logprobs = torch.log_softmax(mix * z[0] + (1 - mix) * z[1], -1)[:-1]
        return float(logprobs.gather(1, ids[0, 1:, None])[len(start) - 1 :].sum())

    rows = pairs.to_dicts()
    return np.array([[one(r["prompt"], r[s]) for s in ("chosen", "rejected")] for r in rows])


@pytest.mark.slow
@pytest.mark.parametrize("mix", [1.0, 1.7])
def test_margin_is_that_of_the_mixed_policy(tiny: Path, tiny_other: Path, mix: float) -> None:
    pairs = random_pairs(6)
    scorer = SelfConfidence(policy=str(tiny), reference=str(tiny_other), beta=0.5, mix=mix)
    scores = scorer.score(pairs, CONTEXT)
    ratio = mixed_loop(tiny, tiny_other, pairs, mix) - plain_loop(tiny_other, pairs)[:, :, 0]
    np.testing.assert_allclose(scores["margin"], 0.5 * (ratio[:, 0] - ratio[:, 1]), atol=1e-4)


def test_the_mask_is_a_running_quantile(tiny: Path, tiny_other: Path) -> None:
    pairs = random_pairs(40)
    scorer = SelfConfidence(
        policy=str(tiny), reference=str(tiny_other), quantile=0.3, window=10, alpha=0.2, warm_up=0.5
    )
    scores = scorer.score(pairs, CONTEXT)
    margins = scores["margin"].to_numpy()
    bounds = [np.quantile(margins[max(i - 9, 0) : i + 1], 0.3) for i in range(40)]
    np.testing.assert_allclose(scores["threshold"], bounds)
    doubted = margins <= np.array(bounds)
    assert scores["doubted"].to_list() == doubted.tolist()
    late = np.arange(40) >= 20
    np.testing.assert_allclose(scores["label"], np.where(doubted & late, 0.8, 1.0))
    assert 0 < scores["label"].is_in([0.8]).sum() < doubted.sum()


def test_mixing_needs_one_tokenizer(tiny: Path, tmp_path: Path) -> None:
    other = tiny_causal(tmp_path)
    tokenizer = tiny_tokenizer(other)
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(other)
    scorer = SelfConfidence(policy=str(tiny), reference=str(other), mix=2.0)
    with pytest.raises(CurateError, match="tokenizer"):
        scorer.score(random_pairs(3), CONTEXT)
