"""OpenAssistant: trees of messages, in which people ranked the replies to a message."""

from __future__ import annotations

import polars as pl

from curate.data.table import MESSAGES, plain_message
from curate.read.formats.base import (
    ERROR,
    EXTRA,
    NO_PAIR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    has_columns,
)
from curate.read.formats.rankings import add_answer_metadata, pairs_from_rankings

_NO_RANK = "no ranked replies to a message, nor on the way to one"
_SINGLE_REPLY = "the only ranked reply to its message"
_ORPHAN = "a message before this one is not in the data: its prompt would lack turns"
_ASSISTANT, _USER = "assistant", "prompter"
# Trees of the published sets are some ten messages deep; only a circle is deeper than this.
_MAX_DEPTH = 1000
_MIN_REPLIES = 2


class OpenAssistant(Format):
    """A message a row: `message_id`, `parent_id`, `role` (prompter, assistant), `text`, `rank`.

    As OpenAssistant/oasst1 and oasst2 (arXiv 2304.07327, section 3). The replies to one message
    are a ranking (`rank` 0 is best), of which `input.ranking` makes pairs; the prompt is the
    conversation up to that message. What else is said of a message (its labels, say) goes to
    `extra` as `chosen_message` and `rejected_message`; `source` is the language.
    """

    name = "open_assistant"
    summary = "OpenAssistant: message_id, parent_id, role, text, rank; see input.ranking"
    value_columns = ("message_id", "parent_id", "role", "text", "rank", "lang")
    keep_in_extra = ("message_id", "rank")
    needs_all_rows = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether rows are messages of a tree with ranks."""
        return has_columns(rows, "message_id", "parent_id", "role", "text", "rank")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs of ranked replies to one message."""
        replies = rows.filter(
            pl.col("role") == _ASSISTANT,
            pl.col("parent_id").is_not_null(),
            pl.col("rank").is_not_null(),
        )
        groups = replies.group_by("parent_id", maintain_order=True).agg(
            pl.col(ROW).first(),
            pl.col("lang").first(),
            _rows=pl.col(ROW),
            _ranked=pl.struct(
                text=pl.col("text").cast(pl.String),
                # Rank 0 is the best reply; rankings here have larger scores first.
                score=-pl.col("rank").cast(pl.Float64),
                said=pl.col(EXTRA),
            ),
        )
        ranked = groups.filter(pl.col("_rows").list.len() >= _MIN_REPLIES)
        conversations, on_the_way = _walk_to_roots(rows, ranked["parent_id"])
        ranked = ranked.join(conversations, on="parent_id", how="left", maintain_order="left")
        with_prompt = ranked.filter(pl.col("prompt").is_not_null())
        # Replies to a message that the file does not hold have no prompt to be read with.
        orphans = ranked.filter(pl.col("prompt").is_null()).select(pl.col("_rows").explode())
        rankings = with_prompt.drop("_rows").with_columns(pl.lit("{}").alias(EXTRA), source="lang")
        pairs = add_answer_metadata(pairs_from_rankings(rankings, options), "message")
        without_prompt = orphans.select(pl.col("_rows").alias(ROW), pl.lit(_ORPHAN).alias(ERROR))
        used = pl.concat([with_prompt["_rows"].explode(), on_the_way, orphans["_rows"]])
        single_replies = groups.filter(pl.col("_rows").list.len() < _MIN_REPLIES)["_rows"].explode()
        converted = pl.concat(
            [pairs, without_prompt, _list_unused_messages(rows, used, single_replies)],
            how="diagonal",
        )
        return converted.sort(ROW, maintain_order=True)


def _list_unused_messages(
    rows: pl.DataFrame, used: pl.Series, single_replies: pl.Series
) -> pl.DataFrame:
    """Return the messages that are in no pair, with the reason."""
    single = pl.col(ROW).is_in(single_replies.implode())
    reason = pl.when(single).then(pl.lit(_SINGLE_REPLY)).otherwise(pl.lit(_NO_RANK))
    return rows.filter(~pl.col(ROW).is_in(used.implode())).select(ROW, reason.alias(NO_PAIR))


def _walk_to_roots(rows: pl.DataFrame, ends: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Return the conversation up to each message of `ends`, and the rows of all messages in them.

    A conversation that does not reach a first message (a parent is missing, or parents form a
    circle) is left out.
    """
    role = pl.when(pl.col("role") == _USER).then(pl.lit("user")).otherwise(pl.lit("assistant"))
    messages = rows.select(
        ROW,
        at=pl.col("message_id").cast(pl.String),
        parent=pl.col("parent_id").cast(pl.String),
        turn=plain_message(role, pl.col("text").cast(pl.String)),
    ).unique("at", keep="first")
    walk = pl.DataFrame({"parent_id": ends, "at": ends.cast(pl.String)})
    steps = []
    # All conversations go up one message at a time: a join a step, not a walk a reply.
    for depth in range(_MAX_DEPTH):
        walk = walk.join(messages, on="at", how="inner", maintain_order="left")
        if walk.is_empty():
            break
        steps.append(walk.with_columns(depth=pl.lit(depth)))
        onward = walk.filter(pl.col("parent").is_not_null())
        walk = onward.select("parent_id", at="parent")
    if not steps:
        return pl.DataFrame(schema={"parent_id": ends.dtype, "prompt": MESSAGES}), rows[ROW].head(0)
    ordered = pl.concat(steps).sort("parent_id", "depth", descending=[False, True])
    ended = pl.col("parent").is_null().any()
    conversations = ordered.group_by("parent_id", maintain_order=True).agg(
        prompt=pl.col("turn"), _row=pl.col(ROW), _whole=ended
    )
    complete = conversations.filter("_whole")
    prompt = pl.col("prompt").cast(MESSAGES)
    return complete.select("parent_id", prompt=prompt), complete["_row"].explode().unique()
