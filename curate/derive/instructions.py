"""Pairs of one answer with two prompts, only one of which it follows (MAPL)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.table import MESSAGES, PairIds, empty_pairs, messages_text, plain_message
from curate.derive.constraints import KINDS, measure_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

MADE = "mapl"
"""Value of `extra.made` for these pairs."""


@dataclass(frozen=True)
class DerivedPairs:
    """Derived pairs.

    Attributes:
        pairs: the pair table; the prompt is empty, and both sides are conversations.
        left_out: number of pairs without a derived pair, by reason.
    """

    pairs: pl.DataFrame
    left_out: dict[str, int]


def derive_batches(
    batches: Iterable[pl.DataFrame], instructions: int = 2, seed: int = 0
) -> Iterator[DerivedPairs]:
    """Derive pairs from batches of a dataset, with ids for the whole dataset; see `derive`."""
    rng, ids = np.random.default_rng(seed), PairIds()
    for batch in batches:
        yield _derive_batch(batch, instructions, rng, ids)


def derive(pairs: pl.DataFrame, instructions: int = 2, seed: int = 0) -> DerivedPairs:
    """Derive from each chosen answer y a pair (x + followed, y) over (x + broken, y).

    `instructions` instructions that y follows are added to the prompt. On the rejected side, at
    least one of them is changed into one that y does not follow, so the preference is true by
    construction (MAPL, arXiv 2505.12845: y follows all instructions of x_w but not all of x_l).
    `extra` has `made`, the source `pair_id`, and the kinds of the changed instructions.

    Args:
        pairs: the pair table.
        instructions: number of instructions added to a prompt.
        seed: random seed.
    """
    return _derive_batch(pairs, instructions, np.random.default_rng(seed), PairIds())


def _derive_batch(
    pairs: pl.DataFrame, instructions: int, rng: np.random.Generator, ids: PairIds
) -> DerivedPairs:
    ends_with_user = pl.col("prompt").list.last().struct.field("role") == "user"
    is_single_answer = pl.col("chosen").list.len() == 1
    # The content of a message with images or tool calls is a rendering, unfit for training.
    is_plain_text = pl.col("prompt").list.last().struct.field("more").is_null()
    usable_pairs = pairs.filter(
        (ends_with_user & is_single_answer & is_plain_text).fill_null(False)
    )
    facts = measure_texts(usable_pairs.select(t=messages_text("chosen"))["t"], rng)
    texts = facts.select(
        *(kind.followed.alias(f"f{i}") for i, kind in enumerate(KINDS)),
        *(kind.broken.alias(f"b{i}") for i, kind in enumerate(KINDS)),
    )
    applicable = texts.select(
        (pl.col(f"f{i}").is_not_null() & pl.col(f"b{i}").is_not_null()).alias(str(i))
        for i in range(len(KINDS))
    ).to_numpy()
    selected, changed = choose_instructions(applicable, instructions, rng)
    enough = applicable.sum(axis=1) >= instructions
    derived = _build_pairs(usable_pairs, texts, selected, changed).filter(pl.Series(enough))
    left_out = {
        "the prompt does not end with a user's message, or the answer has several": len(pairs)
        - len(usable_pairs),
        "the answer is too short, or not in Latin letters": int((~enough).sum()),
    }
    return DerivedPairs(ids.fill_missing(derived), {k: v for k, v in left_out.items() if v})


def choose_instructions(
    applicable: NDArray[np.bool_], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which instructions (rows, kinds) are selected, and which of them are changed."""
    # A random order, with those that do not apply at its end.
    order = np.where(applicable, rng.random(applicable.shape), np.inf)
    # Twice: the first sorts, the second gives each instruction its rank.
    rank = order.argsort(axis=1).argsort(axis=1)
    selected = (rank < count) & applicable
    changed_count = rng.integers(1, count + 1, size=len(applicable))
    return selected, selected & (rank < changed_count[:, None])


def _build_pairs(
    usable_pairs: pl.DataFrame,
    texts: pl.DataFrame,
    selected: NDArray[np.bool_],
    changed: NDArray[np.bool_],
) -> pl.DataFrame:
    frame = pl.concat([usable_pairs, texts], how="horizontal")
    flags = {f"{name}{i}": table[:, i] for name, table in (("t", selected), ("x", changed))
             for i in range(len(KINDS))}  # fmt: skip
    frame = frame.with_columns(pl.Series(name, values) for name, values in flags.items())
    followed = [pl.when(pl.col(f"t{i}")).then(pl.col(f"f{i}")) for i in range(len(KINDS))]
    broken = [
        pl.when(pl.col(f"x{i}")).then(pl.col(f"b{i}")).when(pl.col(f"t{i}")).then(pl.col(f"f{i}"))
        for i in range(len(KINDS))
    ]
    names = [pl.when(pl.col(f"x{i}")).then(pl.lit(k.name)) for i, k in enumerate(KINDS)]
    extra = pl.struct(
        made=pl.lit(MADE), made_from="pair_id", turned=pl.concat_list(names).list.drop_nulls()
    )
    derived = frame.select(
        chosen=_conversation_with(followed),
        rejected=_conversation_with(broken),
        extra=extra.struct.json_encode(),
        source=pl.col("source"),
        prompt=pl.lit([], dtype=MESSAGES),
        is_tie=pl.lit(False),
    )
    return pl.concat([empty_pairs(), derived], how="diagonal")


def _conversation_with(instructions: Sequence[pl.Expr]) -> pl.Expr:
    """Build the conversation: instructions are added to the last question, the answer follows."""
    return pl.concat_list(prompt_with(instructions), pl.col("chosen"))


def prompt_with(instructions: Sequence[pl.Expr]) -> pl.Expr:
    """Return the prompt with instructions, or nulls, added to its last question."""
    before = pl.col("prompt").list.head(pl.col("prompt").list.len() - 1)
    question = pl.col("prompt").list.last().struct.field("content")
    instruction_text = pl.concat_str(instructions, separator=" ", ignore_nulls=True)
    turn = plain_message("user", pl.format("{}\n\n{}", question, instruction_text))
    return pl.concat_list(before, pl.concat_list(turn).cast(MESSAGES))
