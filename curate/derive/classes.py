"""Generative preferences of Prefer to Classify: the clearer one of two texts of a class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.data.extra_column import CLASS_KEY
from curate.data.hashes import key_of
from curate.data.json_text import to_json
from curate.data.table import PAIR_COLUMNS, PairIds, empty_pairs
from curate.models.judge.both_orders import ask_both_orders
from curate.models.judge.templates import CLEARER_EXAMPLE, compile_question
from curate.models.judge.verdicts import REJECTED, TIE, UNREADABLE
from curate.read.formats.annotations import QUESTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.models.judge.endpoint import EndpointParams
    from curate.read.raw_rows import PublishedRows
    from curate.steps.context import Context

MADE = "classes"
"""What `extra.made` says of a pair that was made here."""
UNDECIDED = "the judge names no clearer text in both orders"
ALONE = "no other text of this class"


@dataclass(frozen=True, order=True)
class LabelledText:
    """A text and its class, in the order in which texts of a class are paired: by a hash."""

    label: str
    key: bytes
    text: str


def labelled_texts(rows: PublishedRows, left_out: Counter[str]) -> list[LabelledText]:
    """The distinct texts of an input with their classes; `text` and `label` of each row.

    Args:
        rows: of the input.
        left_out: gets the rows that lack either, by reason.

    Raises:
        CurateError: nothing is there, or none of the first rows has such columns.
    """
    found: dict[tuple[str, str], LabelledText] = {}
    some = rows.require_kind(
        lambda row: {"text", "label"} <= row.keys(),
        "the rows are no texts with a class",
        "text and label",
    )
    for raw in some:
        row = raw.values
        if row is None:
            left_out[f"row: {raw.problem}"] += 1
            continue
        text, label = row.get("text"), row.get("label")
        if not isinstance(text, str) or label is None or isinstance(label, (dict, list)):
            left_out["row: no text, or no class"] += 1
            continue
        # A text that occurs twice is one example of its class.
        found.setdefault((str(label), text), LabelledText(str(label), key_of(text.encode()), text))
    return sorted(found.values())


def class_pairs(
    texts: list[LabelledText],
    context: Context,
    params: EndpointParams,
    left_out: Counter[str],
) -> pl.DataFrame:
    """Each text with the next one of its class, the clearer example preferred.

    The judge is asked in both orders; where it does not name the same text twice there is no pair.
    The paper asks once, of texts that it pairs at random in each batch.

    Args:
        texts: of `labelled_texts`.
        context: keeps replies.
        params: of the endpoint.
        left_out: gets what made no pair, by reason.
    """
    both = list(_neighbours(texts, left_out))
    shape = compile_question(CLEARER_EXAMPLE, ("label", "text_a", "text_b"), "template of classes")

    def question(a: LabelledText, b: LabelledText) -> str:
        return shape.render(label=a.label, text_a=a.text, text_b=b.text)

    verdicts = ask_both_orders([(question(a, b), question(b, a)) for a, b in both], context, params)
    rows = []
    for (first, second), verdict in zip(both, verdicts, strict=True):
        if verdict is None or verdict.winner == TIE:
            left_out[UNREADABLE if verdict is None else UNDECIDED] += 1
            continue
        # The first text was shown as the chosen one.
        order = (second, first) if verdict.winner == REJECTED else (first, second)
        rows.append(_row(*order))
    return _table(rows)


def _neighbours(
    texts: list[LabelledText], left_out: Counter[str]
) -> Iterator[tuple[LabelledText, LabelledText]]:
    for _, group in groupby(texts, key=lambda one: one.label):
        own = list(group)
        if len(own) == 1:
            left_out[ALONE] += 1
        yield from pairwise(own)


def _row(chosen: LabelledText, rejected: LabelledText) -> dict[str, Any]:
    def said(role: str, text: str) -> list[dict[str, Any]]:
        return [{"role": role, "content": text, "more": None}]

    return {
        "prompt": said("user", QUESTION.format(chosen.label)),
        "chosen": said("assistant", chosen.text),
        "rejected": said("assistant", rejected.text),
        "is_tie": False,
        "source": MADE,
        "extra": to_json({"made": MADE, CLASS_KEY: chosen.label}),
    }


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    if not rows:
        return empty_pairs()
    named = {name: [row.get(name) for row in rows] for name in PAIR_COLUMNS}
    return PairIds().give(pl.DataFrame(named, schema=PAIR_COLUMNS))
