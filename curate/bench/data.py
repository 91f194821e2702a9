"""The pairs on which methods are proven: votes taken as clean, or labels by a known reward."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import expit

from curate.data.hashes import content_keys
from curate.data.table import PAIR_COLUMNS, message, messages_text
from curate.errors import CurateError
from curate.models.heads.folds import group_folds
from curate.models.heads.out_of_fold import trainable_mask
from curate.models.heads.ridge.data import block_table
from curate.steps.context import Context
from curate.steps.evidence import LabelEvidence
from curate.steps.features import Features
from curate.steps.relabel import exchanged
from curate.verdicts.match import judged_labels, match_verdicts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Fewer leave no fold on which a difference could be seen.
MIN_PAIRS = 50
FOLDS = 5


@dataclass(frozen=True)
class BenchData:
    """Pairs whose labels count as clean.

    Attributes:
        name: of the data set.
        pairs: the pair table.
        features: of the pairs.
        margin: (pairs,) true margin of the label where it is known (semi-synthetic), else None.
        judged: (pairs,) 1 where people found the label right, -1 wrong, 0 not judged; or None.
        turned: (pairs,) which labels were flipped since the pairs were read; None: none.
        parent_blocks: `blocks` where the pairs were taken from others; None computes them.
    """

    name: str
    pairs: pl.DataFrame
    features: Features
    margin: NDArray[np.float64] | None = None
    judged: NDArray[np.int8] | None = None
    turned: NDArray[np.bool_] | None = None
    parent_blocks: NDArray[np.float32] | None = None

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(pairs,) number of each pair's prompt."""
        return Context().prompt_groups(self.pairs)

    @cached_property
    def blocks(self) -> NDArray[np.float32]:
        """(pairs, d) what a fresh head sees of each pair, chosen minus rejected.

        The blocks of `PairBlocks`, as scorers see them: embedding, counts, style and length. Their
        scales do not depend on labels, so that a flip changes the sign of a row alone.
        """
        if self.parent_blocks is not None:
            return self.parent_blocks
        return block_table(self.pairs, self.features)

    def take(self, rows: NDArray[np.int64]) -> BenchData:
        """Some of the pairs."""
        index = {part: positions[rows] for part, positions in self.features.index.items()}
        return replace(
            self,
            pairs=self.pairs[rows],
            features=replace(self.features, index=index),
            margin=None if self.margin is None else self.margin[rows],
            judged=None if self.judged is None else self.judged[rows],
            turned=None if self.turned is None else self.turned[rows],
            parent_blocks=self.blocks[rows],
        )

    def flipped(self, flips: NDArray[np.bool_]) -> BenchData:
        """The pairs with some labels flipped."""
        sign = np.where(flips, -1, 1)
        return replace(
            self,
            # Without a mark in `extra`: a step must not see which labels were flipped.
            pairs=self.pairs.with_columns(exchanged(self.pairs, pl.Series(flips))),
            features=self.features.flipped(flips),
            margin=None if self.margin is None else self.margin * sign,
            judged=None if self.judged is None else (self.judged * sign).astype(np.int8),
            turned=flips if self.turned is None else self.turned ^ flips,
            parent_blocks=self.blocks * sign.astype(np.float32)[:, None],
        )

    def context(self, parent: Context, seed: int) -> Context:
        """A context for these pairs, with the verdicts on them."""
        context = parent.for_pairs(seed, self.features)
        context.evidence = LabelEvidence(judged=self.judged)
        return context


