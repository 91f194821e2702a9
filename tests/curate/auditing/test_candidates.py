from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from curate.auditing.audit import audit
from curate.auditing.candidates import audit_candidates
from curate.auditing.ranking import audit_ranking
from curate.models.lm.answer_logprobs import answer_logprobs
from curate.steps.context import Context
from curate.steps.models import ModelSpec
from tests.conftest import DATA
from tests.helpers import context_of, numbered_pairs, pairs_of
from tests.models import tiny_causal


def voted(count: int, seed: int = 0):  # type: ignore[no-untyped-def]
    """Three votes a pair; the nearer the answers, the more the votes are a coin's."""
    rng = np.random.default_rng(seed)
    rows, vectors = [], {}
    for i in range(count):
        angle = rng.uniform(0.02, np.pi / 2)
        base, other = rng.normal(size=(2, 6))
        base /= np.linalg.norm(base)
        other -= other @ base * base
        other /= np.linalg.norm(other)
        vectors |= {f"a{i}": base, f"b{i}": np.cos(angle) * base + np.sin(angle) * other}
        for person in range(3):
            wins = rng.random() < 0.5 + 0.5 * (1 - np.cos(angle))
            chosen, rejected = (f"a{i}", f"b{i}") if wins else (f"b{i}", f"a{i}")
            rows.append(
                {"prompt": f"p{i}", "chosen": chosen, "rejected": rejected}
                | {"annotator": f"w{person}"}
            )
    pairs = pairs_of(rows)
    return pairs, context_of(pairs, vectors, 6)


def test_people_disagree_where_answers_are_alike() -> None:
    pairs, context = voted(300)
    findings = audit_candidates(pairs, context)
    assert findings.comparisons == 300
    assert findings.answers_per_prompt == 2
    assert findings.spearman < -0.2
    assert findings.p_value < 1e-6
    low, _, high = (part.disagreement for part in findings.by_distance)
    assert low > high + 0.1
    features = context.features
    cosines = np.einsum("nd,nd->n", features.of("chosen"), features.of("rejected"))[::3]
    assert findings.mean_distance == pytest.approx(1 - cosines.mean(), abs=1e-3)
    assert findings.nearly_alike == pytest.approx((cosines > 0.95).mean(), abs=1e-3)
    assert findings.distance_between_prompts == pytest.approx(1.0, abs=0.1)


def test_copies_have_no_diversity_and_single_votes_no_disagreement() -> None:
    pairs = numbered_pairs(40)
    one = np.array([1.0, 0, 0])
    vectors = {f"{side} {i}": one for side in ("good", "evil") for i in range(40)}
    findings = audit_candidates(pairs, context_of(pairs, vectors, 3))
    assert findings.mean_distance == 0
    assert findings.nearly_alike == 1
    assert findings.pairs_with_several_votes == 0
    assert "disagreement" not in findings.to_json()


def test_ranking_accuracy_counts_what_the_model_prefers(tmp_path: Path) -> None:
    model = ModelSpec(name=str(tiny_causal(tmp_path / "m")))
    pairs = numbered_pairs(30)
    answers = answer_logprobs(pairs, Context(), model)
    findings = audit_ranking(pairs, Context(), model, beta=0.5, reliability=0.8)
    gap = answers.chosen - answers.rejected
    assert findings.by_sum.share == pytest.approx((gap > 0).mean(), abs=1e-4)
    chosen, rejected = answers.means()
    assert findings.by_token.share == pytest.approx((chosen > rejected).mean(), abs=1e-4)
    ideal = (gap > -logit(0.8) / 0.5).mean()
    assert findings.idealised.share == pytest.approx(ideal, abs=1e-4)
    assert ideal >= (gap > 0).mean()
    assert findings.by_sum.low <= findings.by_sum.share <= findings.by_sum.high


def test_no_optimum_is_told_where_the_share_of_wrong_labels_is_not_known(tmp_path: Path) -> None:
    """Of these labels a fit says that a quarter is wrong; held-out heads tell a bound alone."""
    model = ModelSpec(name=str(tiny_causal(tmp_path / "m")))
    findings = audit(str(DATA / "llama-factory-dpo"), embedder="static", model=model)
    assert findings.estimate is not None
    assert findings.estimate.rate is None
    assert findings.ranking is not None
    assert findings.ranking.to_json().keys() == {"model", "pairs", "by_sum", "by_token"}
    (table,) = (s for s in findings.sections if "ranks as the labels do" in s.title)
    assert table.rows[-1][-1] == "needs the share of wrong labels: review some pairs"
