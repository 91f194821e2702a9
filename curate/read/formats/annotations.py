"""Texts with a class and the votes of several annotators, as preferences between texts (P2C)."""

from __future__ import annotations

from collections import Counter

import orjson
import polars as pl

from curate.data.json_fields import CLASS_KEY, with_extra_key
from curate.data.json_text import to_json
from curate.read.formats.base import (
    ERROR,
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_turn,
    has_columns,
    report_unused_rows,
)

QUESTION = "Which text is a clearer example of '{}'?"
"""The prompt of two texts of one class."""
_VOTES = ("annotations", "votes", "annotator_labels")
_KEYS = ("label", "vote", "value", "class")
"""Where an annotation that is an object says its label."""
_NO_VOTES = "the votes are no list of labels, and no counts by label"
_NO_PARTNER = "no other text of this class has another agreement"


class Annotations(Format):
    """`text`, a `label`, and votes: a list of labels or of objects with one, or counts by label.

    Texts of one class are put in the order of their hashes, and each is paired with the next: the
    one on whose class more annotators agree is preferred (the extractive preference of Prefer to
    Classify, arXiv 2306.04925, which pairs texts of a class at random in each batch). Without a
    `label` the most voted class counts, of several the first by name. Prompt and `extra.class` name
    the class; `strength` is the difference of the agreements, `extra` holds both. The paper's
    generative preferences are made by `curate derive --from classes`.
    """

    name = "annotations"
    summary = "classification (P2C): text, label, votes; asked for by name, never found by itself"
    text_columns = ("text",)
    value_columns = ("label",)
    json_columns = _VOTES
    needs_all_rows = True
    # A set for classification is no preference set: whoever wants one from it says so.
    priority = -1

    def matches(self, rows: RowSample) -> bool:
        """Return whether texts have votes."""
        return has_columns(rows, "text") and any(has_columns(rows, name) for name in _VOTES)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Pair each text with the next of its class if annotators agree more on one of them."""
        counted = [_count_votes(row) for row in rows.select(_VOTES).iter_rows()]
        labels = rows["label"].cast(pl.String).to_list()
        classes = [
            label or _most_voted_label(votes) for label, votes in zip(labels, counted, strict=True)
        ]
        agreement = [
            None if not votes or c is None else votes[c] / votes.total()
            for c, votes in zip(classes, counted, strict=True)
        ]
        rows = rows.with_columns(
            pl.Series("_class", classes, dtype=pl.String),
            pl.Series("_agreed", agreement, dtype=pl.Float64),
            EXTRA,
        ).drop(_VOTES)
        without_votes = rows.filter(pl.col("_agreed").is_null())
        errors = without_votes.select(ROW, pl.lit(_NO_VOTES).alias(ERROR))
        with_votes = rows.filter(pl.col("_agreed").is_not_null())
        # By hash, so that which texts of a class meet does not depend on the order of rows.
        ordered = with_votes.sort("_class", pl.col("text").hash(), ROW)
        neighbours = ordered.with_columns(
            pl.col("text", "_agreed", ROW).shift(-1).over("_class").name.prefix("other_")
        )
        # Of two texts that annotators agree on alike neither is preferred.
        pairs = _pair_columns(neighbours.filter(pl.col("_agreed") != pl.col("other__agreed")))
        used = pl.concat([pairs.select(ROW), pairs.select(pl.col("_other").alias(ROW))])
        listed = report_unused_rows(pairs.drop("_other"), with_votes, used, _NO_PARTNER)
        return pl.concat([listed, errors], how="diagonal")


def _count_votes(row: tuple[str | None, ...]) -> Counter[str]:
    """Count the votes by label, from the first column that holds any."""
    text = next((value for value in row if value not in (None, "null")), None)
    parsed: object = None if text is None else orjson.loads(text)
    if isinstance(parsed, dict):
        numbers = {str(k): v for k, v in parsed.items() if isinstance(v, int) and v > 0}
        return Counter(numbers)
    listed = parsed if isinstance(parsed, list) else []
    return Counter(label for label in map(_label_of_vote, listed) if label is not None)


def _label_of_vote(vote: object) -> str | None:
    if isinstance(vote, dict):
        vote = next((vote[key] for key in _KEYS if vote.get(key) is not None), None)
    return None if vote is None or isinstance(vote, (dict, list)) else str(vote)


def _most_voted_label(votes: Counter[str]) -> str | None:
    # By name where votes are even, so that the order of the file decides nothing.
    return min(votes, key=lambda label: (-votes[label], label)) if votes else None


def _pair_columns(text_pairs: pl.DataFrame) -> pl.DataFrame:
    first_is_chosen = pl.col("_agreed") > pl.col("other__agreed")
    high, low = (pl.max_horizontal, pl.min_horizontal)
    agreed = ("_agreed", "other__agreed")
    extra = with_extra_key(EXTRA, "chosen_agreement", high(*agreed).cast(pl.String))
    text_pairs = text_pairs.with_columns(extra)
    named = with_extra_key(EXTRA, CLASS_KEY, pl.col("_class").map_elements(to_json, pl.String))
    text_pairs = text_pairs.with_columns(named)
    text_pairs = text_pairs.with_columns(
        with_extra_key(EXTRA, "rejected_agreement", low(*agreed).cast(pl.String))
    )
    return text_pairs.select(
        ROW,
        EXTRA,
        _other=pl.col(f"other_{ROW}"),
        prompt=as_turn(pl.format(QUESTION, "_class"), "user"),
        chosen=as_turn(pl.when(first_is_chosen).then("text").otherwise("other_text"), "assistant"),
        rejected=as_turn(
            pl.when(first_is_chosen).then("other_text").otherwise("text"), "assistant"
        ),
        strength=high(*agreed) - low(*agreed),
    )
