"""Pairs as the pages show them: a word diff, scores, and what speaks for and against the label."""

from __future__ import annotations

from dataclasses import dataclass, fields

import polars as pl
from markupsafe import Markup, escape

from curate.data.json_types import JsonObject
from curate.data.table import messages_text
from curate.report.blocks import row_blocks, split_blocks
from curate.report.posterior_sources import LabelSources, label_sources
from curate.report.run_view import RunView
from curate.report.token_highlights import highlight_tokens
from curate.report.word_diff import MAX_CHARACTERS, word_diff


@dataclass(frozen=True)
class PairDetails:
    """A pair as the pages show it.

    Attributes:
        id: its id.
        prompt: prompt, as HTML with blocks to fold.
        chosen: chosen answer, with the words marked that the other one lacks.
        rejected: the same of the rejected answer.
        more: what belongs to the pair besides texts, as HTML.
        token_highlights: name of each step that gives tokens, and both answers shaded by them.
        is_kept: whether the run kept it.
        why: why it is shown here, or was dropped.
        scores: its numeric scores.
        annotator: who judged it.
        source: where it came from.
        is_flipped: whether the run flipped the label that was read.
        label: posterior of the label that was read, and what each source says of it.
    """

    id: str
    prompt: Markup
    chosen: Markup
    rejected: Markup
    more: Markup
    token_highlights: list[tuple[str, list[Markup]]]
    is_kept: bool
    why: str
    scores: dict[str, float]
    annotator: str | None
    source: str | None
    is_flipped: bool
    label: LabelSources | None

    def to_json(self) -> JsonObject:
        """Return the details as the review page reads them."""
        details: JsonObject = {f.name: getattr(self, f.name) for f in fields(self)}
        details["shaded"] = details.pop("token_highlights")
        details["kept"], details["flipped"] = details.pop("is_kept"), details.pop("is_flipped")
        del details["label"]
        return details


def pairs_with_diff(rows: pl.DataFrame, view: RunView) -> list[PairDetails]:
    """Return pairs as the pages show them, with a word diff of the answers."""
    texts = rows.select(
        messages_text(side).alias(side) for side in ("prompt", "chosen", "rejected")
    )
    pairs = []
    for row, text in zip(rows.to_dicts(), texts.to_dicts(), strict=True):
        blocks, answer_texts = zip(*(split_blocks(text[side]) for side in text), strict=True)
        chosen, rejected = word_diff(answer_texts[1], answer_texts[2])
        pairs.append(
            PairDetails(
                row["pair_id"],
                blocks[0] + escape(answer_texts[0][:MAX_CHARACTERS]),
                blocks[1] + chosen,
                blocks[2] + rejected,
                row_blocks(row, view.data_folders),
                highlight_tokens(row),
                row["kept"],
                f"{row['drop_step']}: {row['drop_reason']}" if not row["kept"] else "",
                {n: row[n] for n in view.numeric if row.get(n) is not None},
                row["annotator"],
                row["source"],
                row["flipped"],
                label_sources(row, view),
            )
        )
    return pairs
