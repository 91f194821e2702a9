"""Relevance of an answer to its prompt, with regularisers for length and repetition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Cache, Column, Context, Input, Parameters, Scorer
from curate.scoring import extra_value, messages_text, select_in_batches
from curate.scoring.texts import distinct_ngram_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDES = ("chosen", "rejected")
_WORDS_PER_UNIT = 100.0
"""Of R^3's length incentive, which its code counts in tokens."""


class RelevanceParams(Parameters):
    """Parameters of `relevance`."""

    length: float = Field(1.0, ge=0, description="Power of log(1 + words); 0 ignores the length.")
    repetition: float = Field(
        1.0, ge=0, description="Power of the share of distinct trigrams; 0 ignores it."
    )
    length_form: Literal["log", "linear"] = Field(
        "log", description="log(1 + words), or the released code's length incentive, words / 100."
    )
    reference: str | None = Field(
        None,
        description="Key of extra with a reference answer. Where it has one the prompt asks for "
        "something definite: relevance is to the reference, and the length does not count.",
    )


class Relevance(Scorer[RelevanceParams]):
    """Compute cos(prompt, answer) log(1 + words)^length distinct^repetition for both answers.

    `chosen` and `rejected` are these rewards, `margin` is their difference; `chosen_relevance` and
    `rejected_relevance` are the cosines, -1 to 1; distinct is the share of distinct trigrams. The
    terms are those of reverse-engineered rewards (R^3, arXiv 2402.03469, sec. 3), as are
    `length_form: linear` (per 100 words; the code counts tokens) and the branch: with `reference`,
    prompts that have a reference answer get cos(reference, answer) distinct^repetition, without a
    length term. The logarithm and the powers are ours. It needs a sentence embedder: cosines of a
    language model's hidden states say little. Use it as a cheap quality signal; on HH it prefers
    harmful answers.

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
        cosines = {side: context.features.cosines(side).astype(np.float64) for side in _SIDES}
        references = self._references(pairs)
        if references.null_count() < len(references):
            _replace_by_reference_cosines(cosines, references, context)
        chosen, rejected = (
            cosines[side] * self._regulariser(pairs, side, references) for side in _SIDES
        )
        return pl.DataFrame(
            {
                "margin": chosen - rejected,
                "chosen": chosen,
                "rejected": rejected,
                "chosen_relevance": cosines["chosen"],
                "rejected_relevance": cosines["rejected"],
            }
        )

    def _references(self, pairs: pl.DataFrame) -> pl.Series:
        """Return the reference answer of each pair, null without one."""
        key = self.params.reference
        value = pl.lit(None, pl.String) if key is None else extra_value(key)
        return select_in_batches(pairs, pl.col("source"), reference=value)["reference"]

    def _regulariser(
        self, pairs: pl.DataFrame, side: str, references: pl.Series
    ) -> NDArray[np.float64]:
        text = messages_text(side)
        counts = select_in_batches(
            pairs,
            text.str.count_matches(r"\S+").alias("words"),
            distinct_ngram_share(text, 3).alias("distinct"),
        )
        count = counts["words"].to_numpy()
        # log1p: longer answers say more, with diminishing returns per word.
        size = np.log1p(count) if self.params.length_form == "log" else count / _WORDS_PER_UNIT
        words = np.where(references.is_null().to_numpy(), size**self.params.length, 1.0)
        # Repeated trigrams lower the reward: the paper's repetition penalty.
        factor: NDArray[np.float64] = (
            words * counts["distinct"].to_numpy() ** self.params.repetition
        )
        return factor


def _replace_by_reference_cosines(
    cosines: dict[str, NDArray[np.float64]], references: pl.Series, context: Context
) -> None:
    """Replace the cosines of pairs with a reference by those of answer and reference."""
    if context.embed is None:
        raise RuntimeError("relevance to a reference needs the run's embedder")
    rows = references.is_not_null().to_numpy().nonzero()[0]
    vectors = context.embed(references[rows].to_list())
    for side, values in cosines.items():
        values[rows] = np.einsum("nd,nd->n", vectors, context.features.of(side, rows))
