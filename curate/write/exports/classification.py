"""Texts with their class and a weight from preferences: for training a text classifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from curate.data.json_fields import CLASS_KEY, extra_value
from curate.data.table import messages_text
from curate.errors import CurateError
from curate.write.exports.base import Export, ShardSchema

_ROWS = 65_536


@dataclass
class _VoteCounts:
    """How often a text was preferred, and how often it was in a pair."""

    won: int = 0
    votes: int = 0


class ClassificationExport(Export):
    """`text`, `label`, `weight`: each distinct text of a class once.

    `weight` is 2 (won + 1) / (pairs + 2), 1 in the mean over pairs: texts that are clear examples
    of their class count for more. Prefer to Classify (arXiv 2306.04925) trains a second head on
    pairs; a weight is what any trainer takes, and ours. The pairs are written by `pairs`. Each
    distinct text is held until all are votes.
    """

    name = "classification"
    summary = "text classification (P2C): text, label and a weight from preferences"
    reserved = ("text", "label", "weight")
    general = False
    tasks = ("text-classification",)

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the texts of these pairs alone."""
        return pl.concat(self.stream(iter([pairs]), schema))

    def stream(
        self,
        parts: Iterator[pl.DataFrame],
        schema: ShardSchema,  # noqa: ARG002
    ) -> Iterator[pl.DataFrame]:
        """Yield the texts of all parts, once all are votes."""
        counts: dict[tuple[str, str], _VoteCounts] = {}
        for pairs in parts:
            for label, won, lost in _classified_pairs(pairs).iter_rows():
                # A text is in up to two pairs of its class: with the one before and the one after
                # it.
                for text, wins in ((won, 1), (lost, 0)):
                    text_counts = counts.setdefault((label, text), _VoteCounts())
                    text_counts.won += wins
                    text_counts.votes += 1
        yield from _vote_shares(counts).iter_slices(_ROWS)


def _classified_pairs(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the class and both texts of each pair."""
    classified = pairs.select(
        extra_value(CLASS_KEY).alias("label"),
        messages_text("chosen").alias("won"),
        messages_text("rejected").alias("lost"),
    )
    lacking = classified["label"].is_null()
    if lacking.any():
        raise CurateError(
            "the format 'classification' needs pairs of texts of one class",
            where=f"pair {pairs['pair_id'][int(lacking.arg_max() or 0)]}",
            found=f"no extra.{CLASS_KEY} in {int(lacking.sum()):,} of {len(pairs):,} pairs",
            expected="data that were read with format: annotations, or made by "
            "'curate derive --from classes'",
        )
    return classified


def _vote_shares(counts: dict[tuple[str, str], _VoteCounts]) -> pl.DataFrame:
    rows = [
        # Laplace's rule of succession, (won + 1) / (votes + 2), doubled for a mean of 1.
        (text, label, 2.0 * (text_counts.won + 1) / (text_counts.votes + 2))
        for (label, text), text_counts in counts.items()
    ]
    schema = {"text": pl.String(), "label": pl.String(), "weight": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")
