"""One round of self-annotation: pairs of a pool, labelled by probes trained on gold pairs.

UPO (arXiv 2409.11212) selects pairs with a confident dropout ensemble. Skywork-Reward-V2 (arXiv
2507.01352) keeps labels that its best and its gold reward model both agree with, flips labels that
both reject, and asks people about pairs near the gold pairs that it gets wrong. The probes are
linear on embeddings; both papers tune language models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import content_keys, hash_bytes
from curate.data.json_fields import extra_value, with_extra_key
from curate.data.json_result import JsonResult
from curate.data.json_types import Json
from curate.data.table import text_keys
from curate.derive.pool import MADE, AnswerPool, candidate_pairs
from curate.errors import CurateError
from curate.models.heads.round_heads import LabelledPairs, RoundHeads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.features import Features

FOLDS = 5
# Fewer gold pairs say nothing about the accuracy of a probe.
MIN_GOLD_PAIRS = 20
# Neighbours per wrong gold pair, as in Skywork-Reward-V2.
_MAX_NEIGHBOURS = 8
# No accuracy is reported for fewer pairs.
_HALF, _MIN_PAIRS_FOR_SHARE = 0.5, 10
Embed = Callable[[pl.DataFrame], "Features"]


@dataclass(frozen=True)
class ProbeAccuracy(JsonResult):
    """The share of held-out gold labels that a probe agrees with.

    Attributes:
        share: share of the labels.
        low: lower end of the 95 % Wilson interval.
        high: upper end.
    """

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class RoundFindings(JsonResult):
    """Counts of a round, and what its probes are worth.

    Attributes:
        pairs: labelled pairs.
        gold_pairs: gold pairs with a vote.
        gold_held_out: those that are never used for training.
        gold_right: accuracy of the probes `gold` and `best` on them; None for too few.
        both_side_with_the_label: pairs on which both probes agree with the label.
        both_reject_the_label: pairs on which both disagree.
        for_people: pairs suggested for review.
    """

    pairs: int
    gold_pairs: int
    gold_held_out: int
    gold_right: dict[str, ProbeAccuracy | None]
    both_side_with_the_label: int
    both_reject_the_label: int
    for_people: int


@dataclass(frozen=True)
class Round:
    """Result of a round.

    Attributes:
        pairs: the pair table; `extra` has the probes' values for each label.
        people: pairs near the gold pairs that the gold probe gets wrong, worst first.
        findings: counts, and the accuracy of both probes on held-out gold pairs.
    """

    pairs: pl.DataFrame
    people: pl.DataFrame
    findings: RoundFindings


@dataclass(frozen=True)
class RoundRows:
    """Pairs with the vectors of prompt and answers.

    `fold` is the fold of each prompt. `held_out` is True for a fifth of the prompts, whose gold
    labels are never used for training. Folds would not be enough: the labels of a round depend on
    the gold labels, so a later probe would be tested on labels that it was indirectly trained on.
    """

    pairs: pl.DataFrame
    prompt: NDArray[np.float32]
    chosen: NDArray[np.float32]
    rejected: NDArray[np.float32]
    fold: NDArray[np.int64]
    held_out: NDArray[np.bool_]


def make_round(
    pool: AnswerPool | pl.DataFrame,
    gold: pl.DataFrame,
    before: pl.DataFrame | None,
    embed: Embed,
    people: int = 50,
) -> Round:
    """Label a pool, with the confidence of each label.

    Answers of a pool are labelled by the best probe. Labelled pairs keep their labels; those that
    both probes reject are marked to be flipped.

    Args:
        pool: prompts with answers, or labelled pairs.
        gold: pairs labelled by people.
        before: the kept pairs of the previous round; None in round one.
        embed: computes the features of a pair table.
        people: maximum number of pairs to suggest for review.

    Raises:
        CurateError: fewer than 20 gold pairs have a vote, or the pool has no pairs.
    """
    gold_rows = _embed_rows(_gold_votes(gold), embed)
    training_tables = [gold_rows]
    if before is not None and len(before):
        training_tables.append(_embed_rows(before, embed))
    # In round one there are no self-made labels, and both probes are identical.
    heads = RoundHeads.learn(_training_data(training_tables), FOLDS)
    gold_scores = heads.judge(gold_rows.chosen, gold_rows.rejected, gold_rows.fold)
    rows = _pool_rows(pool, heads, embed)
    if not len(rows.pairs):
        raise CurateError("the pool has no pairs", where="pool", found="no two answers differ")
    scores = heads.judge(rows.chosen, rows.rejected, rows.fold)
    is_labelled = not isinstance(pool, AnswerPool)
    pairs = _add_scores(rows.pairs, scores, labelled=is_labelled, is_first_round=before is None)
    review_pairs = _pairs_for_review(gold_rows, gold_scores["gold"], rows, people)
    findings = _describe_round(pairs, gold_rows, gold_scores, len(review_pairs))
    return Round(pairs, review_pairs, findings)


def _gold_votes(gold: pl.DataFrame) -> pl.DataFrame:
    """Return the gold pairs that are no ties; raise CurateError if they are too few."""
    votes = gold.filter(~pl.col("is_tie"))
    if len(votes) < MIN_GOLD_PAIRS:
        raise CurateError(
            "too few gold pairs", where="--gold", found=f"{len(votes)} with a vote",
            expected=f"at least {MIN_GOLD_PAIRS}",
        )  # fmt: skip
    return votes


def _describe_round(
    pairs: pl.DataFrame,
    gold_rows: RoundRows,
    gold_scores: dict[str, NDArray[np.float64]],
    review_count: int,
) -> RoundFindings:
    """Count pairs, and measure the accuracy of both probes on held-out gold pairs."""
    held_out = gold_rows.held_out
    return RoundFindings(
        len(pairs),
        len(gold_rows.pairs),
        int(held_out.sum()),
        {n: _share_with_interval(gold_scores[n][held_out] > 0) for n in ("gold", "best")},
        int(is_extra_true(pairs, "agree").sum()),
        int(is_extra_true(pairs, "turn").sum()),
        review_count,
    )


def is_extra_true(pairs: pl.DataFrame, key: str) -> pl.Series:
    """Return whether a key of `extra` is true, (pairs,)."""
    return pairs.select(t=(extra_value(key) == "true").fill_null(False))["t"]


def compare_with_previous(pairs: pl.DataFrame, before: pl.DataFrame | None) -> dict[str, int]:
    """Count new, kept, flipped and removed pairs compared to the previous round."""
    if before is None:
        return {"new": len(pairs)}
    item = ["prompt", "low", "high"]
    now, then = (content_keys(p).unique(item, keep="first") for p in (pairs, before))
    common = now.join(then, on=item, suffix="_then")
    flipped = int((common["chosen"] != common["chosen_then"]).sum())
    return {
        "new": len(now) - len(common),
        "kept_again": len(common) - flipped,
        "label_turned": flipped,
        "no_longer": len(then) - len(common),
    }


def _embed_rows(pairs: pl.DataFrame, embed: Embed) -> RoundRows:
    features = embed(pairs)
    prompt, chosen, rejected = (features.of(part) for part in ("prompt", "chosen", "rejected"))
    return RoundRows(pairs, prompt, chosen, rejected, *_assign_folds(pairs))


def _assign_folds(pairs: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the fold of each prompt and whether it is held out, equal in every round."""
    keys = (hash_bytes(text.encode()) for text in text_keys(pairs)["prompt"])
    numbers = np.array([int.from_bytes(key[:4], "big") for key in keys], dtype=np.int64)
    return numbers % FOLDS, numbers // FOLDS % FOLDS == 0


