"""Preferences that turn with the context of a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator
from scipy.stats import hypergeom

from curate import Column, Context, Parameters, Scorer
from curate.data.extra_column import extra_value
from curate.data.hashes import hashed, select_in_batches
from curate.data.table import messages_key
from curate.models.heads.mean_gain import MeanDifference
from curate.models.heads.out_of_fold import training_status

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONE = "one context"
# Of the sign test of each prompt.
_LEVEL = 0.05


class ContextParams(Parameters):
    """Parameters of `context`."""

    by: Literal["system", "history", "extra"] = Field(
        "system",
        description="What the context is: the system messages, all before the last question, or a "
        "key of extra.",
    )
    key: str | None = Field(None, description="The key of extra, for 'by: extra'.")

    @model_validator(mode="after")
    def _named(self) -> ContextParams:
        if (self.by == "extra") != (self.key is not None):
            raise ValueError("'by: extra' and 'key' go together")
        return self


class ContextScorer(Scorer[ContextParams]):
    """Compares votes on the same question and answers under several contexts.

    A preference that turns with the context is no noise: the context decides. `p_value` tests that
    votes here are those of the other contexts (Fisher's exact test, twice the smaller tail); with a
    vote or two in each it is never small. The facts say whether turning is more than noise on the
    whole: two votes of different contexts must differ more often than two of the same one.
    """

    name = "context"
    purpose = "taste, annotators, context"
    when = (
        "When the same question and answers were voted on under several system prompts or "
        "histories. Needs several votes a context; shown on simulated data alone."
    )
    summary = "preferences on the same question and answers that turn with the context"
    reference = "Context-Aware Preference Modeling, arXiv 2407.14916 (its question; Fisher's test)"
    from_labels = True
    Params = ContextParams

    def columns(self) -> tuple[Column, ...]:
        """Contexts, whether the preference turns, and how surely."""
        return (
            Column("contexts", "contexts in which this pair of answers was judged", "int"),
            Column("here", "share of this context's votes for the label", unit="0 to 1"),
            Column("elsewhere", "share of the other contexts' votes for it", unit="0 to 1"),
            Column("turns", "most votes here and most elsewhere disagree", "bool"),
            Column("p_value", "that votes here are as those elsewhere", unit="0 to 1"),
            Column("status", f"ok; tie, identical answers, or '{ONE}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Votes here and elsewhere of all pairs."""
        votes = self._votes(pairs).with_columns(training_status(pairs, context).alias("why"))
        ok = pl.col("why") == "ok"
        one, task = pl.col("low").cast(pl.Int64), ["question", "first", "second"]
        counted = votes.with_columns(
            n=ok.sum().over([*task, "place"]),
            w=(one * ok).sum().over([*task, "place"]),
            total=ok.sum().over(task),
            all_low=(one * ok).sum().over(task),
            contexts=pl.col("place").filter(ok).n_unique().over(task),
        )
        several = ok & (pl.col("contexts") > 1)
        for_low = pl.col("low")
        here = pl.col("w") / pl.col("n")
        there = (pl.col("all_low") - pl.col("w")) / (pl.col("total") - pl.col("n"))
        frame = counted.with_columns(several=several, here=here, there=there)
        frame = frame.with_columns(p=pl.Series(_p_values(frame)))
        context.facts |= _facts(frame)
        # Negative where most votes here and most elsewhere name different answers.
        both = (pl.col("here") - 0.5) * (pl.col("there") - 0.5)
        return frame.select(
            contexts=pl.when(ok).then("contexts").cast(pl.Int64),
            here=pl.when(several).then(pl.when(for_low).then("here").otherwise(1 - pl.col("here"))),
            elsewhere=pl.when(several).then(
                pl.when(for_low).then("there").otherwise(1 - pl.col("there"))
            ),
            turns=pl.when(several).then(both < 0),
            p_value=pl.when(several).then("p"),
            status=pl.when(ok & ~several).then(pl.lit(ONE)).otherwise("why"),
        )

    def _votes(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Of each pair: hashes of question, context and both answers in order, and the vote."""
        question, place = self._parts()
        keys = select_in_batches(
            pairs,
            question=hashed(messages_key(question)),
            place=hashed(place),
            c=hashed(messages_key("chosen")),
            r=hashed(messages_key("rejected")),
        )
        return keys.select(
            "question",
            "place",
            first=pl.min_horizontal("c", "r"),
            second=pl.max_horizontal("c", "r"),
            low=pl.col("c") < pl.col("r"),
        )

    def _parts(self) -> tuple[pl.Expr, pl.Expr]:
        """The question as messages, and its context as text."""
        prompt, p = pl.col("prompt"), self.params
        if p.by == "extra":
            return prompt, extra_value(str(p.key)).fill_null("")
        if p.by == "history":
            return prompt.list.tail(1), messages_key(prompt.list.head(prompt.list.len() - 1))
        system = pl.element().struct.field("role") == "system"
        rest = prompt.list.eval(pl.element().filter(~system))
        return rest, messages_key(prompt.list.eval(pl.element().filter(system)))


def _p_values(frame: pl.DataFrame) -> NDArray[np.float64]:
    """Twice the smaller tail of the hypergeometric distribution, at most 1."""
    n, w, total, low = (
        frame[c].to_numpy().astype(np.int64) for c in ("n", "w", "total", "all_low")
    )
    # If contexts do not matter, the votes here are drawn from all votes on these answers.
    below = hypergeom.cdf(w, total, low, n)
    above = hypergeom.sf(w - 1, total, low, n)
    found: NDArray[np.float64] = np.minimum(2.0 * np.minimum(below, above), 1.0)
    return found


def _facts(frame: pl.DataFrame) -> dict[str, Any]:
    """How often two votes on the same answers differ, in one context and in two."""
    several = frame.filter("several")
    cells = several.unique(["question", "first", "second", "place"], maintain_order=True)
    n, w = pl.col("n").cast(pl.Float64), pl.col("w").cast(pl.Float64)
    rest, low = pl.col("total") - n, pl.col("all_low") - w
    shares = cells.select(
        within=pl.when(n > 1).then(2.0 * w * (n - w) / (n * (n - 1.0))),
        across=(w * (rest - low) + (n - w) * low) / (n * rest),
    )
    facts: dict[str, Any] = {
        "pairs_with_several_contexts": len(several),
        "pairs_that_surely_turn": int((several["p"] < _LEVEL).sum()),
    }
    # Only contexts of two votes or more tell how often votes differ without a change of context.
    both = shares.drop_nulls("within")
    for name in ("within", "across"):
        values = shares[name].drop_nulls()
        if len(values):
            facts[f"votes_that_differ_{name}"] = round(float(values.to_numpy().mean()), 4)
    if len(both) > 1:
        gap = MeanDifference.of((both["across"] - both["within"]).to_numpy())
        facts |= gap.facts("difference", "difference_standard_error")
        facts["context_decides"] = gap.sure
    return facts
