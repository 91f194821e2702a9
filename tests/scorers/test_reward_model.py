"""Reward models: batches against single texts, several models, attributes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate import CurateError
from curate.scorers.reward_model import RewardModel, advise_on_labels
from curate.steps.context import Context
from curate.steps.models import Inference
from curate.store.store import Store
from tests.curate.models.lm.test_answer_logprobs import random_pairs
from tests.helpers import swapped
from tests.models import tiny_classifier, tiny_config, tiny_tokenizer


def context(**settings: Any) -> Context:
    return Context(inference=Inference(device="cpu", **settings))


def one_by_one(folder: Path, pairs: Any) -> np.ndarray:
    """Rewards (pairs, 2, labels), one conversation at a time by the chat template."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def one(messages: list[dict[str, str]]) -> list[float]:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        with torch.no_grad():
            return model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0].tolist()

    rows = pairs.to_dicts()
    return np.array([[one(r["prompt"] + r[s]) for s in ("chosen", "rejected")] for r in rows])


@pytest.fixture(scope="module")
def scalar(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [tiny_classifier(tmp_path_factory.mktemp(f"rm{s}"), seed=s) for s in (0, 1, 2)]


@pytest.mark.parametrize("batch_tokens", [1, 300, 100_000])
def test_rewards_do_not_depend_on_the_batch(scalar: list[Path], batch_tokens: int) -> None:
    pairs = random_pairs(8)
    scores = RewardModel(models=str(scalar[0])).score(pairs, context(batch_tokens=batch_tokens))
    truth = one_by_one(scalar[0], pairs)[:, :, 0]
    np.testing.assert_allclose(scores["chosen"], truth[:, 0], atol=1e-5)
    np.testing.assert_allclose(scores["margin"], truth[:, 0] - truth[:, 1], atol=1e-5)
    back = RewardModel(models=str(scalar[0])).score(swapped(pairs), context())
    np.testing.assert_allclose(back["margin"], -scores["margin"], atol=1e-5)


@pytest.mark.parametrize("pad", [2, None])
def test_a_model_that_pads_with_the_end_of_text_or_not_at_all(
    tmp_path: Path, pad: int | None
) -> None:
    folder = tiny_classifier(tmp_path, pad_token_id=pad)
    tokenizer = tiny_tokenizer(folder)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    pairs = random_pairs(8)
    scores = RewardModel(models=str(folder)).score(pairs, context())
    np.testing.assert_allclose(scores["chosen"], one_by_one(folder, pairs)[:, 0, 0], atol=1e-5)


@pytest.mark.slow
def test_several_models(scalar: list[Path], tmp_path: Path) -> None:
    pairs = random_pairs(20)
    store_context = Context(store=Store(tmp_path), inference=Inference(device="cpu"))
    scores = RewardModel(models=[str(f) for f in scalar]).score(pairs, store_context)
    truth = np.stack([one_by_one(f, pairs)[:, :, 0] for f in scalar], axis=1)
    margins = truth[:, :, 0] - truth[:, :, 1]
    np.testing.assert_allclose(scores["margin"], margins.mean(1), atol=1e-5)
    np.testing.assert_allclose(scores["spread"], margins.std(1), atol=1e-5)
    np.testing.assert_allclose(scores["agreement"], (margins > 0).mean(1))
    assert scores["advice"].to_list() == advise_on_labels(margins)
    again = RewardModel(models=[str(f) for f in scalar]).score(pairs, store_context)
    assert again.equals(scores)


def test_the_two_model_rule() -> None:
    margins = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [0.0, -1.0]])
    assert advise_on_labels(margins) == ["keep", "keep", "drop", "flip", "drop"]
    assert advise_on_labels(margins[:, :1]) == ["keep", "keep", "drop", "drop", "drop"]


def test_attributes_are_weighed_by_name(tmp_path: Path) -> None:
    labels = {0: "help", 1: "truth", 2: "verbosity"}
    folder = tiny_classifier(tmp_path, labels=3, id2label=labels)
    pairs = random_pairs(5)
    scorer = RewardModel(models=[str(folder)], weights={"help": 2.0, "verbosity": -1.0})
    truth = one_by_one(folder, pairs) @ np.array([2.0, 0.0, -1.0])
    np.testing.assert_allclose(scorer.score(pairs, context())["chosen"], truth[:, 0], atol=1e-5)
    for wrong in (None, {"kindness": 1.0}):
        with pytest.raises(CurateError, match="needs weights") as caught:
            RewardModel(models=[str(folder)], weights=wrong).score(pairs, context())
        assert "help, truth, verbosity" in str(caught.value)


def test_an_encoder_reads_prompt_and_answer_as_two_texts(tmp_path: Path) -> None:
    from tokenizers import processors
    from transformers import AutoModelForSequenceClassification, BertConfig

    tokenizer = tiny_tokenizer(tmp_path, template=None)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> $A <eos> $B:1 <eos>:1",
        special_tokens=[("<bos>", 1), ("<eos>", 2)],
    )
    tokenizer.save_pretrained(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    names = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | names))
    shape = {k: tiny_config().to_dict()[k] for k in ("vocab_size", "hidden_size", "pad_token_id")}
    config = BertConfig(
        **shape, num_labels=1, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    model.save_pretrained(tmp_path)
    pairs = random_pairs(6)
    scores = RewardModel(models=str(tmp_path)).score(pairs, context())
    for row, reward in zip(pairs.to_dicts(), scores["chosen"], strict=True):
        texts = row["prompt"][0]["content"], row["chosen"][0]["content"]
        inputs = tokenizer(*texts, return_tensors="pt", return_token_type_ids=True)
        with torch.no_grad():
            assert reward == pytest.approx(float(model(**inputs).logits[0, 0]), abs=1e-5)
