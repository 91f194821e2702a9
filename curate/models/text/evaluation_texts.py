"""Prompts of evaluation sets, and which of them a text holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.errors import CurateError, first_line
from curate.models.text.shingles import Shingles, split_words, text_shingles

COLUMNS = ("prompt", "question", "instruction", "problem", "query", "input", "text", "turns")
"""Columns that hold the prompt, tried in this order."""
_LABEL_CHARACTERS = 80


@dataclass(frozen=True)
class EvaluationText:
    """One prompt of an evaluation set.

    Attributes:
        source: name of the file.
        row: row in the file, counted from 1.
        text: the prompt.
    """

    source: str
    row: int
    text: str

    def label(self) -> str:
        """Return the file, row and beginning of the prompt."""
        text = " ".join(self.text.split())
        excerpt = text if len(text) <= _LABEL_CHARACTERS else f"{text[:_LABEL_CHARACTERS]}..."
        return f"{self.source}, row {self.row}: {excerpt}"


def read_evaluation_texts(paths: list[str], column: str | None) -> list[EvaluationText]:
    """Return prompts of files of jsonl, json, csv, parquet, or text with one prompt a line.

    A list of texts or of messages is joined by line breaks (MT-Bench's `turns`).

    Raises:
        CurateError: no such file, or no column that holds prompts.
    """
    prompts = []
    for name in paths:
        texts = _iterate_file(Path(name), column)
        prompts += [
            EvaluationText(Path(name).name, number, text)
            for number, text in enumerate(texts, 1)
            if text and text.strip()
        ]
    if not prompts:
        raise CurateError("the evaluation sets hold no prompt", where=", ".join(paths))
    return prompts


def _iterate_file(path: Path, column: str | None) -> Iterator[str | None]:
    try:
        if path.suffix == ".txt":
            yield from path.read_text(encoding="utf-8").splitlines()
            return
        readers: dict[str, Callable[[Path], pl.DataFrame]] = {
            ".jsonl": pl.read_ndjson,
            ".ndjson": pl.read_ndjson,
            ".json": pl.read_json,
            ".csv": pl.read_csv,
            ".parquet": pl.read_parquet,
        }
        # By the extension only: a wrong guess would find no text and report no contamination.
        if path.suffix not in readers:
            expected = ", ".join((*readers, ".txt"))
            raise CurateError("unknown file type", where=str(path), expected=expected)
        frame = readers[path.suffix](path)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise CurateError(
            "the evaluation set cannot be read",
            where=str(path),
            found=first_line(error),
        ) from None
    yield from _iterate_column(frame, column, path)


def _iterate_column(frame: pl.DataFrame, column: str | None, path: Path) -> Iterator[str | None]:
    name = column or next((c for c in COLUMNS if c in frame.columns), None)
    if name is None or name not in frame.columns:
        raise CurateError(
            "the evaluation set has no column of prompts",
            where=str(path),
            found=f"columns {', '.join(frame.columns)}",
            fix="name it with 'column:'",
        )
    values = frame[name]
    if values.dtype == pl.List(pl.String):
        values = values.list.join("\n")
    elif isinstance(values.dtype, pl.List) and isinstance(values.dtype.inner, pl.Struct):
        content = pl.element().struct.field("content")
        values = frame.select(pl.col(name).list.eval(content).list.join("\n"))[name]
    yield from values.cast(pl.String).to_list()


class NgramIndex:
    """Finds the evaluation prompts of whose n-grams a text holds a large share.

    A prompt shorter than n words counts as one n-gram of its own length.

    Args:
        texts: the evaluation prompts.
        words: words in an n-gram.
    """

    def __init__(self, texts: list[str], words: int) -> None:
        self._sizes: list[int] = []
        self._lengths = {words}
        self._places: dict[int, list[int]] = {}
        for number, text in enumerate(texts):
            grams, length = self._grams(text, words)
            self._lengths.add(length)
            self._sizes.append(len(grams))
            for gram in grams:
                self._places.setdefault(gram, []).append(number)

    @staticmethod
    def _grams(text: str, words: int) -> tuple[Shingles, int]:
        """Return all n-grams, and n; of a shorter text the text itself, and its length."""
        length = min(words, len(split_words(text)))
        return text_shingles(text, length), length

    def best(self, text: str) -> tuple[int, float]:
        """Return number of the evaluation prompt that the text holds most of, and the share, 0 to
        1.

        (-1, 0.0) where it shares no n-gram with any.
        """
        grams = frozenset().union(*(text_shingles(text, n) for n in self._lengths))
        hits = Counter(place for gram in grams for place in self._places.get(gram, ()))
        if not hits:
            return -1, 0.0
        # The negative number makes the earliest of equal prompts the largest.
        share, place = max((count / self._sizes[p], -p) for p, count in hits.items())
        return -place, share
