"""One round of self-annotation: pairs of a pool, labelled by what people's labels teach.

UPO (arXiv 2409.11212) takes pairs of which a dropout ensemble is sure; Skywork-Reward-V2 (arXiv
2507.01352) keeps what its best and its gold reward model both side with, turns what both reject,
and asks people about pairs near the gold pairs that it gets wrong. Heads here are linear on
embeddings, where both papers tune language models.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.extra_column import extra_value, extra_with
from curate.data.hashes import content_keys, key_of
from curate.data.table import text_keys
from curate.derive.pool import MADE, Pool, candidates
from curate.errors import CurateError
from curate.models.heads.round_heads import LabelledPairs, RoundHeads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.features import Features

FOLDS = 5
# Fewer verdicts of people tell nothing of a head.
FEWEST_GOLD = 20
# Gold pairs whose verdicts speak for a pair.
_NEIGHBOURS = 8
# Sides of a probability; an error rate from fewer pairs is not told.
_HALF, _FEWEST_TOLD = 0.5, 10
Embed = Callable[[pl.DataFrame], "Features"]


@dataclass(frozen=True)
class Round:
    """What a round found.

    Attributes:
        pairs: the pair table; `extra` holds what the heads say of each label.
        people: pairs near the gold pairs that the gold head gets wrong, the worst first.
        facts: counts, and how often both heads are right on gold pairs that no round learns from.
    """

    pairs: pl.DataFrame
    people: pl.DataFrame
    facts: dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """Pairs with the vectors of their parts.

    `fold` is that of each prompt. `held` tells the fifth of the prompts whose gold labels no head
    of any round learns from: the labels that a round writes carry those that they were learnt
    from, so that folds alone would let a gold label come back to its own judge.
    """

    pairs: pl.DataFrame
    prompt: NDArray[np.float32]
    chosen: NDArray[np.float32]
    rejected: NDArray[np.float32]
    fold: NDArray[np.int64]
    held: NDArray[np.bool_]


def make_round(
    pool: Pool | pl.DataFrame,
    gold: pl.DataFrame,
    before: pl.DataFrame | None,
    embed: Embed,
    people: int = 50,
) -> Round:
    """Label a pool and say how sure each label is.

    Pairs of a pool of answers are labelled by the best head; a table of pairs keeps its labels, of
    which those that both heads reject are marked to be flipped.

    Args:
        pool: prompts with answers, or pairs with labels.
        gold: pairs that people labelled.
        before: the pairs that the round before kept; None in the first.
        embed: gives the features of a pair table.
        people: pairs that are named for people, at most.

    Raises:
        CurateError: fewer than 20 gold pairs hold a vote, or the pool makes no pair.
    """
    votes = gold.filter(~pl.col("is_tie"))
    if len(votes) < FEWEST_GOLD:
        raise CurateError(
            "too few gold pairs", where="--gold", found=f"{len(votes)} with a vote",
            expected=f"at least {FEWEST_GOLD}",
        )  # fmt: skip
    own = _rows(votes, embed)
    known = [own] if before is None or not len(before) else [own, _rows(before, embed)]
    # In the first round no self-made label is there, and both heads are the same.
    heads = RoundHeads.learn(_labelled(known), FOLDS)
    judged_gold = heads.judge(own.chosen, own.rejected, own.fold)
    held = own.held
    rows = _pool_rows(pool, heads, embed)
    if not len(rows.pairs):
        raise CurateError("the pool makes no pair", where="pool", found="no two answers differ")
    told = heads.judge(rows.chosen, rows.rejected, rows.fold)
    first = before is None
    pairs = _marked(rows.pairs, told, labelled=not isinstance(pool, Pool), alone=first)
    near = _for_people(own, judged_gold["gold"], rows, people)
    facts = {
        "pairs": len(pairs),
        "gold_pairs": len(votes),
        "gold_held_out": int(held.sum()),
        "gold_right": {n: _share(judged_gold[n][held] > 0) for n in ("gold", "best")},
        "both_side_with_the_label": int(pairs_of(pairs, "agree").sum()),
        "both_reject_the_label": int(pairs_of(pairs, "turn").sum()),
        "for_people": len(near),
    }
    return Round(pairs, near, facts)


def pairs_of(pairs: pl.DataFrame, key: str) -> pl.Series:
    """Whether a key of `extra` is true, (pairs,)."""
    return pairs.select(t=(extra_value(key) == "true").fill_null(False))["t"]


def changes(pairs: pl.DataFrame, before: pl.DataFrame | None) -> dict[str, int]:
    """What a round's kept pairs are beside those of the round before."""
    if before is None:
        return {"new": len(pairs)}
    item = ["prompt", "low", "high"]
    now, then = (content_keys(p).unique(item, keep="first") for p in (pairs, before))
    both = now.join(then, on=item, suffix="_then")
    turned = int((both["chosen"] != both["chosen_then"]).sum())
    return {
        "new": len(now) - len(both),
        "kept_again": len(both) - turned,
        "label_turned": turned,
        "no_longer": len(then) - len(both),
    }


def _rows(pairs: pl.DataFrame, embed: Embed) -> Rows:
    features = embed(pairs)
    prompt, chosen, rejected = (features.of(part) for part in ("prompt", "chosen", "rejected"))
    return Rows(pairs, prompt, chosen, rejected, *_folds(pairs))


