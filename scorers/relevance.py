"""Relevance of an answer to its prompt, with regularisers for length and repetition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Cache, Column, Context, Input, Parameters, Scorer
from curate.scoring import messages_text, select_in_batches
from curate.scoring.texts import distinct_ngram_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDES = ("chosen", "rejected")


class RelevanceParams(Parameters):
    """Parameters of `relevance`."""

    length: float = Field(1.0, ge=0, description="Power of log(1 + words); 0 ignores the length.")
    repetition: float = Field(
        1.0, ge=0, description="Power of the share of distinct trigrams; 0 ignores it."
    )


class Relevance(Scorer[RelevanceParams]):
    """Compute cos(prompt, answer) log(1 + words)^length distinct^repetition for both answers.

    `chosen` and `rejected` are these rewards, `margin` is their difference; `chosen_relevance` and
    `rejected_relevance` are the cosines, -1 to 1; distinct is the share of distinct trigrams. The
    terms are those of reverse-engineered rewards (arXiv 2402.03469, sec. 3); the logarithm and the
    powers are ours. It needs a sentence embedder: cosines of a language model's hidden states say
    little. Use it as a cheap quality signal; on HH it prefers harmful answers.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "How do cats sleep?", "chosen": "Cats nap.", "rejected": "Taxes."}
        >>> (score([row], "relevance").frame["relevance.margin"] > 0).to_list()
        [True]
    """

    name = "relevance"
    purpose = "rewards and models"
    when = "As a cheap quality signal. On HH it prefers harmful answers, which are more relevant."
    summary = "relevance of the answers to the prompt, times length and repetition terms (R^3)"
    reference = "Rethinking the Role of Proxy Rewards in LM Alignment, arXiv 2402.03469, sec. 3"
    inputs = frozenset({Input.TEXTS, Input.EMBEDDINGS})
    cache = Cache.WHOLE
    single_answer_columns = ("chosen", "chosen_relevance")
    Params = RelevanceParams

    def columns(self) -> tuple[Column, ...]:
        """Return the rewards, their cosines, and the margin."""
        return (
            Column(
                "margin",
                "reward of chosen minus that of rejected",
                "float",
                HIGHER,
                evidence="auto",
            ),
            Column("chosen", "reward of the chosen answer"),
            Column("rejected", "reward of the rejected answer"),
            Column("chosen_relevance", "cosine of prompt and chosen answer", unit="-1 to 1"),
            Column("rejected_relevance", "cosine of prompt and rejected answer", unit="-1 to 1"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return rewards of all pairs."""
        features = context.features
        cosines = {side: features.cosines(side).astype(np.float64) for side in _SIDES}
        chosen, rejected = (cosines[side] * self._regulariser(pairs, side) for side in _SIDES)
        return pl.DataFrame(
            {
                "margin": chosen - rejected,
                "chosen": chosen,
                "rejected": rejected,
                "chosen_relevance": cosines["chosen"],
                "rejected_relevance": cosines["rejected"],
            }
        )

    def _regulariser(self, pairs: pl.DataFrame, side: str) -> NDArray[np.float64]:
        text = messages_text(side)
        counts = select_in_batches(
            pairs,
            text.str.count_matches(r"\S+").alias("words"),
            distinct_ngram_share(text, 3).alias("distinct"),
        )
        # log1p: longer answers say more, with diminishing returns per word.
        words = np.log1p(counts["words"].to_numpy()) ** self.params.length
        # Repeated trigrams lower the reward: the paper's repetition penalty.
        factor: NDArray[np.float64] = (
            words * counts["distinct"].to_numpy() ** self.params.repetition
        )
        return factor
