"""Preferences that change with the context of a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator
from scipy.stats import hypergeom

from curate import Column, Context, Parameters, Scorer
from curate.scoring import MeanDifference, extra_value, select_in_batches, training_status
from curate.scoring.texts import hash_128, messages_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONE_CONTEXT = "one context"
# Level at which the facts count a pair as turning.
_SIGNIFICANCE_LEVEL = 0.05


class ContextParams(Parameters):
    """Parameters of `context`."""

    by: Literal["system", "history", "extra"] = Field(
        "system",
        description="The context: the system messages, all messages before the last question, or "
        "a key of extra.",
    )
    key: str | None = Field(None, description="The key of extra, for 'by: extra'.")

    @model_validator(mode="after")
    def _named(self) -> ContextParams:
        if (self.by == "extra") != (self.key is not None):
            raise ValueError("'by: extra' and 'key' go together")
        return self


class ContextScorer(Scorer[ContextParams]):
    """Compare the votes on the same question and answers under several contexts.

    `here` and `elsewhere` are the shares of votes for the label in this context and in the others,
    0 to 1; `turns` says whether their majorities disagree; `p_value` is Fisher's exact test (twice
    the smaller tail) of the hypothesis that both are the same. With one or two votes in each
    context it is never small. A preference that changes with the context is not noise (arXiv
    2407.14916): the context decides. The facts test whether two votes of different contexts differ
    more often than two of the same one. Use it when the same answers were voted on under several
    system prompts or histories.

    Examples:
        >>> from curate import score
        >>> def vote(style, chosen, rejected):
        ...     system = {"role": "system", "content": style}
        ...     prompt = [system, {"role": "user", "content": "Hi?"}]
        ...     return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        >>> rows = [vote("Be brief.", "Hi.", "Hello!"), vote("Be warm.", "Hello!", "Hi.")]
        >>> score(rows, "context", by="system").frame["context.turns"].to_list()
        [True, True]
    """

    name = "context"
    purpose = "taste, annotators, context"
    when = (
        "When the same question and answers were voted on under several system prompts or "
        "histories. Needs several votes per context; tested on simulated data only."
    )
    summary = "preferences on the same question and answers that change with the context"
    reference = "Context-Aware Preference Modeling, arXiv 2407.14916 (its question; Fisher's test)"
    from_labels = True
    Params = ContextParams

    def columns(self) -> tuple[Column, ...]:
        """Return the contexts, whether the preference turns, and the p-value."""
        return (
            Column("contexts", "contexts in which this pair of answers was judged", "int"),
            Column("here", "share of this context's votes for the label", unit="0 to 1"),
            Column("elsewhere", "share of the other contexts' votes for it", unit="0 to 1"),
            Column("turns", "the majorities in this context and in the others disagree", "bool"),
            Column(
                "p_value", "p-value of equal votes in this and the other contexts", unit="0 to 1"
            ),
            Column("status", f"ok; tie, identical answers, or '{ONE_CONTEXT}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return votes in this context and in the other contexts."""
        votes = self._votes(pairs).with_columns(training_status(pairs, context).alias("why"))
        ok = pl.col("why") == "ok"
        low_votes, task = pl.col("low").cast(pl.Int64), ["question", "first", "second"]
        counted = votes.with_columns(
            n=ok.sum().over([*task, "place"]),
            w=(low_votes * ok).sum().over([*task, "place"]),
            total=ok.sum().over(task),
            all_low=(low_votes * ok).sum().over(task),
            contexts=pl.col("place").filter(ok).n_unique().over(task),
        )
        several = ok & (pl.col("contexts") > 1)
        for_low = pl.col("low")
        share_in_context = pl.col("w") / pl.col("n")
        share_elsewhere = (pl.col("all_low") - pl.col("w")) / (pl.col("total") - pl.col("n"))
        frame = counted.with_columns(several=several, here=share_in_context, there=share_elsewhere)
        frame = frame.with_columns(p=pl.Series(_fisher_p_values(frame)))
        context.facts.update(_turning_facts(frame))
        # Negative where the two majorities prefer different answers.
        agreement = (pl.col("here") - 0.5) * (pl.col("there") - 0.5)
        return frame.select(
            contexts=pl.when(ok).then("contexts").cast(pl.Int64),
            here=pl.when(several).then(pl.when(for_low).then("here").otherwise(1 - pl.col("here"))),
            elsewhere=pl.when(several).then(
                pl.when(for_low).then("there").otherwise(1 - pl.col("there"))
            ),
            turns=pl.when(several).then(agreement < 0),
            p_value=pl.when(several).then("p"),
            status=pl.when(ok & ~several).then(pl.lit(ONE_CONTEXT)).otherwise("why"),
        )

    def _votes(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return hashes of question, context and both answers in order, and the vote."""
        question, context_text = self._split_context()
        keys = select_in_batches(
            pairs,
            question=hash_128(messages_key(question)),
            place=hash_128(context_text),
            c=hash_128(messages_key("chosen")),
            r=hash_128(messages_key("rejected")),
        )
        return keys.select(
            "question",
            "place",
            first=pl.min_horizontal("c", "r"),
            second=pl.max_horizontal("c", "r"),
            low=pl.col("c") < pl.col("r"),
        )

    def _split_context(self) -> tuple[pl.Expr, pl.Expr]:
        """Return the question as messages, and its context as text."""
        prompt, p = pl.col("prompt"), self.params
        if p.by == "extra":
            return prompt, extra_value(str(p.key)).fill_null("")
        if p.by == "history":
            # The question is the last message, and its context what came before.
            return prompt.list.tail(1), messages_key(prompt.list.head(prompt.list.len() - 1))
        system = pl.element().struct.field("role") == "system"
        other_messages = prompt.list.eval(pl.element().filter(~system))
        return other_messages, messages_key(prompt.list.eval(pl.element().filter(system)))


def _fisher_p_values(frame: pl.DataFrame) -> NDArray[np.float64]:
    """Return twice the smaller tail of the hypergeometric distribution, at most 1."""
    n, w, total, low = (
        frame[c].to_numpy().astype(np.int64) for c in ("n", "w", "total", "all_low")
    )
    # If contexts do not matter, the votes of one context are a sample of all votes.
    below = hypergeom.cdf(w, total, low, n)
    above = hypergeom.sf(w - 1, total, low, n)
    # Two-sided: the smaller tail, doubled.
    p_values: NDArray[np.float64] = np.minimum(2.0 * np.minimum(below, above), 1.0)
    return p_values


def _turning_facts(frame: pl.DataFrame) -> dict[str, Any]:
    """Return how often two votes on the same answers differ, in one context and in two."""
    several = frame.filter("several")
    cells = several.unique(["question", "first", "second", "place"], maintain_order=True)
    n, w = pl.col("n").cast(pl.Float64), pl.col("w").cast(pl.Float64)
    other_votes, other_low = pl.col("total") - n, pl.col("all_low") - w
    shares = cells.select(
        # The chance that two votes drawn without replacement differ, in one context and across two.
        within=pl.when(n > 1).then(2.0 * w * (n - w) / (n * (n - 1.0))),
        across=(w * (other_votes - other_low) + (n - w) * other_low) / (n * other_votes),
    )
    facts: dict[str, Any] = {
        "pairs_with_several_contexts": len(several),
        "pairs_that_surely_turn": int((several["p"] < _SIGNIFICANCE_LEVEL).sum()),
    }
    # Only contexts with two votes or more show how often votes differ within one context.
    comparable = shares.drop_nulls("within")
    for name in ("within", "across"):
        values = shares[name].drop_nulls()
        if len(values):
            facts[f"votes_that_differ_{name}"] = round(float(values.to_numpy().mean()), 4)
    if len(comparable) > 1:
        gap = MeanDifference.of((comparable["across"] - comparable["within"]).to_numpy())
        facts |= gap.facts("difference", "difference_standard_error")
        facts["context_decides"] = gap.sure
    return facts