def _training_data(tables: list[RoundRows]) -> LabelledPairs:
    """Return the training data; the first table is gold, without held-out prompts."""
    gold = np.arange(sum(len(t.pairs) for t in tables)) < len(tables[0].pairs)
    learnt = np.ones(len(gold), dtype=bool)
    learnt[: len(tables[0].pairs)] = ~tables[0].held_out
    return LabelledPairs(
        np.concatenate([t.chosen for t in tables])[learnt],
        np.concatenate([t.rejected for t in tables])[learnt],
        np.concatenate([t.fold for t in tables])[learnt],
        gold[learnt],
    )


def _pool_rows(pool: AnswerPool | pl.DataFrame, heads: RoundHeads, embed: Embed) -> RoundRows:
    if not isinstance(pool, AnswerPool):
        return _embed_rows(pool.filter(~pl.col("is_tie")), embed)
    flat = _embed_rows(pool.frame(), embed)
    pairs, chosen, rejected = candidate_pairs(pool, heads.rewards(flat.chosen, flat.fold))
    vectors = flat.prompt[chosen], flat.chosen[chosen], flat.chosen[rejected]
    return RoundRows(pairs, *vectors, flat.fold[chosen], flat.held_out[chosen])


def _add_scores(
    pairs: pl.DataFrame,
    scores: dict[str, NDArray[np.float64]],
    *,
    labelled: bool,
    is_first_round: bool,
) -> pl.DataFrame:
    """Add the probes' values to `extra`.

    In round one the two probes are identical, so the two-model rule has no effect.
    """
    agree = (scores["gold"] > 0) & (scores["best"] > 0)
    turn = (scores["gold"] < 0) & (scores["best"] < 0) & labelled
    # If a label will be flipped, the vote for the new label counts.
    vote = np.where(turn, 1.0 - scores["vote"], scores["vote"])
    values: dict[str, list[Json]] = {
        "made": [MADE] * len(pairs),
        "two_models": [not is_first_round] * len(pairs),
        "agree": agree.tolist(),
        "turn": turn.tolist(),
        "gold_margin": scores["gold"].tolist(),
        "best_margin": scores["best"].tolist(),
        "bald": scores["bald"].tolist(),
        "vote": vote.tolist(),
        "easy_weight": np.maximum(1.0 - scores["bald"], 0.0).tolist(),
        "hard_weight": np.maximum(scores["bald"], 0.0).tolist(),
    }
    return _with_extra_keys(pairs, values)


