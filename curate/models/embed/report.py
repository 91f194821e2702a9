"""How texts and media were embedded, and what the user should know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from curate.data.json_result import JsonResult


@dataclass(frozen=True)
class RoundingError(JsonResult):
    """Cosines of vectors of 8 bits with those of float32.

    Attributes:
        texts: number of texts that were compared.
        least_cosine: the lowest cosine.
        mean_cosine: the mean cosine.
    """

    texts: int
    least_cosine: float
    mean_cosine: float


@dataclass(frozen=True)
class TruncatedTexts(JsonResult):
    """How many texts of a sample an embedder truncates.

    Attributes:
        texts: number of distinct texts of the sample.
        cut: of these, the texts that are longer than the limit.
        max_tokens: the limit.
    """

    texts: int
    cut: int
    max_tokens: int

    def warning(self, model: str) -> str:
        """Return the counts as a sentence."""
        return (
            f"{model} embeds the first {self.max_tokens} tokens of a text; {self.cut:,} of "
            f"{self.texts:,} sampled texts ({self.cut / self.texts:.0%}) are longer and are "
            "truncated; use a model with a larger limit, or embedder: {name: static}, which has "
            "none"
        )


@dataclass(frozen=True)
class EmbeddingReport(JsonResult):
    """How pairs were embedded.

    Attributes:
        model: name of the embedder.
        fingerprint: what identifies its weights and settings.
        device: the device on which it ran.
        media: number of images or audios; None where answers are texts.
        media_not_seen: of these, those that cannot be decoded.
        pairs_not_seen: pairs with such media.
        int8: error of vectors of 8 bits; None for exact ones.
        seen_in_part: texts that are truncated; None where none is.
        cut: the same, or its like for hidden states, as a sentence.
        texts: number of vectors.
        dimensions: their dimension.
        cached: whether they came from the store.
        seconds: wall time; None in a record, which has it itself.
        choice: which embedder was chosen and why; None where the settings name one.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(
        {
            *("media", "media_not_seen", "pairs_not_seen", "int8", "seen_in_part", "cut"),
            *("seconds", "choice"),
        }
    )

    model: str = ""
    fingerprint: str = ""
    device: str = ""
    media: int | None = None
    media_not_seen: int | None = None
    pairs_not_seen: int | None = None
    int8: RoundingError | None = None
    seen_in_part: TruncatedTexts | None = None
    cut: str | None = None
    texts: int = 0
    dimensions: int = 0
    cached: bool = False
    seconds: float | None = None
    choice: str | None = None

    @property
    def notes(self) -> list[str]:
        """Return which embedder was chosen, and what vectors do not see."""
        return [*filter(None, (self.choice,)), *self.warnings]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what vectors do not see: media, ends of texts, figures that were rounded away."""
        warnings = []
        if self.media_not_seen:
            warnings.append(
                f"{self.media_not_seen:,} of {self.media:,} media cannot be decoded: learned "
                f"scores are uninformative for their {self.pairs_not_seen:,} pairs; see "
                "media_health"
            )
        if self.int8 is not None:
            warnings.append(
                f"vectors are computed in 8 bits: on {self.int8.texts} texts their cosine with "
                f"those of float32 is {self.int8.mean_cosine} on average and "
                f"{self.int8.least_cosine} at least"
            )
        return (*warnings, *filter(None, (self.cut,)))
