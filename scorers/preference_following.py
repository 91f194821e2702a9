"""Whether the preferred answer follows what the user said to prefer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.data.extra_column import extra_value
from curate.data.hashes import numbers_by_appearance, select_in_batches
from curate.data.table import messages_text
from curate.models.judge.both_orders import ask_following
from curate.models.judge.endpoint import EndpointParams
from curate.models.judge.verdicts import CHOSEN, REJECTED, TIE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.features import Features

NO_PREFERENCE = "no stated preference"
_PARTS = ("prompt", "chosen", "rejected")
_VALUES = {CHOSEN: 1.0, REJECTED: 0.0, TIE: 0.5}
KEYS = ("user_preference", "preference", "persona", "profile", "user_profile", "user_persona")
"""Keys of extra in which a preference is looked for, in this order."""


class PreferenceFollowingParams(Parameters):
    """Parameters of `preference_following`."""

    by: Literal["auto", "system", "extra"] = Field(
        "auto",
        description="Where the preference stands: the system messages, a key of extra, or auto: "
        "the system messages, else one of " + ", ".join(KEYS) + ".",
    )
    key: str | None = Field(None, description="The key of extra, for 'by: extra'.")
    judge: EndpointParams | None = Field(
        None, description="Endpoint that is asked too, in both orders; it sees style."
    )

    @model_validator(mode="after")
    def _named(self) -> PreferenceFollowingParams:
        if (self.by == "extra") != (self.key is not None):
            raise ValueError("'by: extra' and 'key' go together")
        return self


class PreferenceFollowing(Scorer[PreferenceFollowingParams]):
    """cos(preference, chosen) - cos(preference, rejected), by the run's sentence embedder.

    A label against a stated preference may be right for this user alone, or wrong: `context` tells
    where the same question turns with it. Embeddings see what texts are about. They follow "I am
    vegan" and not "be brief"; `judge` asks a model behind an endpoint, which sees style.
    """

    name = "preference_following"
    purpose = "taste, annotators, context"
    when = (
        "Where users or personas state what they prefer (a system prompt, a profile column). "
        "The cosine follows subjects, and no style; a judge both."
    )
    summary = "does the preferred answer lie nearer to the user's stated preference"
    reference = "the question of preference discerning, arXiv 2412.08604; the cosine is ours"
    needs_embeddings = True
    Params = PreferenceFollowingParams

    def columns(self) -> tuple[Column, ...]:
        """Cosines, their difference and the preference."""
        return (
            Column(
                "margin",
                "cosine of chosen minus that of rejected",
                "float",
                HIGHER,
                "-2 to 2",
                evidence="auto",
            ),
            Column("chosen", "cosine of preference and preferred answer", unit="-1 to 1"),
            Column("rejected", "cosine of preference and other answer", unit="-1 to 1"),
            Column("judged", "1: a judge sees the chosen answer follow it better; 0: the other"),
            Column("preference", "the first 200 characters of what was stated", "text"),
            Column("status", f"ok, or '{NO_PREFERENCE}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Cosines of all pairs; a fact tells how often the label follows the preference."""
        stated = select_in_batches(pairs, p=self._stated())["p"]
        known = stated.is_not_null()
        found = pl.DataFrame({"preference": stated.str.slice(0, 200)})
        cosines = _cosines(stated, context)
        frame = found.with_columns(
            *(pl.Series(side, values) for side, values in cosines.items()),
            status=pl.select(
                pl.when(known).then(pl.lit("ok")).otherwise(pl.lit(NO_PREFERENCE))
            ).to_series(),
        ).with_columns(margin=pl.col("chosen") - pl.col("rejected"))
        frame = frame.with_columns(self._judged(pairs, stated, context))
        margin = frame["margin"].to_numpy()
        margin = margin[np.isfinite(margin)]
        context.facts["stated"] = int(known.sum())
        if len(margin):
            context.facts["label_follows"] = round(float((margin > 0).mean()), 4)
        return frame.select([c.name for c in self.columns()])

    def _judged(self, pairs: pl.DataFrame, stated: pl.Series, context: Context) -> pl.Series:
        """1, 0 or a half (a tie, or orders that differ) of each pair; null where none was asked."""
        out: list[float | None] = [None] * len(pairs)
        if self.params.judge is not None:
            rows = stated.is_not_null().to_numpy().nonzero()[0]
            texts = pairs[rows].select(messages_text(part).alias(part) for part in _PARTS)
            both = zip(stated[rows], texts.rows(), strict=True)
            asked = [(preference, *row) for preference, row in both]
            verdicts = ask_following(asked, context, self.params.judge)
            for row, verdict in zip(rows.tolist(), verdicts, strict=True):
                out[row] = None if verdict is None else _VALUES[verdict.winner]
            told = [v for v in out if v is not None and v != _VALUES[TIE]]
            context.facts["judged"] = len(told)
            if told:
                context.facts["judged_label_follows"] = round(sum(told) / len(told), 4)
        return pl.Series("judged", out, dtype=pl.Float64)

    def _stated(self) -> pl.Expr:
        """The preference of each row as text, null where there is none."""
        spoken = pl.element().struct.field("role") == "system"
        texts = pl.col("prompt").list.filter(spoken).list.eval(pl.element().struct.field("content"))
        system = texts.list.join("\n")
        p = self.params
        keys = KEYS if p.key is None else (p.key,)
        sources = [] if p.by == "extra" else [system]
        sources += [] if p.by == "system" else [extra_value(key) for key in keys]
        cleaned = [source.str.strip_chars() for source in sources]
        return pl.coalesce(pl.when(text != "").then(text) for text in cleaned)


def _cosines(stated: pl.Series, context: Context) -> dict[str, NDArray[np.float64]]:
    """Cosines of both answers and the preference, NaN where there is none; each text once."""
    rows = stated.is_not_null().to_numpy().nonzero()[0]
    out = {side: np.full(len(stated), np.nan) for side in ("chosen", "rejected")}
    if not len(rows):
        return out
    if context.embed is None:
        raise RuntimeError("preference_following needs the run's embedder")
    features: Features = context.features
    numbers, first = numbers_by_appearance(stated[rows])
    vectors = context.embed(stated[rows][first].to_list())
    for side, values in out.items():
        answers = features.of(side, rows)
        values[rows] = np.einsum("nd,nd->n", vectors[numbers], answers)
    return out
