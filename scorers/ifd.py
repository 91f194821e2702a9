"""Instruction-following difficulty of both answers."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from curate import Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, Model, answer_logprobs, with_status
from curate.scoring.lm import OK

ABOVE_ONE = "above one"


class IFDParams(Parameters):
    """Parameters of `ifd`."""

    model: Model = Field(description="Causal language model.")


class IFD(Scorer[IFDParams]):
    """Compute the instruction-following difficulty (IFD) of both answers.

    IFD(y) = exp(mean NLL(y | x) - mean NLL(y)) says how little the prompt helps to write the answer
    (arXiv 2308.12032, eq. 4); `gap` is chosen minus rejected. Without its prompt an answer follows
    the beginning-of-text token, so that both means are over the same tokens. `score` leaves out
    chosen answers above 1, which the prompt makes less likely. Use it on instruction data; it costs
    two forward passes per answer.

    Examples:
        >>> [column.name for column in IFD(model="org/model").columns()]
        ['score', 'chosen', 'rejected', 'gap', 'kind', 'status']
    """

    name = "ifd"
    purpose = "difficulty and uncertainty"
    when = (
        "For instruction data where the prompt should matter to the answer. Costs two "
        "forward passes per answer."
    )
    summary = "instruction-following difficulty of the answers, and its gap (IFD, IFD-gap)"
    reference = "Cherry LLM, arXiv 2308.12032, eq. 4; as filter: PrefCleanBench, arXiv 2509.23564"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    single_answer_columns = ("score", "chosen", "kind", "status")
    Params = IFDParams

    def columns(self) -> tuple[Column, ...]:
        """Return the ratios; their direction must be measured on the data."""
        return (
            Column("score", "IFD of the chosen answer, missing where it is above 1"),
            Column("chosen", "IFD of the chosen answer"),
            Column("rejected", "IFD of the rejected answer"),
            Column("gap", "IFD of chosen minus that of rejected", evidence="named"),
            Column("kind", f"{OK}, or '{ABOVE_ONE}' where the score is left out", kind="text"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return ratios of a batch."""
        model = self.params.model
        conditional = answer_logprobs(pairs, context, model)
        unconditional = answer_logprobs(pairs, context, model, alone=True)
        # Eq. 4 as a ratio of perplexities: exp(mean NLL with prompt - mean NLL without).
        chosen, rejected = (
            np.exp(a - g) for g, a in zip(conditional.means(), unconditional.means(), strict=True)
        )
        values = {
            # Above 1 the prompt makes the answer less likely: the paper calls that misaligned,
            # not difficult.
            "score": np.where(chosen > 1.0, np.nan, chosen),
            "chosen": chosen,
            "rejected": rejected,
            "gap": chosen - rejected,
        }
        above = pl.when(pl.col("chosen") > 1.0).then(pl.lit(ABOVE_ONE)).otherwise(pl.lit(OK))
        return (
            with_status(values, conditional, unconditional)
            .with_columns(kind=above)
            .select([c.name for c in self.columns()])
        )
