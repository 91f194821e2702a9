"""Density ratio of a strong and a weak model as a reward (CDR)."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, Model, answer_logprobs, with_status


class DensityRatioParams(Parameters):
    """Parameters of `density_ratio`."""

    strong: Model = Field(description="The better aligned model.")
    weak: Model = Field(description="The worse aligned model, of the same tokenizer for mean.")
    tokens: Literal["sum", "mean"] = Field(
        "sum", description="Whether an answer's log-probability is summed or averaged over tokens."
    )
    criteria: str | None = Field(
        None,
        description="Criteria and worked examples that both models read before the prompt, as a "
        "system message (the customisation of CDR).",
    )


class DensityRatio(Scorer[DensityRatioParams]):
    """Use the log density ratio of a strong and a weak language model as a reward.

    The reward is log pi_strong(y|x) - log pi_weak(y|x) in nats, summed over an answer's tokens
    (`tokens: mean` averages); `margin` is chosen minus rejected (CDR / Dr.SoW, arXiv 2411.02481).
    With `criteria` both densities are conditioned on them as well; the paper chooses criteria and
    examples by the domain of the prompt, here one text serves all.
    Use it when a strong and a weak model of one family are available; it costs a forward pass of
    both.

    Examples:
        >>> step = DensityRatio(strong="org/aligned", weak="org/base")
        >>> [column.name for column in step.columns()]
        ['margin', 'chosen', 'rejected', 'status']
    """

    name = "density_ratio"
    purpose = "rewards and models"
    when = (
        "When a strong and a weak model of one family are available. Costs a forward pass of both."
    )
    summary = "log density ratio of a strong and a weak language model as reward (CDR)"
    reference = "CDR / Dr.SoW, arXiv 2411.02481"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    Params = DensityRatioParams

    def columns(self) -> tuple[Column, ...]:
        """Return the ratios and their difference."""
        return (
            Column(
                "margin",
                "ratio of chosen minus that of rejected",
                "float",
                HIGHER,
                "nats",
                evidence="auto",
            ),
            Column("chosen", "log strong minus log weak of the chosen answer", unit="nats"),
            Column("rejected", "log strong minus log weak of the rejected answer", unit="nats"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return ratios of a batch."""
        p = self.params
        if p.criteria is not None:
            pairs = pairs.with_columns(prompt=_prompt_after(p.criteria))
        strong, weak = (answer_logprobs(pairs, context, m) for m in (p.strong, p.weak))
        if p.tokens == "mean":
            # A mean does not grow with the length of the answer, as a sum does.
            ratios = [s - w for s, w in zip(strong.means(), weak.means(), strict=True)]
        else:
            ratios = [strong.chosen - weak.chosen, strong.rejected - weak.rejected]
        values = {"margin": ratios[0] - ratios[1], "chosen": ratios[0], "rejected": ratios[1]}
        return with_status(values, strong, weak)


def _prompt_after(criteria: str) -> pl.Expr:
    """Return the prompt with the criteria as system message, before those of its own."""
    first = pl.col("prompt").list.first()
    has_system = (first.struct.field("role") == "system").fill_null(False)
    content = first.struct.field("content")
    text = pl.when(has_system).then(pl.concat_str(pl.lit(f"{criteria}\n\n"), content))
    message = pl.struct(
        role=pl.lit("system"),
        content=text.otherwise(pl.lit(criteria)),
        more=pl.lit(None, dtype=pl.String),
    )
    later_messages = pl.col("prompt").list.slice(pl.when(has_system).then(1).otherwise(0))
    return pl.concat_list(pl.concat_list(message), later_messages)