def _folds(pairs: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Fold of each prompt and whether its gold labels are held out, the same in every round."""
    keys = (key_of(text.encode()) for text in text_keys(pairs)["prompt"])
    numbers = np.array([int.from_bytes(key[:4], "big") for key in keys], dtype=np.int64)
    return numbers % FOLDS, numbers // FOLDS % FOLDS == 0


def _labelled(tables: list[Rows]) -> LabelledPairs:
    """What heads learn from; the first table is that of people, without what is held out."""
    gold = np.arange(sum(len(t.pairs) for t in tables)) < len(tables[0].pairs)
    learnt = np.ones(len(gold), dtype=bool)
    learnt[: len(tables[0].pairs)] = ~tables[0].held
    return LabelledPairs(
        np.concatenate([t.chosen for t in tables])[learnt],
        np.concatenate([t.rejected for t in tables])[learnt],
        np.concatenate([t.fold for t in tables])[learnt],
        gold[learnt],
    )


def _pool_rows(pool: Pool | pl.DataFrame, heads: RoundHeads, embed: Embed) -> Rows:
    if not isinstance(pool, Pool):
        return _rows(pool.filter(~pl.col("is_tie")), embed)
    flat = _rows(pool.frame(), embed)
    pairs, chosen, rejected = candidates(pool, heads.rewards(flat.chosen, flat.fold))
    vectors = flat.prompt[chosen], flat.chosen[chosen], flat.chosen[rejected]
    return Rows(pairs, *vectors, flat.fold[chosen], flat.held[chosen])


def _marked(
    pairs: pl.DataFrame, told: dict[str, NDArray[np.float64]], *, labelled: bool, alone: bool
) -> pl.DataFrame:
    """The pairs with what the heads say under keys of `extra`.

    In the first round both heads are one, and the rule of two of them says nothing by itself.
    """
    agree = (told["gold"] > 0) & (told["best"] > 0)
    turn = (told["gold"] < 0) & (told["best"] < 0) & labelled
    # Of a label that will be flipped the networks' votes for the new one count.
    vote = np.where(turn, 1.0 - told["vote"], told["vote"])
    values: dict[str, list[Any]] = {
        "made": [MADE] * len(pairs),
        "two_models": [not alone] * len(pairs),
        "agree": agree.tolist(),
        "turn": turn.tolist(),
        "gold_margin": told["gold"].tolist(),
        "best_margin": told["best"].tolist(),
        "bald": told["bald"].tolist(),
        "vote": vote.tolist(),
        "easy_weight": np.maximum(1.0 - told["bald"], 0.0).tolist(),
        "hard_weight": np.maximum(told["bald"], 0.0).tolist(),
    }
    return _with_keys(pairs, values)


def _with_keys(pairs: pl.DataFrame, values: dict[str, list[Any]]) -> pl.DataFrame:
    """The pairs with more keys in `extra`."""
    for key, listed in values.items():
        texts = pl.Series("_json", [json.dumps(v) for v in listed], dtype=pl.String)
        pairs = pairs.with_columns(texts)
        pairs = pairs.with_columns(extra=extra_with("extra", key, pl.col("_json"))).drop("_json")
    return pairs


def _for_people(gold: Rows, margin: NDArray[np.float64], rows: Rows, most: int) -> pl.DataFrame:
    """Pairs of the pool near gold pairs, by Skywork-Reward-V2's numbers of neighbours.

    8 for a gold pair that the gold head gets wrong, ceil(8 (1 - p)) for one that it gets right with
    probability p; the worst gold pairs first. The paper takes its best model's p, which here has
    seen labels that these gold pairs taught. Nearness is the cosine of the sums of both pairs'
    vectors, where the paper embeds attributes that people wrote.
    """
    probability = 1.0 / (1.0 + np.exp(-margin))
    wanted = np.where(
        probability <= _HALF, _NEIGHBOURS, np.ceil(_NEIGHBOURS * (1.0 - probability))
    ).astype(np.int64)
    cosine, near = _nearest(_sums(gold), _sums(rows), min(_NEIGHBOURS, len(rows.pairs)))
    order = np.argsort(probability, kind="stable")
    found: dict[int, tuple[int, float]] = {}
    for at in order.tolist():
        for place in range(min(int(wanted[at]), near.shape[1])):
            # A pair near several gold pairs is named once, for the worst of them.
            found.setdefault(int(near[at, place]), (at, float(cosine[at, place])))
    taken = list(found.items())[:most]
    ids = gold.pairs["pair_id"]
    told = [
        {"gold": ids[at], "probability": round(float(probability[at]), 4), "cosine": round(c, 4)}
        for _, (at, c) in taken
    ]
    return _with_keys(rows.pairs[[row for row, _ in taken]], {"near": told})


def _nearest(
    wanted: NDArray[np.float32], among: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cosines and rows of the k nearest, nearest first; exact."""
    import faiss

    index = faiss.IndexFlatIP(among.shape[1])
    index.add(among)
    cosine, rows = index.search(wanted, k)
    return cosine, rows


def _sums(rows: Rows) -> NDArray[np.float32]:
    total = rows.prompt + rows.chosen + rows.rejected
    norms = np.linalg.norm(total, axis=1, keepdims=True)
    found: NDArray[np.float32] = (total / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return found


def _share(right: NDArray[np.bool_]) -> dict[str, float] | None:
    """A share with its 95 % interval (Wilson); None of fewer than 10, which tell nothing."""
    from scipy.stats import binomtest

    if len(right) < _FEWEST_TOLD:
        return None
    count = int(right.sum())
    low, high = binomtest(count, len(right)).proportion_ci(method="wilson")
    return {"share": count / len(right), "low": float(low), "high": float(high)}
