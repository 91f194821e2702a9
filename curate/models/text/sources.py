"""The sources that an answer should rest on: documents of the row, or numbered passages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
import polars as pl

from curate.data.attachments import DOCUMENTS
from curate.data.table import messages_text

NO_SOURCES = "no sources"
_TEXTS = ("text", "content", "contents", "passage", "snippet", "body")
_PASSAGE = re.compile(r"(?m)^[ \t]*\[(\d{1,3})\][ \t]*")
"""A line that begins with a number in brackets begins a passage."""


def source_table(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return `row`, `source` (its number from 1) and `text` of every source of every pair.

    The documents of a row (texts, or objects with one of the usual keys and perhaps a title) count
    in their order; where there are none, passages of the prompt that begin with `[1]`, `[2]`... on
    a line of their own, by the number that stands there.
    """
    document_column = pairs.get_column(DOCUMENTS, default=pl.Series([None] * len(pairs)))
    prompts = pairs.select(t=messages_text("prompt"))["t"]
    passages_by_prompt: dict[str, list[tuple[int, str]]] = {}
    rows: list[tuple[int, int, str]] = []
    for row, (documents, prompt) in enumerate(zip(document_column, prompts, strict=True)):
        key = documents or prompt
        if key not in passages_by_prompt:
            passages_by_prompt[key] = list(
                _iterate_documents(documents) if documents else _iterate_passages(prompt)
            )
        rows += [(row, number, text) for number, text in passages_by_prompt[key]]
    schema = {"row": pl.Int64, "source": pl.Int64, "text": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def source_status(sources: pl.DataFrame, rows: pl.DataFrame, lacking: str) -> pl.Series:
    """Return the status of each row: ok, `NO_SOURCES`, or what an answer lacks that has no score.

    Args:
        sources: `source_table` of the pairs.
        rows: `row`, and the scores `chosen` and `rejected`, null where there is none.
        lacking: what the answer lacks then.
    """
    has = rows["row"].is_in(sources["row"].unique().implode())
    unscored = pl.any_horizontal(pl.col("chosen", "rejected").is_null())
    status = pl.when(~has).then(pl.lit(NO_SOURCES)).when(unscored).then(pl.lit(lacking))
    return rows.select(status=status.otherwise(pl.lit("ok")))["status"]


def _iterate_documents(text: str) -> Iterator[tuple[int, str]]:
    parsed = orjson.loads(text)
    for number, document in enumerate(parsed if isinstance(parsed, list) else [parsed], 1):
        yield number, _document_text(document)


def _document_text(document: object) -> str:
    if isinstance(document, dict):
        fields = [document.get("title"), *(document.get(key) for key in _TEXTS)]
        return "\n".join(part for part in fields if isinstance(part, str))
    return document if isinstance(document, str) else ""


def _iterate_passages(prompt: str) -> Iterator[tuple[int, str]]:
    marks = list(_PASSAGE.finditer(prompt))
    ends = [mark.start() for mark in marks[1:]] + [len(prompt)]
    for mark, end in zip(marks, ends, strict=False):
        # A passage ends at an empty line: what follows the last one is the question.
        yield int(mark[1]), re.split(r"\n\s*\n", prompt[mark.end() : end], maxsplit=1)[0]
