from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch

from curate.scorers.on_policy import OnPolicy
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import random_pairs


def naive(folder: Path, pairs: pl.DataFrame) -> np.ndarray:
    """Mean over answer tokens of log p(y) - log sum p^2, (pairs, 2), one pass an answer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    out = []
    for row in pairs.to_dicts():
        for side in ("chosen", "rejected"):
            prompt = row["prompt"]
            text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
            conversation_text = tokenizer.apply_chat_template([*prompt, *row[side]], tokenize=False)
            start = tokenizer(text)["input_ids"]
            ids = start + tokenizer(conversation_text[len(text) :])["input_ids"]
            with torch.no_grad():
                p = model(torch.tensor([ids])).logits[0].softmax(-1)[len(start) - 1 : -1]
            token = p.gather(1, torch.tensor(ids[len(start) :])[:, None])[:, 0]
            out.append(float((token.log() - p.square().sum(-1).log()).mean()))
    return np.array(out).reshape(-1, 2)


def test_alignment_equals_a_plain_loop(tiny: Path) -> None:
    pairs, context = random_pairs(5), Context(inference=Inference(device="cpu"))
    scores = OnPolicy(policy=str(tiny)).score(pairs, context)
    expected = naive(tiny, pairs)
    np.testing.assert_allclose(scores["chosen"], expected[:, 0], atol=1e-4)
    np.testing.assert_allclose(scores["rejected"], expected[:, 1], atol=1e-4)
    np.testing.assert_allclose(scores["least"], expected.min(axis=1), atol=1e-4)
    np.testing.assert_allclose(scores["weight"], np.exp(expected.sum(axis=1)), rtol=1e-3)
