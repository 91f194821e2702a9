"""Which tokens carry a pair's DPO margin."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.lm.answers import OK, STATUS, load_language_model
from curate.models.lm.conversations import distinct_conversations
from curate.models.lm.token_values import TokenLogprobs, answer_token_logprobs
from curate.steps.models import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.models.lm.conversations import Conversations

OTHER_TOKENS, SAME_MODELS = "the models have other tokens", "the models agree on every token"


class TokenMarginParams(Parameters):
    """Parameters of `token_margin`."""

    policy: Model = Field(description="Model that was tuned on preferences.")
    reference: Model = Field(description="Model that the policy was tuned from.")
    beta: float = Field(0.1, gt=0, description="Scale of DPO's reward.")
    top: float = Field(
        0.1, gt=0, le=1, description="Share of a pair's tokens that count as decisive."
    )
    tokens: bool = Field(
        False, description="Also give the tokens with their contributions, which the report shades."
    )


class TokenMargin(Scorer[TokenMarginParams]):
    """The margin's parts c_t = +- beta log(pi(y_t) / pi_ref(y_t)), + for the preferred answer.

    Their sum is the DPO margin. A margin that a few tokens carry may hang on an ending or a name; a
    flat one says that nothing in particular decides. SparsePO learns a mask of tokens, or takes it
    from the reference's activations; the masks here are the decisive tokens by |c_t|, which is our
    choice.
    """

    name = "token_margin"
    purpose = "rewards and models"
    when = "To see what a policy's margin hangs on, or to train on decisive tokens alone."
    summary = "how few tokens carry the DPO margin: top share, entropy, Gini, position; masks"
    reference = "SparsePO, arXiv 2410.05102 (token-level log ratios); masks by size are ours"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = TokenMarginParams

    def columns(self) -> tuple[Column, ...]:
        """Concentration has no direction: see it on your data."""
        return (
            Column(
                "margin",
                "sum of all contributions: the DPO margin",
                "float",
                HIGHER,
                "nats",
                evidence="named",
            ),
            Column("top_share", "share of sum |c| that the decisive tokens carry", unit="0 to 1"),
            Column("entropy", "entropy of |c| over log(tokens): 1 where flat", unit="0 to 1"),
            Column("gini", "Gini coefficient of |c|: 0 where flat", unit="0 to 1"),
            Column(
                "position",
                "where the decisive tokens stand in their answer, weighted by |c|",
                unit="0 first, 1 last",
            ),
            Column(
                "chosen_mask", "JSON of 0 and 1: decisive tokens of the preferred answer", "text"
            ),
            Column("rejected_mask", "the same of the other answer", "text"),
            Column(
                "chosen_tokens",
                "JSON of [text, contribution] of the preferred answer, with `tokens: true`",
                "text",
            ),
            Column("rejected_tokens", "the same of the other answer", "text"),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Contributions of a batch."""
        p, texts = self.params, distinct_conversations(pairs)
        policy = answer_token_logprobs(texts, context, p.policy)
        reference = answer_token_logprobs(texts, context, p.reference)
        problem = reference.problem | policy.problem
        ratio: NDArray[np.float64] = np.full(policy.ids.shape, np.nan)
        if policy.ids.shape != reference.ids.shape or (policy.ids != reference.ids).any():
            problem = dict.fromkeys(range(len(texts)), OTHER_TOKENS)
        else:
            ratio = p.beta * (policy.values - reference.values)
        parts = np.concatenate([ratio[texts.chosen], -ratio[texts.rejected]], axis=1)
        lengths = (policy.ids >= 0).sum(axis=1)
        # Place within the answer, 0 for its first token and 1 for its last.
        place = np.arange(ratio.shape[1]) / np.maximum(lengths - 1, 1)[:, None]
        places = np.concatenate([place[texts.chosen], place[texts.rejected]], axis=1)
        found, decisive = concentration(parts, places, p.top)
        frame = pl.DataFrame(found).with_columns(pl.all().fill_nan(None))
        frame = frame.with_columns(
            **_masks(decisive, texts, lengths), status=_status(texts, problem, parts)
        )
        nothing = pl.lit(None, dtype=pl.String)
        frame = frame.with_columns(chosen_tokens=nothing, rejected_tokens=nothing)
        if p.tokens:
            words = load_language_model(context, p.policy).encoder.words
            frame = frame.with_columns(**_shaded(parts, texts, policy, lengths, words))
        return frame.select([c.name for c in self.columns()])