def _with_extra_keys(pairs: pl.DataFrame, values: Mapping[str, Sequence[Json]]) -> pl.DataFrame:
    """Add keys to `extra`."""
    for key, listed in values.items():
        texts = pl.Series("_json", [json.dumps(v) for v in listed], dtype=pl.String)
        pairs = pairs.with_columns(texts)
        pairs = pairs.with_columns(extra=with_extra_key("extra", key, pl.col("_json"))).drop(
            "_json"
        )
    return pairs


def _pairs_for_review(
    gold: RoundRows, margin: NDArray[np.float64], rows: RoundRows, max_pairs: int
) -> pl.DataFrame:
    """Select pool pairs near gold pairs, with Skywork-Reward-V2's number of neighbours.

    The number is 8 for a gold pair that the gold probe gets wrong, and ceil(8 (1 - p)) for one that
    it gets right with probability p; the worst gold pairs come first. The paper uses p of its best
    model, which in our case was trained on labels derived from these gold pairs. Similarity is the
    cosine of the summed vectors of a pair; the paper embeds human-written attributes.
    """
    probability = 1.0 / (1.0 + np.exp(-margin))
    requested = np.where(
        probability <= _HALF, _MAX_NEIGHBOURS, np.ceil(_MAX_NEIGHBOURS * (1.0 - probability))
    ).astype(np.int64)
    cosine, near = _nearest_rows(
        _pair_vectors(gold), _pair_vectors(rows), min(_MAX_NEIGHBOURS, len(rows.pairs))
    )
    order = np.argsort(probability, kind="stable")
    nearest_gold: dict[int, tuple[int, float]] = {}
    for gold_row in order.tolist():
        for rank in range(min(int(requested[gold_row]), near.shape[1])):
            # A pair near several gold pairs is listed once, for the worst of them.
            nearest_gold.setdefault(
                int(near[gold_row, rank]), (gold_row, float(cosine[gold_row, rank]))
            )
    selected = list(nearest_gold.items())[:max_pairs]
    ids = gold.pairs["pair_id"]
    facts = [
        {
            "gold": ids[gold_row],
            "probability": round(float(probability[gold_row]), 4),
            "cosine": round(c, 4),
        }
        for _, (gold_row, c) in selected
    ]
    return _with_extra_keys(rows.pairs[[row for row, _ in selected]], {"near": facts})


def _nearest_rows(
    queries: NDArray[np.float32], among: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cosines and rows of the k nearest neighbours, nearest first; exact search."""
    import faiss

    index = faiss.IndexFlatIP(among.shape[1])
    index.add(among)
    cosine, rows = index.search(queries, k)
    return cosine, rows


def _pair_vectors(rows: RoundRows) -> NDArray[np.float32]:
    total = rows.prompt + rows.chosen + rows.rejected
    norms = np.linalg.norm(total, axis=1, keepdims=True)
    normalised: NDArray[np.float32] = (total / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return normalised


def _share_with_interval(right: NDArray[np.bool_]) -> ProbeAccuracy | None:
    """Return a share with its 95 % Wilson interval; None for fewer than 10 pairs."""
    from scipy.stats import binomtest

    if len(right) < _MIN_PAIRS_FOR_SHARE:
        return None
    count = int(right.sum())
    low, high = binomtest(count, len(right)).proportion_ci(method="wilson")
    return ProbeAccuracy(count / len(right), float(low), float(high))
