"""Language of prompt and answers."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.text.answer_texts import map_distinct_texts
from curate.models.text.languages import LanguageDetector


class LanguageParams(Parameters):
    """Parameters of `language`."""

    least: float = Field(
        0.5, ge=0, le=1, description="Least probability; below it the language is not decided."
    )
    languages: tuple[str, ...] = Field(
        (), description="ISO 639-1 codes to choose among; default all 97 that langid knows."
    )


class Language(Scorer[LanguageParams]):
    """ISO 639-1 code of each part by langid, null where it is not sure (short texts, code)."""

    name = "language"
    purpose = "texts"
    when = "For multilingual sets, and to find answers in another language than the prompt's."
    summary = "language of prompt and answers, and whether the answers keep to the prompt's"
    reference = "langid.py: Lui and Baldwin 2012"
    scope: ClassVar[Literal["row", "table"]] = "row"
    stored = True
    Params = LanguageParams

    def columns(self) -> tuple[Column, ...]:
        """Codes, and whether they are one."""
        return (
            Column("prompt", "language of the prompt", "text"),
            Column("chosen", "language of the preferred answer", "text"),
            Column("rejected", "language of the other answer", "text"),
            Column(
                "same",
                "both answers are in the prompt's language; null where one is not decided",
                "bool",
                HIGHER,
            ),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Languages of a batch."""
        parts = ("prompt", "chosen", "rejected")
        found = map_distinct_texts(pairs, parts, self._languages.of)
        frame = pl.DataFrame(
            [pl.Series(p, v, pl.String) for p, v in zip(parts, found, strict=True)]
        )
        return frame.with_columns(
            # A text too short to tell says nothing of the others either.
            same=pl.when(pl.all_horizontal(pl.col(parts).is_not_null())).then(
                (pl.col("chosen") == pl.col("prompt")) & (pl.col("rejected") == pl.col("prompt"))
            )
        )

    @cached_property
    def _languages(self) -> LanguageDetector:
        return LanguageDetector("scorer 'language'", self.params.least, self.params.languages)
