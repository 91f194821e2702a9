"""Language of prompt and answers."""

from __future__ import annotations

from functools import cached_property

import polars as pl
from pydantic import Field

from curate import HIGHER, Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring import map_distinct_texts
from curate.scoring.texts import LanguageDetector


class LanguageParams(Parameters):
    """Parameters of `language`."""

    least: float = Field(
        0.5, ge=0, le=1, description="Smallest probability; below it the language is undecided."
    )
    languages: tuple[str, ...] = Field(
        (), description="ISO 639-1 codes to choose from; default all 97 of langid."
    )


class Language(Scorer[LanguageParams]):
    """Detect the ISO 639-1 language code of prompt and answers by langid (Lui and Baldwin 2012).

    A code is null where its probability is below `least` (short texts, code). `same` says whether
    both answers are in the prompt's language. Use it on multilingual datasets, and to find answers
    in another language.

    Examples:
        >>> from curate import score
        >>> question = "What is the name of the capital city of the country of France?"
        >>> english = "The capital city of France is called Paris, and it is very old."
        >>> german = "Die Hauptstadt von Frankreich heißt Paris, und sie ist sehr alt."
        >>> row = {"prompt": question, "chosen": english, "rejected": german}
        >>> score([row], "language", languages=["en", "de"]).frame["language.rejected"].to_list()
        ['de']
    """

    name = "language"
    purpose = "texts"
    when = "For multilingual sets, and to find answers in another language than the prompt's."
    summary = "language of prompt and answers, and whether the answers use the prompt's"
    reference = "langid.py: Lui and Baldwin 2012"
    scope = Scope.ROW
    cache = Cache.PER_ROW
    single_answer_columns = ("prompt", "chosen")
    Params = LanguageParams

    def columns(self) -> tuple[Column, ...]:
        """Return the codes, and whether they are equal."""
        return (
            Column("prompt", "language of the prompt", "text"),
            Column("chosen", "language of the chosen answer", "text"),
            Column("rejected", "language of the rejected answer", "text"),
            Column(
                "same",
                "both answers are in the prompt's language; null where one is undecided",
                "bool",
                HIGHER,
            ),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return languages of a batch."""
        text_columns = ("prompt", "chosen", "rejected")
        codes = map_distinct_texts(pairs, text_columns, self._languages.of)
        frame = pl.DataFrame(
            [pl.Series(p, v, pl.String) for p, v in zip(text_columns, codes, strict=True)]
        )
        return frame.with_columns(
            # Null if any of the three is undecided: no comparison is possible.
            same=pl.when(pl.all_horizontal(pl.col(text_columns).is_not_null())).then(
                (pl.col("chosen") == pl.col("prompt")) & (pl.col("rejected") == pl.col("prompt"))
            )
        )

    @cached_property
    def _languages(self) -> LanguageDetector:
        return LanguageDetector("scorer 'language'", self.params.least, self.params.languages)
