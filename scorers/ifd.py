"""Instruction-following difficulty of both answers."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate import Column, Context, Parameters, Scorer
from curate.models.lm.answers import OK, STATUS, answer_logprobs, with_status
from curate.steps.models import Model

ABOVE_ONE = "above one"


class IFDParams(Parameters):
    """Parameters of `ifd`."""

    model: Model = Field(description="Causal language model.")


class IFD(Scorer[IFDParams]):
    """IFD(y) = exp(mean NLL(y | x) - mean NLL(y)): how little the prompt helps to say the answer.

    An answer alone follows the beginning-of-text token, so that both means are over the same
    tokens. `score` sets chosen answers above 1 aside: their prompt makes them less likely.
    """

    name = "ifd"
    purpose = "difficulty and uncertainty"
    when = (
        "For instruction data where the prompt should matter to the answer. Costs two "
        "forward passes an answer."
    )
    summary = "instruction-following difficulty of the answers, and its gap (IFD, IFD-gap)"
    reference = "Cherry LLM, arXiv 2308.12032, eq. 4; as filter: PrefCleanBench, arXiv 2509.23564"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = IFDParams

    def columns(self) -> tuple[Column, ...]:
        """Ratios; which direction helps has to be seen on the data."""
        return (
            Column("score", "IFD of the preferred answer, missing where it is above 1"),
            Column("chosen", "IFD of the preferred answer"),
            Column("rejected", "IFD of the other answer"),
            Column("gap", "IFD of chosen minus that of rejected", evidence="named"),
            Column("kind", f"{OK}, or '{ABOVE_ONE}' where the score is set aside", kind="text"),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Ratios of a batch."""
        model = self.params.model
        given = answer_logprobs(pairs, context, model)
        alone = answer_logprobs(pairs, context, model, alone=True)
        chosen, rejected = (
            np.exp(a - g) for g, a in zip(given.means(), alone.means(), strict=True)
        )
        values = {
            # Above 1 the prompt makes the answer less likely: misaligned by the paper, not
            # difficult.
            "score": np.where(chosen > 1.0, np.nan, chosen),
            "chosen": chosen,
            "rejected": rejected,
            "gap": chosen - rejected,
        }
        above = pl.when(pl.col("chosen") > 1.0).then(pl.lit(ABOVE_ONE)).otherwise(pl.lit(OK))
        return (
            with_status(values, given, alone)
            .with_columns(kind=above)
            .select([c.name for c in self.columns()])
        )
