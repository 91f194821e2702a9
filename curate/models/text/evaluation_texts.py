"""Prompts of evaluation sets, and which of them a text holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.errors import CurateError, first_line
from curate.models.text.shingles import Shingles, split_words, text_shingles

COLUMNS = ("prompt", "question", "instruction", "problem", "query", "input", "text", "turns")
"""Columns that hold the prompt, tried in this order."""
_LABEL_CHARACTERS = 80
HASHED_SUFFIX = ".ngrams.parquet"
"""End of the name of a file of hashed prompts."""


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of a text as hashes.

    Attributes:
        hashes: hash of each n-gram; of a text shorter than n words one hash of the complete text.
        length: words in each of them.
    """

    hashes: Shingles
    length: int

    @classmethod
    def of_text(cls, text: str, words: int) -> Ngrams:
        """Return the n-grams of a text; a shorter text is one n-gram of its own length."""
        length = min(words, len(split_words(text)))
        return cls(text_shingles(text, length), length)


@dataclass(frozen=True)
class EvaluationText:
    """One prompt of an evaluation set, or one turn of a prompt of several.

    Attributes:
        source: name of the file.
        row: row in the file, counted from 1.
        text: the prompt; None where only its hashes are known.
        turn: number of the turn, counted from 1; None where there is one.
        ngrams: the hashes of a prompt whose text is not known.
    """

    source: str
    row: int
    text: str | None
    turn: int | None = None
    ngrams: Ngrams | None = None

    def label(self) -> str:
        """Return the file, row, turn and beginning of the prompt."""
        text = "(a hashed prompt)" if self.text is None else " ".join(self.text.split())
        excerpt = text if len(text) <= _LABEL_CHARACTERS else f"{text[:_LABEL_CHARACTERS]}..."
        turn = "" if self.turn is None else f", turn {self.turn}"
        return f"{self.source}, row {self.row}{turn}: {excerpt}"

    def hashed(self, words: int) -> Ngrams:
        """Return the n-grams of `words` words.

        Raises:
            CurateError: only hashes of other n-grams are known.
        """
        if self.text is not None:
            return Ngrams.of_text(self.text, words)
        assert self.ngrams is not None
        # A text shorter than n words is one n-gram of its own length, whatever n is.
        if self.ngrams.length > words or (
            self.ngrams.length < words and len(self.ngrams.hashes) > 1
        ):
            raise CurateError(
                "the hashed prompts have other n-grams",
                where=self.source,
                found=f"n-grams of {self.ngrams.length} words",
                expected=f"n-grams of {words} words",
                fix=f"set ngram: {self.ngrams.length}, or hash the prompts again: "
                f"curate hash-prompts FILE --ngram {words}",
            )
        return self.ngrams


def read_evaluation_texts(paths: list[str], column: str | None) -> list[EvaluationText]:
    """Return prompts of files of jsonl, json, csv, parquet, or text with one prompt a line.

    Each text of a list (MT-Bench's `turns`) and each message of a user is a prompt of its own: data
    may hold one turn without the others. Files that end with `.ngrams.parquet` hold hashes
    instead of texts, see `hash_texts`.

    Raises:
        CurateError: no such file, or no column that holds prompts.
    """
    prompts = []
    for name in paths:
        if name.endswith(HASHED_SUFFIX):
            prompts += _read_hashed_texts(Path(name))
            continue
        for number, turns in enumerate(_iterate_file(Path(name), column), 1):
            prompts += [
                EvaluationText(Path(name).name, number, text, turn if len(turns) > 1 else None)
                for turn, text in enumerate(turns, 1)
                if text and text.strip()
            ]
    if not prompts:
        raise CurateError("the evaluation sets hold no prompt", where=", ".join(paths))
    return prompts


def _iterate_file(path: Path, column: str | None) -> Iterator[Sequence[str | None]]:
    """Yield the turns of each row."""
    try:
        if path.suffix == ".txt":
            yield from ([line] for line in path.read_text(encoding="utf-8").splitlines())
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


