from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curate import Context, Pairs, Pipeline
from curate.scorers.implicit_reward import ImplicitReward
from curate.scorers.token_margin import OTHER_TOKENS, SAME_MODELS, TokenMargin, margin_concentration
from curate.steps.models import Inference
from tests.helpers import pairs_of, swapped
from tests.models import tiny_causal, tiny_tokenizer

PAIRS = pairs_of(
    [
        {"prompt": "what is a cat?", "chosen": "a cat is an animal", "rejected": "the dog sat"},
        {"prompt": "what is a cat?", "chosen": "the dog", "rejected": "a cat is an animal"},
        {"prompt": "question", "chosen": "good answer 1 2 3", "rejected": "evil"},
    ]
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folders = (tmp_path_factory.mktemp(name) for name in ("policy", "reference"))
    first, second = (str(tiny_causal(folder, seed)) for seed, folder in enumerate(folders))
    return first, second


def context() -> Context:
    return Context(inference=Inference(device="cpu"))


def by_a_loop(values: list[float], places: list[float], top: float) -> dict[str, float]:
    sizes = [abs(v) for v in values]
    order = sorted(range(len(values)), key=lambda i: -sizes[i])
    best = order[: max(math.ceil(top * len(values) - 1e-9), 1)]
    total = sum(sizes)
    shares = [s / total for s in sizes]
    pairs = sum(abs(a - b) for a in sizes for b in sizes)
    return {
        "margin": sum(values),
        "top_share": sum(sizes[i] for i in best) / total,
        "entropy": -sum(s * math.log(s) for s in shares if s) / math.log(len(values)),
        "gini": pairs / (2 * len(values) * total),
        "position": sum(sizes[i] * places[i] for i in best) / sum(sizes[i] for i in best),
    }


def test_statistics_equal_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    parts, places = rng.normal(size=(20, 30)), rng.random((20, 30))
    parts[rng.random(parts.shape) < 0.3] = np.nan
    statistics, decisive = margin_concentration(parts, places, 0.1)
    for row in range(20):
        finite_mask = np.isfinite(parts[row])
        expected = by_a_loop(
            parts[row, finite_mask].tolist(), places[row, finite_mask].tolist(), 0.1
        )
        for name, value in expected.items():
            assert statistics[name][row] == pytest.approx(value), name
        assert decisive[row].sum() == math.ceil(0.1 * finite_mask.sum() - 1e-9)
        assert not decisive[row, ~finite_mask].any()


def test_flat_and_single_contributions() -> None:
    flat, _ = margin_concentration(np.ones((1, 10)), np.zeros((1, 10)), 0.1)
    assert (flat["top_share"][0], flat["entropy"][0]) == pytest.approx((0.1, 1.0))
    assert flat["gini"][0] == pytest.approx(0.0, abs=1e-12)
    one = np.zeros((1, 10))
    one[0, 4] = -2.0
    single, decisive = margin_concentration(one, np.linspace(0, 1, 10)[None], 0.1)
    assert (single["top_share"][0], single["entropy"][0]) == (1.0, 0.0)
    assert single["gini"][0] == pytest.approx(0.9)
    assert single["position"][0] == pytest.approx(4 / 9)
    assert decisive[0].tolist() == [i == 4 for i in range(10)]


def test_the_margin_is_that_of_implicit_reward(models: tuple[str, str]) -> None:
    policy, reference = models
    scores = TokenMargin(policy=policy, reference=reference, tokens=True).score(PAIRS, context())
    implicit = ImplicitReward(policy=policy, reference=reference).score(PAIRS, context())
    np.testing.assert_allclose(scores["margin"], implicit["margin"], atol=1e-5)
    assert scores["status"].to_list() == ["ok"] * 3
    for row in scores.iter_rows(named=True):
        tokens = [json.loads(row[f"{side}_tokens"]) for side in ("chosen", "rejected")]
        masks = [json.loads(row[f"{side}_mask"]) for side in ("chosen", "rejected")]
        assert [len(t) for t in tokens] == [len(m) for m in masks]
        count = sum(map(len, masks))
        assert sum(map(sum, masks)) == max(math.ceil(0.1 * count - 1e-9), 1)
        total = sum(value for part in tokens for _, value in part)
        assert total == pytest.approx(row["margin"], abs=1e-3)
    first = json.loads(scores["chosen_tokens"][0])
    assert "".join(text for text, _ in first).startswith("a cat is an animal")


def test_a_swap_negates_the_margin_and_nothing_else(models: tuple[str, str]) -> None:
    scorer = TokenMargin(policy=models[0], reference=models[1])
    one, two = (scorer.score(p, context()) for p in (PAIRS, swapped(PAIRS)))
    np.testing.assert_allclose(one["margin"], -two["margin"].to_numpy(), atol=1e-6)
    for name in ("top_share", "entropy", "gini", "position"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-5)
    assert one["chosen_mask"].to_list() == two["rejected_mask"].to_list()


def test_models_that_agree_or_have_other_tokens_say_so(
    models: tuple[str, str], tmp_path: Path
) -> None:
    same = TokenMargin(policy=models[0], reference=models[0]).score(PAIRS, context())
    assert same["status"].to_list() == [SAME_MODELS] * 3
    assert same["top_share"].null_count() == 3
    other = tiny_causal(tmp_path, 2)
    tiny_tokenizer(other, template="{% for m in messages %}{{ m['content'] }}!!{% endfor %}")
    apart = TokenMargin(policy=models[0], reference=str(other)).score(PAIRS, context())
    assert apart["status"].to_list() == [OTHER_TOKENS] * 3
    assert apart["margin"].null_count() == 3


def test_the_report_shades_tokens_and_shards_carry_masks(
    models: tuple[str, str], tmp_path: Path
) -> None:
    step = {"type": "token_margin", "policy": models[0], "reference": models[1], "tokens": True}
    config = {
        "scorers": [step],
        "filters": [{"type": "expression", "drop": "`token_margin.top_share` > 2"}],
        "output": {"columns": {"token_mask": "token_margin.chosen_mask"}},
        "inference": {"device": "cpu"},
    }
    result = Pipeline(config).run(Pairs(PAIRS.with_columns(is_tie=False)), output=tmp_path / "out")
    assert "token_mask" in result.kept.columns
    (shard,) = (tmp_path / "out" / "kept").glob("*.parquet")
    masks = pl.read_parquet(shard)["token_mask"].to_list()
    assert all(set(json.loads(mask)) <= {0, 1} for mask in masks)
