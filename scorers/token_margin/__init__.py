"""Which tokens carry a pair's DPO margin."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Input, Parameters, Scope, Scorer
from curate.scorers.token_margin.token_values import TokenLogprobs, answer_token_logprobs
from curate.scoring import MODEL_STATUS, Model
from curate.scoring.lm import OK, distinct_conversations, load_language_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.scoring.lm import Conversations

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
        False,
        description="Also return the tokens with their contributions, which the report highlights.",
    )


class TokenMargin(Scorer[TokenMarginParams]):
    """Split the DPO margin into contributions c_t = +- beta log(pi(y_t) / pi_ref(y_t)) of tokens.

    The sign is + for the chosen answer; the sum of all c_t is `margin` in nats. `top_share` is the
    share of sum |c| that the `top` share of tokens carries, `entropy` that of |c| over log(tokens)
    (1 where flat), `gini` the Gini coefficient of |c| (0 where flat), `position` the mean position
    of the decisive tokens, 0 first to 1 last. `chosen_mask` and `rejected_mask` mark the decisive
    tokens. SparsePO (arXiv 2410.05102) learns such a mask; taking the largest |c_t| is ours. Use it
    to see which tokens carry a policy's margin, or to train on decisive tokens only.

    Examples:
        >>> contributions = np.array([[3.0, -1.0, 0.0, 0.0]])
        >>> positions = np.array([[0.0, 1.0, 0.0, 1.0]])
        >>> statistics, decisive = margin_concentration(contributions, positions, 0.25)
        >>> statistics["margin"].tolist(), statistics["top_share"].tolist(), decisive.tolist()
        ([2.0], [0.75], [[True, False, False, False]])
    """

    name = "token_margin"
    purpose = "rewards and models"
    when = "To see which tokens carry a policy's margin, or to train on decisive tokens only."
    summary = "concentration of the DPO margin on tokens: top share, entropy, Gini, position; masks"
    reference = "SparsePO, arXiv 2410.05102 (token-level log ratios); masks by size are ours"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    Params = TokenMarginParams

    def columns(self) -> tuple[Column, ...]:
        """Return measures of concentration; their direction must be measured on the data."""
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
                "mean position of the decisive tokens in their answer, weighted by |c|",
                unit="0 first, 1 last",
            ),
            Column("chosen_mask", "JSON of 0 and 1: decisive tokens of the chosen answer", "text"),
            Column("rejected_mask", "the same of the rejected answer", "text"),
            Column(
                "chosen_tokens",
                "JSON of [text, contribution] of the chosen answer, with `tokens: true`",
                "text",
            ),
            Column("rejected_tokens", "the same of the rejected answer", "text"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return contributions of a batch."""
        p, texts = self.params, distinct_conversations(pairs)
        policy = answer_token_logprobs(texts, context, p.policy)
        reference = answer_token_logprobs(texts, context, p.reference)
        problem = reference.problem | policy.problem
        ratio: NDArray[np.float64] = np.full(policy.ids.shape, np.nan)
        if policy.ids.shape != reference.ids.shape or (policy.ids != reference.ids).any():
            problem = dict.fromkeys(range(len(texts)), OTHER_TOKENS)
        else:
            ratio = p.beta * (policy.values - reference.values)
        contributions = np.concatenate([ratio[texts.chosen], -ratio[texts.rejected]], axis=1)
        lengths = (policy.ids >= 0).sum(axis=1)
        # Position within the answer, 0 for its first token and 1 for its last.
        position = np.arange(ratio.shape[1]) / np.maximum(lengths - 1, 1)[:, None]
        positions = np.concatenate([position[texts.chosen], position[texts.rejected]], axis=1)
        statistics, decisive = margin_concentration(contributions, positions, p.top)
        frame = pl.DataFrame(statistics).with_columns(pl.all().fill_nan(None))
        frame = frame.with_columns(
            **_decisive_masks(decisive, texts, lengths),
            status=_contribution_status(texts, problem, contributions),
        )
        null_text = pl.lit(None, dtype=pl.String)
        frame = frame.with_columns(chosen_tokens=null_text, rejected_tokens=null_text)
        if p.tokens:
            words = load_language_model(context, p.policy).encoder.words
            frame = frame.with_columns(
                **_token_contributions(contributions, texts, policy, lengths, words)
            )
        return frame.select([c.name for c in self.columns()])


