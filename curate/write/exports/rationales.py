"""Why the chosen answer is better, as conversations to train on."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from curate.data.json_fields import extra_value
from curate.data.table import messages_text, plain_message
from curate.errors import CurateError
from curate.write.exports.base import Export, ShardSchema

_COLUMN = "rationale"
_QUESTION = "{}\n\n[Answer A]\n{}\n\n[Answer B]\n{}\n\nWhich answer is better, and why?"


class RationalesExport(Export):
    """`messages`: prompt and both answers as a question, the rationale of the label as its answer.

    Training on these rows beside the pairs adds the term -log pi(rationale | x, y_w, y_l) to a
    preference loss, with the share of rows as its weight (arXiv 2407.14477, section 3, which adds
    it within one loss). The chosen answer is A, as in the rationales of the scorer `judge`. The
    rationale is the column `rationale` ({output: {columns: {rationale: judge.rationale}}}), else
    the key `rationale` of `extra`; pairs without one give no row.
    """

    name = "rationales"
    summary = "rationales of the labels as conversations (messages), for training beside the pairs"
    reserved = ("messages",)
    general = False
    tasks = ("text-generation",)

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the conversations of the pairs that have a rationale."""
        return pl.concat(self.stream(iter([pairs]), schema))

    def stream(
        self,
        parts: Iterator[pl.DataFrame],
        schema: ShardSchema,  # noqa: ARG002
    ) -> Iterator[pl.DataFrame]:
        """Yield the conversations of all parts.

        Raises:
            CurateError: no pair has a rationale.
        """
        rows = 0
        for pairs in parts:
            conversations = _conversations(pairs)
            rows += len(conversations)
            yield conversations
        if not rows:
            raise CurateError(
                "no pair has a rationale",
                where="output.format: rationales",
                expected="a column 'rationale', or that key in extra",
                fix="add it by output.columns, such as {rationale: judge.rationale}",
            )


def _conversations(pairs: pl.DataFrame) -> pl.DataFrame:
    text = pl.col(_COLUMN) if _COLUMN in pairs.columns else extra_value(_COLUMN)
    question = pl.format(
        _QUESTION, *(messages_text(part) for part in ("prompt", "chosen", "rejected"))
    )
    turns = pl.concat_list(plain_message("user", question), plain_message("assistant", text))
    role, content = (pl.element().struct.field(name) for name in ("role", "content"))
    return (
        pairs.select(
            turns.list.eval(pl.struct(role=role, content=content)).alias("messages"),
            "pair_id",
            is_told=text.str.strip_chars().fill_null("") != "",
        )
        .filter("is_told")
        .drop("is_told")
    )
