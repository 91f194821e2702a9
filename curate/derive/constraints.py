"""Instructions of which a text itself tells whether it follows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from curate.models.text.traits import TRAITS

_WORD = r"[A-Za-z]{5,}"
# Draws of a constraint that the answer must meet before the prompt is left out.
_TRIES = 5
# Shorter answers meet most constraints by chance.
_FEWEST_WORDS = 20


@dataclass(frozen=True)
class Kind:
    """One kind of instruction.

    Attributes:
        name: of the kind.
        followed: the instruction in words that the text follows; null where there is none.
        broken: one of the same kind that it does not follow.
    """

    name: str
    followed: pl.Expr
    broken: pl.Expr


def _either(test: pl.Expr, yes: str, no: str) -> tuple[pl.Expr, pl.Expr]:
    """The instruction that holds where `test` does, and its opposite; null where it is null."""
    return (
        pl.when(test).then(pl.lit(yes)).when(~test).then(pl.lit(no)),
        pl.when(test).then(pl.lit(no)).when(~test).then(pl.lit(yes)),
    )


def _numbers(name: str, text: str, followed: pl.Expr, broken: pl.Expr) -> Kind:
    return Kind(name, *(pl.format(text, bound.cast(pl.Int64)) for bound in (followed, broken)))


_WORDS, _PARAGRAPHS = pl.col("words").cast(pl.Float64), pl.col("paragraphs").cast(pl.Float64)
_PARAGRAPH = "Write exactly {} paragraph(s), separated by blank lines."
KINDS: tuple[Kind, ...] = (
    _numbers("at least", "Use at least {} words.", _WORDS * 0.8, _WORDS * 1.5 + 1),
    _numbers("at most", "Use at most {} words.", _WORDS * 1.2 + 1, _WORDS * 0.6),
    _numbers("paragraphs", _PARAGRAPH, _PARAGRAPHS, _PARAGRAPHS + 2),
    Kind(
        "include",
        pl.format("Include the word '{}'.", "own"),
        pl.format("Include the word '{}'.", "foreign"),
    ),
    Kind(
        "avoid",
        pl.format("Do not use the word '{}'.", "foreign"),
        pl.format("Do not use the word '{}'.", "own"),
    ),
    Kind(
        "list",
        *_either(pl.col("list"), "Use a bulleted or numbered list.", "Do not use any list."),
    ),
    Kind(
        "digits",
        *_either(pl.col("digits"), "Give at least one number in digits.", "Do not use digits."),
    ),
    Kind(
        "question",
        *_either(
            pl.col("asks"), "End your answer with a question mark.", "Do not end with a question."
        ),
    ),
)
"""After the function set G0 of MAPL (arXiv 2505.12845) and the verifiable instructions of IFEval
(arXiv 2311.07911); these eight are ours."""


def measured(texts: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    """What `KINDS` read of each text: counts, and a word of its own and one that it has not.

    Texts of fewer than 20 words (of letters a to z) get nulls alone.
    """
    t = pl.col("t")
    frame = texts.alias("t").to_frame().with_columns(
        words=t.str.extract_all(r"\S+").list.len(),
        paragraphs=t.str.strip_chars().str.split("\n\n").list.eval(
            pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != "")
        ).list.len(),
        list=t.str.contains(TRAITS["list items"]),
        digits=t.str.contains(r"\d"),
        asks=t.str.strip_chars_end().str.ends_with("?"),
        known=t.str.to_lowercase().str.extract_all(_WORD),
        latin=t.str.extract_all(r"\b[A-Za-z]+\b").list.len(),
    )  # fmt: skip
    frame = frame.with_columns(own=_drawn(frame["known"], rng), foreign=_foreign(frame, rng))
    enough = pl.col("latin") >= _FEWEST_WORDS
    return frame.select(
        pl.when(enough).then(pl.col(name)).alias(name)
        for name in ("words", "paragraphs", "list", "digits", "asks", "own", "foreign")
    )


def _drawn(lists: pl.Series, rng: np.random.Generator) -> pl.Series:
    """One word of each list at random; null for an empty one."""
    share = pl.Series(rng.random(len(lists)))
    frame = pl.DataFrame({"k": lists, "r": share})
    at = (pl.col("r") * pl.col("k").list.len()).floor().cast(pl.Int64)
    return frame.select(w=pl.col("k").list.get(at, null_on_oob=True))["w"]


def _foreign(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    """A word of another text that does not stand in this one, within a few tries."""
    found = pl.repeat(None, len(frame), dtype=pl.String, eager=True)
    text = frame["t"].str.to_lowercase()
    for _ in range(_TRIES):
        order = rng.permutation(len(frame))
        word = _drawn(frame["known"].gather(order), rng)
        both = pl.DataFrame({"t": text, "w": word, "f": found})
        absent = ~pl.col("t").str.contains(pl.col("w"), literal=True)
        found = both.select(f=pl.coalesce("f", pl.when(absent).then("w")))["f"]
    return found
