"""Whether the chosen answer follows the user's stated preference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import HIGHER, Column, Context, Input, Parameters, Scorer
from curate.scoring import extra_value, messages_text, select_in_batches
from curate.scoring.judge import CHOSEN, REJECTED, TIE, EndpointParams, ask_following
from curate.scoring.texts import numbers_by_appearance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.scoring import Features

NO_PREFERENCE = "no stated preference"
_TEXT_COLUMNS = ("prompt", "chosen", "rejected")
# A tie is half a win, so that the mean is the share of labels that follow.
_VERDICT_VALUES = {CHOSEN: 1.0, REJECTED: 0.0, TIE: 0.5}
KEYS = ("user_preference", "preference", "persona", "profile", "user_profile", "user_persona")
"""Keys of extra that may contain a preference, in the order in which they are tried."""


class PreferenceFollowingParams(Parameters):
    """Parameters of `preference_following`."""

    by: Literal["auto", "system", "extra"] = Field(
        "auto",
        description="Source of the preference: the system messages, a key of extra, or auto: "
        "the system messages, else one of " + ", ".join(KEYS) + ".",
    )
    key: str | None = Field(None, description="The key of extra, for 'by: extra'.")
    judge: EndpointParams | None = Field(
        None, description="Endpoint of a judge, asked in both orders; it also sees style."
    )

    @model_validator(mode="after")
    def _named(self) -> PreferenceFollowingParams:
        if (self.by == "extra") != (self.key is not None):
            raise ValueError("'by: extra' and 'key' go together")
        return self


class PreferenceFollowing(Scorer[PreferenceFollowingParams]):
    """Measure whether the chosen answer follows the preference that the user stated.

    `chosen` and `rejected` are the cosines of the stated preference with each answer, -1 to 1, and
    `margin` is their difference. `judged` is 1 where the model behind `judge` finds that the chosen
    answer follows it better, 0 for the other, 0.5 for a tie. The question is that of preference
    discerning (arXiv 2412.08604); the cosine is ours. Embeddings see topics ("I am vegan"), not
    style ("be brief"); a judge sees both. Use it where users or personas state what they prefer.

    Examples:
        >>> from curate import score
        >>> system = {"role": "system", "content": "I am vegan."}
        >>> prompt = [system, {"role": "user", "content": "Lunch?"}]
        >>> row = {"prompt": prompt, "chosen": "Vegan tofu bowl.", "rejected": "Beef burger."}
        >>> margin = score([row], "preference_following").frame["preference_following.margin"]
        >>> (margin > 0).to_list()
        [True]
    """

    name = "preference_following"
    purpose = "taste, annotators, context"
    when = (
        "Where users or personas state what they prefer (a system prompt, a profile column). "
        "The cosine sees topics, not style; a judge sees both."
    )
    summary = "whether the chosen answer is closer to the user's stated preference"
    reference = "the question of preference discerning, arXiv 2412.08604; the cosine is ours"
    inputs = frozenset({Input.TEXTS, Input.EMBEDDINGS})
    Params = PreferenceFollowingParams

    def columns(self) -> tuple[Column, ...]:
        """Return cosines, their difference and the preference."""
        return (
            Column(
                "margin",
                "cosine of chosen minus that of rejected",
                "float",
                HIGHER,
                "-2 to 2",
                evidence="auto",
            ),
            Column("chosen", "cosine of preference and chosen answer", unit="-1 to 1"),
            Column("rejected", "cosine of preference and rejected answer", unit="-1 to 1"),
            Column(
                "judged", "1: by the judge the chosen answer follows it better; 0: the rejected one"
            ),
            Column("preference", "the first 200 characters of the stated preference", "text"),
            Column("status", f"ok, or '{NO_PREFERENCE}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return cosines of all pairs; a fact says how often the label follows the preference."""
        stated = select_in_batches(pairs, p=self._stated_preference())["p"]
        stated_mask = stated.is_not_null()
        columns = pl.DataFrame({"preference": stated.str.slice(0, 200)})
        cosines = _preference_cosines(stated, context)
        frame = columns.with_columns(
            *(pl.Series(side, values) for side, values in cosines.items()),
            status=pl.select(
                pl.when(stated_mask).then(pl.lit("ok")).otherwise(pl.lit(NO_PREFERENCE))
            ).to_series(),
        ).with_columns(margin=pl.col("chosen") - pl.col("rejected"))
        frame = frame.with_columns(self._judge_following(pairs, stated, context))
        margin = frame["margin"].to_numpy()
        margin = margin[np.isfinite(margin)]
        context.facts["stated"] = int(stated_mask.sum())
        if len(margin):
            context.facts["label_follows"] = round(float((margin > 0).mean()), 4)
        return frame.select([c.name for c in self.columns()])

    def _judge_following(
        self, pairs: pl.DataFrame, stated: pl.Series, context: Context
    ) -> pl.Series:
        """Return 1, 0 or 0.5 (a tie, or orders that differ) per pair; null if not asked."""
        values: list[float | None] = [None] * len(pairs)
        if self.params.judge is not None:
            rows = stated.is_not_null().to_numpy().nonzero()[0]
            texts = pairs[rows].select(messages_text(part).alias(part) for part in _TEXT_COLUMNS)
            preferences_and_texts = zip(stated[rows], texts.rows(), strict=True)
            questions = [(preference, *row) for preference, row in preferences_and_texts]
            verdicts = ask_following(questions, context, self.params.judge)
            for row, verdict in zip(rows.tolist(), verdicts, strict=True):
                values[row] = None if verdict is None else _VERDICT_VALUES[verdict.winner]
            # A tie says nothing of which answer follows better.
            decided = [v for v in values if v is not None and v != _VERDICT_VALUES[TIE]]
            context.facts["judged"] = len(decided)
            if decided:
                context.facts["judged_label_follows"] = round(sum(decided) / len(decided), 4)
        return pl.Series("judged", values, dtype=pl.Float64)

    def _stated_preference(self) -> pl.Expr:
        """Return the preference of each row as text, null where there is none."""
        spoken = pl.element().struct.field("role") == "system"
        texts = pl.col("prompt").list.filter(spoken).list.eval(pl.element().struct.field("content"))
        system = texts.list.join("\n")
        p = self.params
        keys = KEYS if p.key is None else (p.key,)
        sources = [] if p.by == "extra" else [system]
        sources += [] if p.by == "system" else [extra_value(key) for key in keys]
        cleaned = [source.str.strip_chars() for source in sources]
        return pl.coalesce(pl.when(text != "").then(text) for text in cleaned)


def _preference_cosines(stated: pl.Series, context: Context) -> dict[str, NDArray[np.float64]]:
    """Return cosines of both answers with the preference, NaN without one."""
    rows = stated.is_not_null().to_numpy().nonzero()[0]
    cosines = {side: np.full(len(stated), np.nan) for side in ("chosen", "rejected")}
    if not len(rows):
        return cosines
    if context.embed is None:
        raise RuntimeError("preference_following needs the run's embedder")
    features: Features = context.features
    numbers, first_rows = numbers_by_appearance(stated[rows])
    vectors = context.embed(stated[rows][first_rows].to_list())
    for side, values in cosines.items():
        answers = features.of(side, rows)
        values[rows] = np.einsum("nd,nd->n", vectors[numbers], answers)
    return cosines
