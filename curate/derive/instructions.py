"""One answer under two prompts, of which it follows the instructions of the one alone (MAPL)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.table import MESSAGES, PairIds, empty_pairs, message, messages_text
from curate.derive.constraints import KINDS, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

MADE = "mapl"
"""What `extra.made` says of a pair that was made here."""


@dataclass(frozen=True)
class Derived:
    """What was made.

    Attributes:
        pairs: the pair table; each pair has no prompt, and its sides are conversations.
        left_out: pairs that give none, by reason.
    """

    pairs: pl.DataFrame
    left_out: dict[str, int]


def derive_parts(
    parts: Iterable[pl.DataFrame], instructions: int = 2, seed: int = 0
) -> Iterator[Derived]:
    """As `derive`, of a data set that comes a few thousand rows at a time; ids are of the whole."""
    rng, ids = np.random.default_rng(seed), PairIds()
    for part in parts:
        yield _derived(part, instructions, rng, ids)


def derive(pairs: pl.DataFrame, instructions: int = 2, seed: int = 0) -> Derived:
    """From each preferred answer y a pair (x + followed, y) over (x + broken, y).

    The prompt gains `instructions` instructions that y follows; on the other side one of them or
    more is turned into one that y does not follow, so that the preference is true by construction
    (MAPL, arXiv 2505.12845: y follows all instructions of x_w but not all of x_l). `extra` holds
    `made`, the `pair_id` it was made from, and the kinds of instructions that were turned.

    Args:
        pairs: the pair table.
        instructions: that a prompt gains.
        seed: of words and choices.
    """
    return _derived(pairs, instructions, np.random.default_rng(seed), PairIds())


def _derived(
    pairs: pl.DataFrame, instructions: int, rng: np.random.Generator, ids: PairIds
) -> Derived:
    last = pl.col("prompt").list.last().struct.field("role") == "user"
    one = pl.col("chosen").list.len() == 1
    # Of a message with images or tool calls the content is a rendering, which nobody may train on.
    plain = pl.col("prompt").list.last().struct.field("more").is_null()
    asked = pairs.filter((last & one & plain).fill_null(False))
    facts = measured(asked.select(t=messages_text("chosen"))["t"], rng)
    texts = facts.select(
        *(kind.followed.alias(f"f{i}") for i, kind in enumerate(KINDS)),
        *(kind.broken.alias(f"b{i}") for i, kind in enumerate(KINDS)),
    )
    known = texts.select(
        (pl.col(f"f{i}").is_not_null() & pl.col(f"b{i}").is_not_null()).alias(str(i))
        for i in range(len(KINDS))
    ).to_numpy()
    taken, turned = _chosen(known, instructions, rng)
    enough = known.sum(axis=1) >= instructions
    made = _pairs(asked, texts, taken, turned).filter(pl.Series(enough))
    left_out = {
        "the prompt does not end with a user's message, or the answer has several": len(pairs)
        - len(asked),
        "the answer is too short, or not in Latin letters": int((~enough).sum()),
    }
    return Derived(ids.give(made), {k: v for k, v in left_out.items() if v})


def _chosen(
    known: NDArray[np.bool_], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(rows, kinds) which instructions are taken, and which of them are turned: one or more."""
    order = np.where(known, rng.random(known.shape), np.inf)
    rank = order.argsort(axis=1).argsort(axis=1)
    taken = (rank < count) & known
    many = rng.integers(1, count + 1, size=len(known))
    return taken, taken & (rank < many[:, None])


def _pairs(
    asked: pl.DataFrame,
    texts: pl.DataFrame,
    taken: NDArray[np.bool_],
    turned: NDArray[np.bool_],
) -> pl.DataFrame:
    frame = pl.concat([asked, texts], how="horizontal")
    flags = {f"{name}{i}": table[:, i] for name, table in (("t", taken), ("x", turned))
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
    made = frame.select(
        chosen=_asked_with(followed),
        rejected=_asked_with(broken),
        extra=extra.struct.json_encode(),
        source=pl.col("source"),
        prompt=pl.lit([], dtype=MESSAGES),
        is_tie=pl.lit(False),
    )
    return pl.concat([empty_pairs(), made], how="diagonal")


def _asked_with(instructions: Sequence[pl.Expr]) -> pl.Expr:
    """The conversation with instructions at the end of its last question, then the answer."""
    before = pl.col("prompt").list.head(pl.col("prompt").list.len() - 1)
    question = pl.col("prompt").list.last().struct.field("content")
    said = pl.concat_str(instructions, separator=" ", ignore_nulls=True)
    turn = message("user", pl.format("{}\n\n{}", question, said))
    return pl.concat_list(before, pl.concat_list(turn).cast(MESSAGES), pl.col("chosen"))