def _iterate_column(
    frame: pl.DataFrame, column: str | None, path: Path
) -> Iterator[Sequence[str | None]]:
    name = column or next((c for c in COLUMNS if c in frame.columns), None)
    if name is None or name not in frame.columns:
        raise CurateError(
            "the evaluation set has no column of prompts",
            where=str(path),
            found=f"columns {', '.join(frame.columns)}",
            fix="name it with 'column:'",
        )
    values = frame[name]
    if isinstance(values.dtype, pl.List) and isinstance(values.dtype.inner, pl.Struct):
        message = pl.element().struct
        # What a user says may be repeated; a system text is often the same in many sets.
        questions = message.field("content").filter(message.field("role") == "user")
        values = frame.select(pl.col(name).list.eval(questions))[name]
    if isinstance(values.dtype, pl.List):
        yield from (turns or [] for turns in values.cast(pl.List(pl.String)).to_list())
        return
    yield from ([text] for text in values.cast(pl.String).to_list())


def plain_texts(items: Iterable[EvaluationText], where: str) -> list[str]:
    """Return the texts of prompts.

    Args:
        items: the prompts.
        where: what needs the texts, for the error message.

    Raises:
        CurateError: only the hashes of some prompts are known.
    """
    texts = [item.text for item in items]
    known_texts = [text for text in texts if text is not None]
    if len(known_texts) < len(texts):
        raise CurateError(
            "the texts of hashed prompts are needed",
            where=where,
            found=f"{len(texts) - len(known_texts):,} hashed prompts",
            fix="name files that hold the texts",
        )
    return known_texts


_HASHED_COLUMNS = {
    "source": pl.String(),
    "row": pl.Int64(),
    "turn": pl.Int64(),
    "length": pl.Int64(),
    "hashes": pl.List(pl.UInt32),
}


def hash_texts(texts: Iterable[EvaluationText], words: int) -> pl.DataFrame:
    """Return the hashes of prompts as a table, which tells matches without holding the texts.

    Args:
        texts: the prompts.
        words: words in an n-gram; the `ngram` of the scorer `contamination`.
    """
    rows = [
        (text.source, text.row, text.turn, ngrams.length, sorted(ngrams.hashes))
        for text in texts
        for ngrams in [text.hashed(words)]
    ]
    return pl.DataFrame(rows, schema=_HASHED_COLUMNS, orient="row")


def _read_hashed_texts(path: Path) -> list[EvaluationText]:
    """Return the prompts of a file of hashes."""
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        problem = "the evaluation set cannot be read"
        raise CurateError(problem, where=str(path), found=first_line(error)) from None
    if frame.schema != pl.Schema(_HASHED_COLUMNS):
        raise CurateError(
            "the file does not hold hashed prompts",
            where=str(path),
            found=f"columns {', '.join(frame.columns)}",
            fix=f"make it by: curate hash-prompts FILE --output NAME{HASHED_SUFFIX}",
        )
    return [
        EvaluationText(source, row, None, turn, Ngrams(frozenset(hashes), length))
        for source, row, turn, length, hashes in frame.iter_rows()
    ]


class NgramIndex:
    """Finds the evaluation prompts of whose n-grams a text holds a large share.

    A prompt shorter than n words counts as one n-gram of its own length.

    Args:
        texts: n-grams of the evaluation prompts.
        words: words in an n-gram.
    """

    def __init__(self, texts: Iterable[Ngrams], words: int) -> None:
        self._sizes: list[int] = []
        self._lengths = {words}
        self._places: dict[int, list[int]] = {}
        for number, ngrams in enumerate(texts):
            self._lengths.add(ngrams.length)
            self._sizes.append(len(ngrams.hashes))
            for gram in ngrams.hashes:
                self._places.setdefault(gram, []).append(number)

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
