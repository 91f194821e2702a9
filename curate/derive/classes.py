"""Pairs of two texts of a class, the clearer example chosen (Prefer to Classify)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import polars as pl

from curate.data.hashes import hash_bytes
from curate.data.json_fields import CLASS_KEY
from curate.data.json_text import to_json
from curate.data.table import PAIR_COLUMNS, PairIds, empty_pairs
from curate.models.judge.both_orders import ask_both_orders
from curate.models.judge.templates import CLEARER_EXAMPLE, compile_question
from curate.models.judge.verdicts import REJECTED, TIE, UNREADABLE
from curate.read.formats.annotations import QUESTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.models.judge.endpoint import EndpointParams
    from curate.read.messages import Turn
    from curate.read.raw_rows import PublishedRows
    from curate.steps.context import Context

MADE = "classes"
"""Value of `extra.made` for these pairs."""
UNDECIDED = "the judge does not choose the same text in both orders"
ONLY_TEXT_OF_CLASS = "no other text of this class"


@dataclass(frozen=True, order=True)
class LabelledText:
    """A text and its class; texts of a class are ordered by hash before they are paired."""

    label: str
    key: bytes
    text: str


def labelled_texts(rows: PublishedRows, left_out: Counter[str]) -> list[LabelledText]:
    """Read the distinct texts with their classes from the columns `text` and `label`.

    Args:
        rows: the rows of the input.
        left_out: counts skipped rows, by reason.

    Raises:
        CurateError: there are no rows, or none of the first rows has these columns.
    """
    texts_by_class: dict[tuple[str, str], LabelledText] = {}
    labelled_rows = rows.require_kind(
        lambda row: {"text", "label"} <= row.keys(),
        "the rows have no text with a class",
        "text and label",
    )
    for raw in labelled_rows:
        row = raw.values
        if row is None:
            left_out[f"row: {raw.problem}"] += 1
            continue
        text, label = row.get("text"), row.get("label")
        if not isinstance(text, str) or label is None or isinstance(label, (dict, list)):
            left_out["row: no text, or no class"] += 1
            continue
        # A text that occurs twice is one example of its class.
        texts_by_class.setdefault(
            (str(label), text), LabelledText(str(label), hash_bytes(text.encode()), text)
        )
    # By hash: neighbours, and so the pairs, do not depend on the order of the rows.
    return sorted(texts_by_class.values())


def class_pairs(
    texts: list[LabelledText],
    context: Context,
    params: EndpointParams,
    left_out: Counter[str],
) -> pl.DataFrame:
    """Pair each text with the next one of its class; the clearer example is chosen.

    The judge is asked in both orders, and there is no pair if the verdicts differ. The paper asks
    once, for random pairs of each batch.

    Args:
        texts: result of `labelled_texts`.
        context: caches replies.
        params: parameters of the endpoint.
        left_out: counts texts without a pair, by reason.
    """
    neighbours = list(_adjacent_texts(texts, left_out))
    template = compile_question(
        CLEARER_EXAMPLE, ("label", "text_a", "text_b"), "template of classes"
    )

    def question(a: LabelledText, b: LabelledText) -> str:
        return template.render(label=a.label, text_a=a.text, text_b=b.text)

    verdicts = ask_both_orders(
        [(question(a, b), question(b, a)) for a, b in neighbours], context, params
    )
    rows = []
    for (first, second), verdict in zip(neighbours, verdicts, strict=True):
        if verdict is None or verdict.winner == TIE:
            left_out[UNREADABLE if verdict is None else UNDECIDED] += 1
            continue
        # The first text was shown as the chosen one.
        order = (second, first) if verdict.winner == REJECTED else (first, second)
        rows.append(_pair_row(*order))
    return _pair_table(rows)


def _adjacent_texts(
    texts: list[LabelledText], left_out: Counter[str]
) -> Iterator[tuple[LabelledText, LabelledText]]:
    for _, group in groupby(texts, key=lambda one: one.label):
        class_texts = list(group)
        if len(class_texts) == 1:
            left_out[ONLY_TEXT_OF_CLASS] += 1
        # Neighbours alone, n - 1 questions for n texts: all pairs would be n^2 / 2 requests.
        yield from pairwise(class_texts)


def _pair_row(chosen: LabelledText, rejected: LabelledText) -> dict[str, object]:
    def text_message(role: str, text: str) -> list[Turn]:
        return [{"role": role, "content": text, "more": None}]

    return {
        "prompt": text_message("user", QUESTION.format(chosen.label)),
        "chosen": text_message("assistant", chosen.text),
        "rejected": text_message("assistant", rejected.text),
        "is_tie": False,
        "source": MADE,
        "extra": to_json({"made": MADE, CLASS_KEY: chosen.label}),
    }


def _pair_table(rows: list[dict[str, object]]) -> pl.DataFrame:
    if not rows:
        return empty_pairs()
    named = {name: [row.get(name) for row in rows] for name in PAIR_COLUMNS}
    return PairIds().fill_missing(pl.DataFrame(named, schema=PAIR_COLUMNS))
