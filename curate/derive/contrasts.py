"""Pairs whose prompt also asks for what only the chosen answer does (MAPL, between samples)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from curate.data.table import PairIds, empty_pairs, messages_text
from curate.derive.constraints import KINDS, measure_texts
from curate.derive.instructions import DerivedPairs, choose_instructions, prompt_with

MADE = "mapl_contrast"
"""Value of `extra.made` for these pairs."""
_MARGIN = 0.75
"""By how much the rejected answer misses a number of words: other ways to count decide the same."""
_WORDS, _OTHER_WORDS = pl.col("words"), pl.col("words_other")
_BROKEN_BY_OTHER: dict[str, pl.Expr] = {
    "at least": _OTHER_WORDS < _WORDS * 0.8 * _MARGIN,
    "at most": _OTHER_WORDS * _MARGIN > _WORDS * 1.2 + 1,
    "paragraphs": pl.col("paragraphs_other") != pl.col("paragraphs"),
    "include": ~pl.col("text_other").str.contains(pl.col("own"), literal=True),
    "avoid": pl.col("foreign").is_not_null(),
    "list": pl.col("list_other") != pl.col("list"),
    "digits": pl.col("digits_other") != pl.col("digits"),
    "question": pl.col("asks_other") != pl.col("asks"),
}
"""Whether the rejected answer breaks the instruction of a kind that the chosen one follows."""


def contrast_batches(
    batches: Iterable[pl.DataFrame], instructions: int = 2, seed: int = 0
) -> Iterator[DerivedPairs]:
    """Add instructions to the prompts of pairs that the chosen answer follows and the rejected one
    breaks.

    MAPL (arXiv 2505.12845) learns besides its pairs within a sample from multi-instruction pairs
    (x + c, y_w, y_l) made of a given pair: y_w follows c and y_l does not, so its margin must be
    the larger one of (x + c, y_w, y_l) and (x, y_w, y_l). The pairs are for any trainer; the
    comparison of the two margins is the paper's own loss. Up to `instructions` kinds that tell the
    answers apart are drawn; `extra` has `made`, the id of the given pair, and the kinds.

    Args:
        batches: the pair table in parts; ties and pairs without such an instruction are left out.
        instructions: most instructions added to a prompt.
        seed: of the words and of the choice among kinds.
    """
    rng, ids = np.random.default_rng(seed), PairIds()
    for pairs in batches:
        derived = _contrast_pairs(pairs, instructions, rng)
        unused = len(pairs) - len(derived)
        left_out = {"no instruction tells the answers apart": unused} if unused else {}
        yield DerivedPairs(ids.fill_missing(derived), left_out)


def _contrast_pairs(pairs: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    ends_with_user = pl.col("prompt").list.last().struct.field("role") == "user"
    is_plain_text = pl.col("prompt").list.last().struct.field("more").is_null()
    is_single = (pl.col("chosen").list.len() == 1) & (pl.col("rejected").list.len() == 1)
    is_usable = ends_with_user & is_plain_text & is_single & ~pl.col("is_tie").fill_null(False)
    usable_pairs = pairs.filter(is_usable.fill_null(False))
    facts = _measure_both(usable_pairs, rng)
    followed = facts.select(
        pl.when(_BROKEN_BY_OTHER[kind.name].fill_null(False))
        .then(kind.followed)
        .alias(f"f{number}")
        for number, kind in enumerate(KINDS)
    )
    applicable = followed.select(pl.all().is_not_null()).to_numpy()
    is_chosen, _ = choose_instructions(applicable, count, rng)
    flags = pl.DataFrame({f"c{number}": is_chosen[:, number] for number in range(len(KINDS))})
    frame = pl.concat([usable_pairs, followed, flags], how="horizontal")
    frame = frame.filter(pl.any_horizontal(flags.columns))
    instructions = [pl.when(pl.col(f"c{n}")).then(pl.col(f"f{n}")) for n in range(len(KINDS))]
    names = [pl.when(pl.col(f"c{n}")).then(pl.lit(kind.name)) for n, kind in enumerate(KINDS)]
    extra = pl.struct(
        made=pl.lit(MADE), made_from="pair_id", kinds=pl.concat_list(names).list.drop_nulls()
    )
    derived = frame.select(
        "chosen",
        "rejected",
        "source",
        prompt=prompt_with(instructions),
        extra=extra.struct.json_encode(),
        is_tie=pl.lit(False),
    )
    return pl.concat([empty_pairs(), derived], how="diagonal_relaxed")


def _measure_both(pairs: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return what `KINDS` need of the chosen answer, and the same of the other with a suffix.

    `foreign` is a word of the rejected answer that the chosen one does not have.
    """
    texts = pairs.select(
        text=messages_text("chosen").str.to_lowercase(),
        text_other=messages_text("rejected").str.to_lowercase(),
    )
    chosen, rejected = (
        measure_texts(pairs.select(t=messages_text(side))["t"], rng)
        for side in ("chosen", "rejected")
    )
    other = rejected.rename({name: f"{name}_other" for name in rejected.columns})
    is_absent = ~pl.col("text").str.contains(pl.col("own_other"), literal=True)
    return pl.concat([texts, chosen.drop("foreign"), other], how="horizontal").with_columns(
        foreign=pl.when(is_absent).then(pl.col("own_other"))
    )
