"""Log-probabilities of answers against a plain loop over pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from curate import CurateError, Pipeline
from curate.data.table import PAIR_COLUMNS
from curate.models.lm.answer_logprobs import NO_TOKENS, answer_logprobs, load_language_model
from curate.models.lm.network import CausalNetwork
from curate.models.lm.tokens import Prompt
from curate.steps.context import Context
from curate.steps.models import Inference, ModelSpec
from curate.store.store import Store
from tests.helpers import pairs_of, turn
from tests.models import TEMPLATE, tiny_causal, tiny_config, tiny_tokenizer

WORDS = "what is a cat the dog sat on mat and slept all day question answer".split()  # noqa: SIM905


def random_pairs(count: int = 12, seed: int = 0, prompts: int = 5) -> pl.DataFrame:
    """Pairs of mixed lengths; prompts repeat."""
    rng = np.random.default_rng(seed)

    def text(most: int) -> str:
        return " ".join(rng.choice(WORDS, size=rng.integers(1, most)))

    shared = [text(40) for _ in range(prompts)]
    return pairs_of(
        [
            {"prompt": shared[i % prompts], "chosen": text(30), "rejected": text(60)}
            for i in range(count)
        ]
    )


def plain_loop(folder: Path, pairs: pl.DataFrame, alone: bool = False) -> np.ndarray:
    """Sums and token counts, (pairs, 2 answers, 2), one full forward pass for each answer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def one(prompt: list[dict[str, str]], answer: list[dict[str, str]]) -> tuple[float, int]:
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        conversation = tokenizer.apply_chat_template([*prompt, *answer], tokenize=False)
        start = tokenizer(text)["input_ids"]
        ids = start + tokenizer(conversation[len(text) :])["input_ids"]
        if alone:
            ids, start = [1, *ids[len(start) :]], [1]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        logprobs = torch.log_softmax(logits, -1)[:-1].gather(1, torch.tensor(ids)[1:, None])[:, 0]
        return float(logprobs[len(start) - 1 :].sum()), len(ids) - len(start)

    rows = pairs.to_dicts()
    return np.array([[one(r["prompt"], r[s]) for s in ("chosen", "rejected")] for r in rows])


def scored(folder: Path, pairs: pl.DataFrame, alone: bool = False, **settings: Any) -> np.ndarray:
    context = Context(inference=Inference(device="cpu", **settings))
    result = answer_logprobs(pairs, context, ModelSpec(name=str(folder)), alone=alone)
    sums = np.stack([result.chosen, result.rejected], axis=1)
    tokens = np.stack([result.chosen_tokens, result.rejected_tokens], axis=1)
    return np.stack([sums, tokens], axis=2)


@pytest.mark.parametrize("batch_tokens", [1, 300, 100_000])
@pytest.mark.parametrize("share", [True, False])
def test_equal_to_a_plain_loop_whatever_the_batch(
    tiny: Path, batch_tokens: int, share: bool
) -> None:
    pairs = random_pairs()
    result = scored(tiny, pairs, batch_tokens=batch_tokens, share_prompts=share)
    np.testing.assert_allclose(result, plain_loop(tiny, pairs), atol=1e-4, rtol=1e-6)


def test_answers_alone(tiny: Path) -> None:
    pairs = random_pairs(4)
    result = scored(tiny, pairs, alone=True)
    np.testing.assert_allclose(result, plain_loop(tiny, pairs, alone=True), atol=1e-4, rtol=1e-6)


def test_several_devices_give_the_same(tiny: Path) -> None:
    pairs = random_pairs()
    two = scored(tiny, pairs, devices=("cpu", "cpu"), batch_tokens=200)
    np.testing.assert_allclose(two, scored(tiny, pairs), atol=1e-4)


def test_a_swap_swaps(tiny: Path) -> None:
    pairs = random_pairs(6)
    swapped = pairs.with_columns(chosen="rejected", rejected="chosen")
    np.testing.assert_allclose(scored(tiny, swapped)[:, ::-1], scored(tiny, pairs), atol=1e-4)


def test_a_prompt_is_computed_once(tiny: Path) -> None:
    pairs = random_pairs(12, prompts=1)
    context = Context(inference=Inference(device="cpu"))
    answer_logprobs(pairs, context, ModelSpec(name=str(tiny)))
    facts = context.facts["models"][str(tiny)]
    assert facts["tokens_shared"] > facts["tokens_computed"] / 2
    assert facts["conversations"] == 24


def test_truncation_keeps_the_end_of_the_prompt_and_is_counted(tiny: Path) -> None:
    long, short = "cat " * 50 + "dog sat", "dog sat"
    rows = [{"prompt": p, "chosen": "a cat", "rejected": "slept " * 30} for p in (long, short)]
    context = Context(inference=Inference(device="cpu", max_prompt_tokens=8, max_answer_tokens=9))
    result = answer_logprobs(pairs_of(rows), context, ModelSpec(name=str(tiny)))
    facts = context.facts["models"][str(tiny)]
    assert facts["prompts_truncated"] >= 2
    assert facts["answers_truncated"] == 2
    assert result.rejected_tokens.tolist() == [9, 9]
    # With nothing but the same end of the prompt left, both pairs are the same.
    assert result.chosen[0] == pytest.approx(result.chosen[1], abs=1e-5)


def test_bos_stands_once(tmp_path: Path) -> None:
    tiny_causal(tmp_path)
    for template in ("<bos>" + TEMPLATE, TEMPLATE):
        tiny_tokenizer(tmp_path, bos=True, template=template)
        model = load_language_model(Context(), ModelSpec(name=str(tmp_path)))
        rendered = model.encoder.render(Prompt(turn("a cat", "user")), turn("dog"))
        assert not isinstance(rendered, str)
        ids = model.encoder.encode([rendered])[0].prompt
        assert ids[0] == 1
        assert ids.count(1) == 1