def is_test(groups: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Whether each pair is tested on: a fifth of the prompts, whose numbers are `groups`.

    Five seeds in a row test every prompt once; the next five split the prompts anew.
    """
    # The seed counts folds first: a few seeds in a row already test all prompts.
    partition, fold = divmod(seed, FOLDS)
    found: NDArray[np.bool_] = group_folds(groups, FOLDS, partition) == fold
    return found


def split(data: BenchData, seed: int) -> tuple[BenchData, BenchData]:
    """The pairs to train on, and those to test on."""
    test = is_test(data.groups, seed)
    return data.take(np.flatnonzero(~test)), data.take(np.flatnonzero(test))


def consensus_rows(pairs: pl.DataFrame) -> NDArray[np.int64]:
    """Rows to take as clean: the first of each (prompt, two answers) on which all votes agree."""
    keys = content_keys(pairs).with_columns(pairs["is_tie"]).with_row_index("row")
    # Which of both answers won, whatever their order in the row.
    vote = pl.when("is_tie").then(0).when(pl.col("chosen") == pl.col("low")).then(1).otherwise(2)
    groups = (
        keys.with_columns(vote=vote, ok=pl.Series(trainable_mask(pairs)))
        .group_by("prompt", "low", "high")
        .agg(pl.col("row").min(), pl.col("vote").n_unique(), pl.col("ok").all())
        .filter((pl.col("vote") == 1) & pl.col("ok"))
    )
    rows: NDArray[np.int64] = groups["row"].sort().to_numpy().astype(np.int64)
    return rows


def real_data(name: str, pairs: pl.DataFrame, features: Features) -> BenchData:
    """The unanimous votes of a data set.

    Raises:
        CurateError: there are fewer than `MIN_PAIRS`, or fewer prompts than folds.
    """
    data = BenchData(name, pairs, features).take(consensus_rows(pairs))
    return _enough(data, "unanimous pairs without ties and repeats")


def _enough(data: BenchData, what: str) -> BenchData:
    """The data, if there is enough to hold some out."""
    count = len(data.pairs)
    if count < MIN_PAIRS:
        raise CurateError(
            "too few pairs to prove anything on",
            where=data.name,
            found=f"{count} {what}",
            expected=f"{MIN_PAIRS} or more",
        )
    prompts = len(np.unique(data.groups))
    if prompts < FOLDS:
        raise CurateError(
            "too few prompts to prove anything on",
            where=data.name,
            found=f"{count} {what}, over {prompts} distinct prompts",
            expected=f"{FOLDS} distinct prompts or more, since a prompt is held out whole",
        )
    return data


def as_labelled(
    name: str, pairs: pl.DataFrame, features: Features, verdicts: pl.DataFrame | None = None
) -> BenchData:
    """All votes that teach anything, with the labels as they are.

    Args:
        name: of the data set.
        pairs: the pair table.
        features: of the pairs.
        verdicts: pair_id and verdict (keep, flip; others count as not judged) of judged pairs.

    Raises:
        CurateError: there are fewer than `MIN_PAIRS`, fewer prompts than folds, or no verdict on
            any of them.
    """
    judged = None if verdicts is None else _judged(name, pairs, verdicts)
    rows = np.flatnonzero(trainable_mask(pairs))
    data = BenchData(name, pairs, features, judged=judged).take(rows)
    return _enough(data, "pairs with two different answers and no tie")


def _judged(name: str, pairs: pl.DataFrame, verdicts: pl.DataFrame) -> NDArray[np.int8]:
    """What most reviewers found of each label."""
    judged = judged_labels(pairs, match_verdicts(pairs, verdicts).frame)
    if not judged.any():
        raise CurateError(
            "no pair of the data set is judged",
            where=f"--gold, {name}",
            found=f"{len(verdicts)} verdicts, none of them keep or flip on one of its pairs",
            fix="give the data set that the judged pairs were drawn from",
        )
    return judged


def semi_synthetic(
    name: str, pairs: pl.DataFrame, features: Features, count: int, scale: float, seed: int
) -> BenchData:
    """`count` pairs of real answers, labelled by a known linear reward with Bradley-Terry noise.

    Each pair takes the prompt and an answer of a random pair, and an answer of another one. The
    reward is linear in the embeddings, its margins have the standard deviation `scale`.
    """
    rng = np.random.default_rng(seed)
    index = features.index
    own = rng.integers(len(pairs), size=count)
    first = np.where(rng.random(count) < 0.5, index["chosen"][own], index["rejected"][own])
    # The other answer comes from anywhere, so that no artefact of one prompt tells which won.
    second = rng.permutation(np.concatenate([index["chosen"], index["rejected"]]))
    second = second[rng.integers(len(second), size=count)]
    differ = first != second
    own, first, second = own[differ], first[differ], second[differ]
    vectors = features.vectors.astype(np.float64)
    margin = (vectors[first] - vectors[second]) @ rng.normal(size=vectors.shape[1])
    # The noise is in units of the margin: the scale sets how hard the labels are.
    margin *= scale / margin.std()
    wins = rng.random(len(margin)) < expit(margin)
    chosen, rejected = np.where(wins, first, second), np.where(wins, second, first)
    texts = _texts_of(pairs, features)
    table = pl.DataFrame(
        {
            "pair_id": [f"synthetic-{i}" for i in range(len(margin))],
            "prompt": pairs["prompt"][own],
            "chosen": _answers(texts, chosen),
            "rejected": _answers(texts, rejected),
        }
    )
    others = {c: pl.lit(None, dtype=t) for c, t in PAIR_COLUMNS.items() if c not in table.columns}
    others |= {"is_tie": pl.lit(False), "source": pl.lit(name)}
    table = table.with_columns(**others).select(list(PAIR_COLUMNS))
    placed = {"prompt": index["prompt"][own], "chosen": chosen, "rejected": rejected}
    truth = np.where(wins, margin, -margin)
    made = Features(features.vectors, features.style, placed)
    return BenchData(f"{name} (semi-synthetic)", table, made, truth)


def _texts_of(pairs: pl.DataFrame, features: Features) -> pl.Series:
    """The text of each row of `features.vectors`; rows that are only prompts are empty."""
    texts = np.full(len(features.vectors), "", dtype=object)
    for part in ("chosen", "rejected"):
        texts[features.index[part]] = pairs.select(messages_text(part)).to_series().to_numpy()
    return pl.Series(texts.tolist(), dtype=pl.String)


def _answers(texts: pl.Series, rows: NDArray[np.int64]) -> pl.Series:
    turn = pl.concat_list(message("assistant", pl.col("t")))
    frame = pl.DataFrame({"t": texts[rows]})
    return frame.select(turn.alias("m"))["m"]