def concentration(
    parts: NDArray[np.float64], places: NDArray[np.float64], top: float
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """What is told of (pairs, tokens) contributions, NaN where there is none, by name; (pairs,).

    Args:
        parts: contributions.
        places: relative position of each token in its answer.
        top: share of the tokens that are decisive, one at least.

    Returns:
        The statistics, and which tokens are decisive, (pairs, tokens).
    """
    known = np.isfinite(parts)
    size = np.where(known, np.abs(parts), 0.0)
    count, total = known.sum(axis=1), size.sum(axis=1)
    rank = np.argsort(np.argsort(np.where(known, -size, np.inf), axis=1, kind="stable"), axis=1)
    # A tenth of ten tokens is one, although 0.1 * 10 is a little more than 1 in some roundings.
    wanted = np.maximum(np.ceil(top * count - 1e-9), 1)
    decisive = known & (rank < wanted[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = size / total[:, None]
        logs = np.log(share, out=np.zeros_like(share), where=share > 0)
        entropy = -(share * logs).sum(axis=1) / np.log(count)
        # Of ascending values x_1..x_n: 2 sum i x_i / (n sum x) - (n + 1) / n.
        ascending = count[:, None] - rank
        weighted = np.where(known, ascending * size, 0.0).sum(axis=1)
        gini = 2.0 * weighted / (count * total) - (count + 1.0) / count
        top_size = np.where(decisive, size, 0.0)
        found = {
            "margin": np.where(count > 0, np.where(known, parts, 0.0).sum(axis=1), np.nan),
            "top_share": top_size.sum(axis=1) / total,
            "entropy": np.where(count > 1, entropy, np.nan),
            "gini": gini,
            "position": (top_size * places).sum(axis=1) / top_size.sum(axis=1),
        }
    return found, decisive


def _masks(
    decisive: NDArray[np.bool_], texts: Conversations, lengths: NDArray[np.int64]
) -> dict[str, pl.Series]:
    """Decisive tokens of both answers as JSON."""
    width = decisive.shape[1] // 2
    sides = {"chosen_mask": (texts.chosen, 0), "rejected_mask": (texts.rejected, width)}
    return {
        name: pl.Series(
            [
                json.dumps(row[start : start + lengths[conversation]].astype(int).tolist())
                for row, conversation in zip(decisive, own, strict=True)
            ],
            dtype=pl.String,
        )
        for name, (own, start) in sides.items()
    }


def _shaded(
    parts: NDArray[np.float64],
    texts: Conversations,
    policy: TokenLogprobs,
    lengths: NDArray[np.int64],
    words: Callable[[list[int]], list[str]],
) -> dict[str, pl.Series]:
    """Texts and contributions of the tokens of both answers as JSON."""
    width = parts.shape[1] // 2
    written = [words(policy.ids[row, : lengths[row]].tolist()) for row in range(len(texts))]
    found = {}
    for name, own, start in (
        ("chosen_tokens", texts.chosen, 0),
        ("rejected_tokens", texts.rejected, width),
    ):
        rows = []
        for row, conversation in zip(parts, own, strict=True):
            values = row[start : start + lengths[conversation]].tolist()
            pairs = zip(written[conversation], values, strict=True)
            rows.append(json.dumps([[w, None if math.isnan(v) else round(v, 4)] for w, v in pairs]))
        found[name] = pl.Series(rows, dtype=pl.String)
    return found


def _status(texts: Conversations, problem: dict[int, str], parts: NDArray[np.float64]) -> pl.Series:
    """What is wrong with either answer, or that there is nothing to share out."""
    total = np.nansum(np.abs(parts), axis=1)
    told = [
        problem.get(int(c)) or problem.get(int(r)) or (OK if t > 0 else SAME_MODELS)
        for c, r, t in zip(texts.chosen, texts.rejected, total, strict=True)
    ]
    return pl.Series("status", told, dtype=pl.String)
