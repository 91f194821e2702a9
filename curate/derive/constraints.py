"""Instructions that can be verified on the text of an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from curate.models.text.traits import TRAITS

_WORD = r"[A-Za-z]{5,}"
# Random words that are tried before the instruction is skipped.
_MAX_TRIES = 5
# Shorter answers follow most instructions by chance.
_MIN_WORDS = 20


@dataclass(frozen=True)
class InstructionKind:
    """A kind of instruction.

    Attributes:
        name: name of the kind.
        followed: an instruction that the text follows, or null.
        broken: an instruction of this kind that it does not follow.
    """

    name: str
    followed: pl.Expr
    broken: pl.Expr


def _instruction_and_opposite(test: pl.Expr, yes: str, no: str) -> tuple[pl.Expr, pl.Expr]:
    """Return the instruction that matches `test`, and its opposite; null if `test` is null."""
    return (
        pl.when(test).then(pl.lit(yes)).when(~test).then(pl.lit(no)),
        pl.when(test).then(pl.lit(no)).when(~test).then(pl.lit(yes)),
    )


def _counting_kind(name: str, text: str, followed: pl.Expr, broken: pl.Expr) -> InstructionKind:
    return InstructionKind(
        name, *(pl.format(text, bound.cast(pl.Int64)) for bound in (followed, broken))
    )


_WORDS, _PARAGRAPHS = pl.col("words").cast(pl.Float64), pl.col("paragraphs").cast(pl.Float64)
_PARAGRAPH = "Write exactly {} paragraph(s), separated by blank lines."
KINDS: tuple[InstructionKind, ...] = (
    # Followed bounds have a fifth to spare and broken ones are missed by 40 % or more: another way
    # to count words decides the same.
    _counting_kind("at least", "Use at least {} words.", _WORDS * 0.8, _WORDS * 1.5 + 1),
    _counting_kind("at most", "Use at most {} words.", _WORDS * 1.2 + 1, _WORDS * 0.6),
    _counting_kind("paragraphs", _PARAGRAPH, _PARAGRAPHS, _PARAGRAPHS + 2),
    InstructionKind(
        "include",
        pl.format("Include the word '{}'.", "own"),
        pl.format("Include the word '{}'.", "foreign"),
    ),
    InstructionKind(
        "avoid",
        pl.format("Do not use the word '{}'.", "foreign"),
        pl.format("Do not use the word '{}'.", "own"),
    ),
    InstructionKind(
        "list",
        *_instruction_and_opposite(
            pl.col("list"), "Use a bulleted or numbered list.", "Do not use any list."
        ),
    ),
    InstructionKind(
        "digits",
        *_instruction_and_opposite(
            pl.col("digits"), "Give at least one number in digits.", "Do not use digits."
        ),
    ),
    InstructionKind(
        "question",
        *_instruction_and_opposite(
            pl.col("asks"), "End your answer with a question mark.", "Do not end with a question."
        ),
    ),
)
"""After the function set G0 of MAPL (arXiv 2505.12845) and the verifiable instructions of IFEval
(arXiv 2311.07911); these eight are ours."""


def measure_texts(texts: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    """Measure what `KINDS` need: counts, a word that occurs in the text and one that does not.

    Texts with fewer than 20 words of letters a to z get only nulls.
    """
    text = pl.col("t")
    frame = texts.alias("t").to_frame().with_columns(
        words=text.str.extract_all(r"\S+").list.len(),
        paragraphs=text.str.strip_chars().str.split("\n\n").list.eval(
            pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != "")
        ).list.len(),
        list=text.str.contains(TRAITS["list items"]),
        digits=text.str.contains(r"\d"),
        asks=text.str.strip_chars_end().str.ends_with("?"),
        known=text.str.to_lowercase().str.extract_all(_WORD),
        latin=text.str.extract_all(r"\b[A-Za-z]+\b").list.len(),
    )  # fmt: skip
    frame = frame.with_columns(
        own=_random_word(frame["known"], rng), foreign=_random_absent_word(frame, rng)
    )
    enough = pl.col("latin") >= _MIN_WORDS
    return frame.select(
        pl.when(enough).then(pl.col(name)).alias(name)
        for name in ("words", "paragraphs", "list", "digits", "asks", "own", "foreign")
    )


def _random_word(lists: pl.Series, rng: np.random.Generator) -> pl.Series:
    """Draw a random word from each list; null for an empty list."""
    share = pl.Series(rng.random(len(lists)))
    frame = pl.DataFrame({"k": lists, "r": share})
    # A share of the length, since each list has its own.
    position = (pl.col("r") * pl.col("k").list.len()).floor().cast(pl.Int64)
    return frame.select(w=pl.col("k").list.get(position, null_on_oob=True))["w"]


def _random_absent_word(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    """Draw a word of another text that does not occur in this one, within a few tries."""
    words = pl.repeat(None, len(frame), dtype=pl.String, eager=True)
    text = frame["t"].str.to_lowercase()
    for _ in range(_MAX_TRIES):
        # Words of the other answers: as usual as those of this one, unlike words of a dictionary.
        order = rng.permutation(len(frame))
        word = _random_word(frame["known"].gather(order), rng)
        candidates = pl.DataFrame({"t": text, "w": word, "f": words})
        # As a substring, not as a word: inflected forms count as occurrences too.
        absent = ~pl.col("t").str.contains(pl.col("w"), literal=True)
        words = candidates.select(f=pl.coalesce("f", pl.when(absent).then("w")))["f"]
    return words