def test_the_store_is_asked_first_and_knows_the_model(
    tiny: Path, tiny_other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, store = random_pairs(6), Store(tmp_path)

    def run(folder: Path, **settings: Any) -> np.ndarray:
        context = Context(store=store, inference=Inference(device="cpu", **settings))
        return answer_logprobs(pairs, context, ModelSpec(name=str(folder))).chosen

    first = run(tiny)
    assert np.abs(run(tiny_other) - first).max() > 0.01
    monkeypatch.setattr(CausalNetwork, "hidden", None)
    np.testing.assert_array_equal(run(tiny), first)
    with pytest.raises(TypeError):
        run(tiny, max_answer_tokens=5)


def test_one_more_pair_computes_one_more_pair(tiny: Path, tmp_path: Path) -> None:
    store, pairs = Store(tmp_path), random_pairs(6)
    counted = []
    for count in (5, 6):
        context = Context(store=store, inference=Inference(device="cpu", share_prompts=False))
        answer_logprobs(pairs[:count], context, ModelSpec(name=str(tiny)))
        counted.append(context.facts["models"][str(tiny)])
    assert 0 < counted[1]["tokens_computed"] < counted[0]["tokens_computed"] / 2


def test_what_a_template_refuses_is_said_pair_by_pair(tmp_path: Path) -> None:
    tiny_causal(tmp_path)
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    tiny_tokenizer(tmp_path, template=refusing + TEMPLATE)
    pairs = random_pairs(3)
    system = [turn("be kind", "system") + turn("a cat", "user"), *pairs["prompt"].to_list()[1:]]
    pairs = pairs.with_columns(prompt=pl.Series(system, dtype=PAIR_COLUMNS["prompt"]))
    result = answer_logprobs(pairs, Context(), ModelSpec(name=str(tmp_path)))
    assert result.status.to_list() == ["chat template: no system", "ok", "ok"]
    assert np.isnan(result.chosen).tolist() == [True, False, False]


def test_an_answer_without_tokens(tmp_path: Path) -> None:
    tiny_causal(tmp_path)
    tiny_tokenizer(tmp_path, template=None)
    settings = tmp_path / "tokenizer_config.json"
    config = json.loads(settings.read_text())
    del config["eos_token"]
    settings.write_text(json.dumps(config))
    pairs = pairs_of([{"prompt": "a", "chosen": "", "rejected": "cat"}])
    result = answer_logprobs(pairs, Context(), ModelSpec(name=str(tmp_path)))
    assert result.status.to_list() == [NO_TOKENS]
    assert np.isfinite(result.rejected).all()


@pytest.mark.parametrize(
    "changes", [{"tie_word_embeddings": True}, {"_attn_implementation": "eager"}]
)
def test_other_llamas(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = tiny_causal(tmp_path, **changes)
    pairs = random_pairs(5)
    np.testing.assert_allclose(scored(folder, pairs), plain_loop(folder, pairs), atol=1e-4)


@pytest.mark.parametrize("family", ["gemma2", "gpt2", "mamba", "cohere"])
def test_other_families_equal_the_plain_loop_or_fall_back_to_it(
    tmp_path: Path, family: str
) -> None:
    folder = family_model(tmp_path, family)
    pairs = random_pairs(5)
    np.testing.assert_allclose(
        scored(folder, pairs, batch_tokens=400), plain_loop(folder, pairs), atol=1e-3, rtol=1e-5
    )


def family_model(folder: Path, family: str) -> Path:
    import transformers as t

    base = tiny_config().to_dict()
    shape = {k: base[k] for k in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id")}
    llama = shape | {k: base[k] for k in ("hidden_size", "intermediate_size", "num_hidden_layers")}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    configs = {
        "gemma2": lambda: t.Gemma2Config(**llama, **heads, head_dim=8, sliding_window=16),
        "gpt2": lambda: t.GPT2Config(**shape, n_embd=32, n_layer=2, n_head=4),
        "mamba": lambda: t.MambaConfig(**shape, hidden_size=32, num_hidden_layers=2, state_size=4),
        "cohere": lambda: t.CohereConfig(**llama, **heads, logit_scale=0.25),
    }
    torch.manual_seed(0)
    t.AutoModelForCausalLM.from_config(configs[family]()).save_pretrained(folder)
    tiny_tokenizer(folder)
    return folder


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(CurateError, match="could not be loaded"):
        answer_logprobs(random_pairs(1), Context(), ModelSpec(name="no-such/model"))


@pytest.mark.parametrize(
    "scorer",
    [
        {"type": "ifd", "model": "M"},
        {"type": "donod_lm", "policy": "M"},
        {"type": "token_margin", "policy": "M", "reference": "M"},
        {"type": "reward_margin", "head": "lora", "model": "M", "repeats": 1, "folds": 2},
    ],
    ids=lambda scorer: scorer["type"],
)
def test_a_run_says_how_many_texts_a_model_saw_in_part(
    tiny: Path, tmp_path: Path, scorer: dict[str, Any]
) -> None:
    rows = [{"prompt": f"a cat {i}", "chosen": "dog", "rejected": "slept " * 30} for i in range(4)]
    config = {
        "scorers": [{k: str(tiny) if v == "M" else v for k, v in scorer.items()}],
        "inference": {"device": "cpu", "max_answer_tokens": 9},
        "store": str(tmp_path),
    }
    for _ in range(2):  # the second time values come from the store
        warnings = Pipeline(config).run(rows).warnings
        assert any("saw only the beginning of" in warning for warning in warnings)
