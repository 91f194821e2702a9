"""Feedback that users gave of themselves: votes, clicks, copies; what has none may be good too."""

from __future__ import annotations

import polars as pl

from curate.data.table import messages_key
from curate.models.people.propensities import feedback_propensity
from curate.read.formats.base import (
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    report_unused_rows,
)
from curate.read.formats.rankings import RANKED, pairs_from_rankings
from curate.read.formats.slots import add_to_extra, list_to_extra

DOWN, UNVOTED = "down", "unvoted"
_NO_CONTRAST = "the user voted for no answer to this prompt, or for all"


class ImplicitFeedback(Format):
    """One row a showing: `user`, `prompt`, `response`, `vote` (1 for, 0 or null none, -1 against).

    The answer may be called `item`, and there may be no prompt: then a user's items are compared.

    An answer that was voted for is preferred to one without a vote or with a vote against, by the
    same user on the same prompt; `input.ranking` says which pairs are made (best_worst: one a
    prompt and user; all: each). `extra.negative` says whether the other answer was voted down or
    not voted on, which may hide a liking, and `extra.attributes` holds the propensity of each
    answer: the column `propensity`, or an estimate from the votes for each item, or else from
    users' rates of voting; both also from places' rates.
    """

    name = "implicit_feedback"
    summary = "implicit feedback: user, prompt, response, vote (1, 0 or null, -1), propensity"
    text_columns = ("prompt", "response", "item")
    value_columns = ("user", "vote", "position", "propensity")
    needs_all_rows = True
    priority = 11

    def matches(self, rows: RowSample) -> bool:
        """Return whether users vote on single responses."""
        answer = has_columns(rows, "response") or has_columns(rows, "item")
        return has_columns(rows, "user", "vote") and answer

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Pair answers with a vote for them and answers without; the user is the annotator."""
        rows = _add_vote_columns(rows)
        groups = rows.group_by("_key", "user", maintain_order=True).agg(
            pl.col(ROW).first(),
            pl.col(EXTRA, "prompt").first(),
            _rows=pl.col(ROW),
            _kinds=pl.col("_for").n_unique(),
            _rated=pl.struct("propensity").struct.json_encode(),
            _ranked=pl.struct(text=pl.col("_text"), score=pl.col("_score")).cast(RANKED.inner),
        )
        with_both_kinds = groups.filter(pl.col("_kinds") > 1)
        rankings = with_both_kinds.with_columns(list_to_extra("rows", "_rows")).with_columns(
            list_to_extra("attributes", "_rated"),
            annotator="user",
        )
        # Two answers of one kind make no pair, nor do an unvoted one and one voted down.
        options = options.with_min_gap(max(options.ranking.min_gap, 0.5))
        rankings = rankings.drop("_key", "user", "_kinds", "_rows", "_rated")
        pairs = pairs_from_rankings(rankings, options)
        scores = [
            pl.col(EXTRA).str.json_path_match(f"$.scores[{i}]").cast(pl.Float64) for i in (0, 1)
        ]
        kind = pl.when(scores[1] < 0).then(pl.lit(f'"{DOWN}"')).otherwise(pl.lit(f'"{UNVOTED}"'))
        pairs = pairs.filter(scores[0] > 0).with_columns(add_to_extra("negative", kind))
        used = with_both_kinds.select(pl.col("_rows").alias(ROW)).explode(ROW)
        return report_unused_rows(pairs, rows, used, _NO_CONTRAST)


def _add_vote_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Add vote (-1, 0, 1), text and propensity of each answer, and its prompt's key."""
    number = pl.col("vote").cast(pl.Float64, strict=False)
    answer, item = (
        as_messages_column(rows, name, "assistant").list.last().struct.field("content")
        for name in ("response", "item")
    )
    rows = rows.with_columns(
        prompt=as_messages_column(rows, "prompt", "user"),
        user=pl.col("user").cast(pl.String),
        position=pl.col("position").cast(pl.String),
        # Only the direction counts: nobody knows how much two thumbs are.
        _score=number.fill_null(0.0).sign(),
        _text=pl.coalesce(answer, item),
        _item=item,
    ).with_columns(
        _key=messages_key("prompt"), _voted=pl.col("_score") != 0, _for=pl.col("_score") > 0
    )
    published = pl.col("propensity").cast(pl.Float64, strict=False)
    estimate = feedback_propensity("user", "position", "_item", "_voted", "_for")
    # What the platform published goes before an estimate from the votes.
    return rows.with_columns(propensity=pl.coalesce(published, estimate).round(6))
