"""How much of an answer is markdown and code."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import polars as pl

from curate import Column, Context, Parameters, Scope, Scorer
from curate.scoring import map_distinct_texts, need

# Token types of markdown-it for the blocks that count as formatting.
_BLOCK_TOKENS = (
    "heading_open",
    "bullet_list_open",
    "ordered_list_open",
    "table_open",
    "blockquote_open",
    "fence",
)


class Markdown(Scorer[Parameters]):
    r"""Compute the share of formatted lines in both answers.

    `chosen` and `rejected` are the shares of non-blank lines in headings, lists, tables, quotes or
    fenced code (CommonMark with tables), 0 to 1; `chosen_code` and `rejected_code` count fenced
    code only; `difference` is chosen minus rejected. Judges are known to favour formatted answers.
    Use it to see whether formatting decides the labels.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "Hues?", "chosen": "# Hues\n- red\n- blue", "rejected": "red, blue"}
        >>> score([row], "markdown").frame["markdown.difference"].to_list()
        [1.0]
    """

    name = "markdown"
    purpose = "texts"
    when = "To see whether formatting decides the labels."
    summary = "share of formatted lines and of fenced code in the answers"
    scope = Scope.ROW
    single_answer_columns = ("chosen", "chosen_code")
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return shares of both answers, and how they differ."""
        return (
            Column("chosen", "formatted lines of the chosen answer", unit="0 to 1"),
            Column("rejected", "formatted lines of the rejected answer", unit="0 to 1"),
            Column("difference", "chosen minus rejected", unit="-1 to 1"),
            Column("chosen_code", "lines of fenced code of the chosen answer", unit="0 to 1"),
            Column("rejected_code", "lines of fenced code of the rejected answer", unit="0 to 1"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return shares of a batch."""
        chosen, rejected = map_distinct_texts(pairs, ("chosen", "rejected"), self._formatted_shares)
        frame = pl.DataFrame(
            {
                "chosen": [share for share, _ in chosen],
                "rejected": [share for share, _ in rejected],
                "chosen_code": [code for _, code in chosen],
                "rejected_code": [code for _, code in rejected],
            }
        ).cast(pl.Float64)
        return frame.with_columns(difference=pl.col("chosen") - pl.col("rejected")).select(
            [c.name for c in self.columns()]
        )

    def _formatted_shares(self, text: str) -> tuple[float, float]:
        """Return the shares of formatted lines and of code lines among the non-blank lines."""
        lines = text.split("\n")
        filled = [bool(line.strip()) for line in lines]
        if not any(filled):
            return 0.0, 0.0
        # Top level only: a fence within a list is counted with the list.
        blocks = [t for t in self._parser.parse(text) if t.level == 0 and t.type in _BLOCK_TOKENS]
        counts = [(t.type == "fence", sum(filled[slice(*t.map)])) for t in blocks if t.map]
        total = sum(filled)
        return sum(n for _, n in counts) / total, sum(n for code, n in counts if code) / total

    @cached_property
    def _parser(self) -> Any:
        need("markdown_it", "hygiene", "scorer 'markdown'")
        from markdown_it import MarkdownIt

        # Blocks are enough, and inline parsing takes quadratic time on nested brackets.
        return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