def margin_concentration(
    contributions: NDArray[np.float64], positions: NDArray[np.float64], top: float
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """Return statistics of (pairs, tokens) contributions, by name, (pairs,) each.

    Args:
        contributions: (pairs, tokens), NaN where an answer has no more tokens.
        positions: (pairs, tokens), relative position of each token in its answer, 0 to 1.
        top: share of the tokens that are decisive, one at least.

    Returns:
        The statistics, and which tokens are decisive, (pairs, tokens).
    """
    finite_mask = np.isfinite(contributions)
    size = np.where(finite_mask, np.abs(contributions), 0.0)
    count, total = finite_mask.sum(axis=1), size.sum(axis=1)
    order = np.argsort(np.where(finite_mask, -size, np.inf), axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    # A tenth of ten tokens is one token, although 0.1 * 10 can round to slightly more than 1.
    decisive_count = np.maximum(np.ceil(top * count - 1e-9), 1)
    decisive = finite_mask & (rank < decisive_count[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = size / total[:, None]
        logs = np.log(share, out=np.zeros_like(share), where=share > 0)
        entropy = -(share * logs).sum(axis=1) / np.log(count)
        # Gini of ascending values x_1..x_n: 2 sum i x_i / (n sum x) - (n + 1) / n.
        weighted = np.where(finite_mask, (count[:, None] - rank) * size, 0.0).sum(axis=1)
        gini = 2.0 * weighted / (count * total) - (count + 1.0) / count
        top_size = np.where(decisive, size, 0.0)
        statistics = {
            "margin": np.where(
                count > 0, np.where(finite_mask, contributions, 0.0).sum(axis=1), np.nan
            ),
            "top_share": top_size.sum(axis=1) / total,
            "entropy": np.where(count > 1, entropy, np.nan),
            "gini": gini,
            "position": (top_size * positions).sum(axis=1) / top_size.sum(axis=1),
        }
    return statistics, decisive


def _decisive_masks(
    decisive: NDArray[np.bool_], texts: Conversations, lengths: NDArray[np.int64]
) -> dict[str, pl.Series]:
    """Return the decisive tokens of both answers as JSON."""
    width = decisive.shape[1] // 2
    sides = {"chosen_mask": (texts.chosen, 0), "rejected_mask": (texts.rejected, width)}
    return {
        name: pl.Series(
            [
                json.dumps(row[start : start + lengths[conversation]].astype(int).tolist())
                for row, conversation in zip(decisive, conversation_index, strict=True)
            ],
            dtype=pl.String,
        )
        for name, (conversation_index, start) in sides.items()
    }


def _token_contributions(
    contributions: NDArray[np.float64],
    texts: Conversations,
    policy: TokenLogprobs,
    lengths: NDArray[np.int64],
    words: Callable[[list[int]], list[str]],
) -> dict[str, pl.Series]:
    """Return texts and contributions of the tokens of both answers as JSON."""
    width = contributions.shape[1] // 2
    token_texts = [words(policy.ids[row, : lengths[row]].tolist()) for row in range(len(texts))]
    columns = {}
    for name, conversation_index, start in (
        ("chosen_tokens", texts.chosen, 0),
        ("rejected_tokens", texts.rejected, width),
    ):
        rows = []
        for row, conversation in zip(contributions, conversation_index, strict=True):
            values = row[start : start + lengths[conversation]].tolist()
            pairs = zip(token_texts[conversation], values, strict=True)
            # Four decimals: the report shades tokens, and JSON of long answers is large.
            rows.append(json.dumps([[w, None if math.isnan(v) else round(v, 4)] for w, v in pairs]))
        columns[name] = pl.Series(rows, dtype=pl.String)
    return columns


def _contribution_status(
    texts: Conversations, problem: dict[int, str], contributions: NDArray[np.float64]
) -> pl.Series:
    """Return the problem of either answer, or that no token contributes."""
    total = np.nansum(np.abs(contributions), axis=1)
    statuses = [
        problem.get(int(c)) or problem.get(int(r)) or (OK if t > 0 else SAME_MODELS)
        for c, r, t in zip(texts.chosen, texts.rejected, total, strict=True)
    ]
    return pl.Series("status", statuses, dtype=pl.String)
