"""The pairs on which methods are proven: votes taken as clean, or labels by a known reward."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import expit

from curate.data.hashes import content_keys
from curate.data.table import PAIR_COLUMNS, messages_text, plain_message
from curate.errors import CurateError
from curate.models.heads.folds import group_folds
from curate.models.heads.out_of_fold import trainable_mask
from curate.models.heads.ridge.data import block_table
from curate.option_names import option_name
from curate.steps.context import Context
from curate.steps.evidence import LabelEvidence
from curate.steps.features import Features
from curate.steps.relabel import swap_answers
from curate.verdicts.match import label_verdicts, match_verdicts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Fewer leave no fold on which a difference could be seen.
MIN_PAIRS = 50
FOLDS = 5


@dataclass(frozen=True)
class BenchData:
    """Pairs whose labels count as clean.

    Attributes:
        name: the dataset's name.
        pairs: the pair table.
        features: features of the pairs.
        margin: (pairs,) true margin of the label where it is known (semi-synthetic), else None.
        judgements: (pairs,) 1 where people found the label right, -1 wrong, 0 not
            reviewed; None without verdicts.
        turned: (pairs,) which labels were flipped since the pairs were read; None: none.
        parent_blocks: `blocks` where the pairs were taken from others; None computes them.
    """

    name: str
    pairs: pl.DataFrame
    features: Features
    margin: NDArray[np.float64] | None = None
    judgements: NDArray[np.int8] | None = None
    turned: NDArray[np.bool_] | None = None
    parent_blocks: NDArray[np.float32] | None = None

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Return the number of each pair's prompt, (pairs,)."""
        return Context().prompt_groups(self.pairs)

    @cached_property
    def blocks(self) -> NDArray[np.float32]:
        """Return what a fresh head sees of each pair, chosen minus rejected, (pairs, d).

        The blocks of `PairBlocks`, as scorers see them: embedding, counts, style and length. Their
        scales do not depend on labels, so that a flip changes only the sign of a row.
        """
        if self.parent_blocks is not None:
            return self.parent_blocks
        return block_table(self.pairs, Context().for_pairs(self.pairs, self.features))

    def take(self, rows: NDArray[np.int64]) -> BenchData:
        """Return some of the pairs."""
        return replace(
            self,
            pairs=self.pairs[rows],
            features=self.features.take(rows),
            margin=None if self.margin is None else self.margin[rows],
            judgements=None if self.judgements is None else self.judgements[rows],
            turned=None if self.turned is None else self.turned[rows],
            parent_blocks=self.blocks[rows],
        )

    def flipped(self, flips: NDArray[np.bool_]) -> BenchData:
        """Return the pairs with some labels flipped."""
        sign = np.where(flips, -1, 1)
        return replace(
            self,
            # Without a mark in `extra`: a step must not see which labels were flipped.
            pairs=self.pairs.with_columns(swap_answers(self.pairs, pl.Series(flips))),
            features=self.features.flipped(flips),
            margin=None if self.margin is None else self.margin * sign,
            judgements=None
            if self.judgements is None
            else (self.judgements * sign).astype(np.int8),
            turned=flips if self.turned is None else self.turned ^ flips,
            parent_blocks=self.blocks * sign.astype(np.float32)[:, None],
        )

    def context(self, parent: Context, seed: int) -> Context:
        """Return a context for these pairs, with the verdicts on them."""
        context = parent.for_pairs(self.pairs, self.features, seed)
        return replace(context, evidence=LabelEvidence(verdicts=self.judgements))


def held_out_mask(groups: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Return whether each pair is tested on: a fifth of the prompts, whose numbers are `groups`.

    Five seeds in a row test every prompt once; the next five split the prompts anew.
    """
    # The seed counts folds first: a few seeds in a row already test all prompts.
    partition, fold = divmod(seed, FOLDS)
    is_test: NDArray[np.bool_] = group_folds(groups, FOLDS, partition) == fold
    return is_test


def split_train_test(data: BenchData, seed: int) -> tuple[BenchData, BenchData]:
    """Return the pairs to train on, and those to test on."""
    test = held_out_mask(data.groups, seed)
    return data.take(np.flatnonzero(~test)), data.take(np.flatnonzero(test))


def consensus_rows(pairs: pl.DataFrame) -> NDArray[np.int64]:
    """Return the rows to take as clean: the first of each (prompt, two answers) on which all votes
    agree.
    """
    keys = content_keys(pairs).with_columns(pairs["is_tie"]).with_row_index("row")
    # Which of the two answers won, independent of their order in the row.
    vote = pl.when("is_tie").then(0).when(pl.col("chosen") == pl.col("low")).then(1).otherwise(2)
    groups = (
        keys.with_columns(vote=vote, ok=pl.Series(trainable_mask(pairs)))
        .group_by("prompt", "low", "high")
        .agg(pl.col("row").min(), pl.col("vote").n_unique(), pl.col("ok").all())
        .filter((pl.col("vote") == 1) & pl.col("ok"))
    )
    # group_by returns groups in any order, and a seed must give the same split in every run.
    rows: NDArray[np.int64] = groups["row"].sort().to_numpy().astype(np.int64)
    return rows


def unanimous_data(name: str, pairs: pl.DataFrame, features: Features) -> BenchData:
    """Return the unanimous votes of a dataset.

    Raises:
        CurateError: there are fewer than `MIN_PAIRS`, or fewer prompts than folds.
    """
    data = BenchData(name, pairs, features).take(consensus_rows(pairs))
    return _require_enough(data, "unanimous pairs without ties and repeats")


def _require_enough(data: BenchData, pair_kind: str) -> BenchData:
    """Return the data, if there is enough to hold some out."""
    count = len(data.pairs)
    if count < MIN_PAIRS:
        raise CurateError(
            "too few pairs for a benchmark",
            where=data.name,
            found=f"{count} {pair_kind}",
            expected=f"{MIN_PAIRS} or more",
        )
    prompts = len(np.unique(data.groups))
    if prompts < FOLDS:
        raise CurateError(
            "too few prompts for a benchmark",
            where=data.name,
            found=f"{count} {pair_kind}, over {prompts} distinct prompts",
            expected=f"{FOLDS} distinct prompts or more, because prompts are held out as a whole",
        )
    return data


def labels_as_given(
    name: str, pairs: pl.DataFrame, features: Features, verdicts: pl.DataFrame | None = None
) -> BenchData:
    """Return all votes that teach anything, with the labels as they are.

    Args:
        name: the dataset's name.
        pairs: the pair table.
        features: features of the pairs.
        verdicts: pair_id and verdict (keep, flip; others count as not reviewed) of reviewed pairs.

    Raises:
        CurateError: there are fewer than `MIN_PAIRS`, fewer prompts than folds, or no verdict on
            any of them.
    """
    judgements = None if verdicts is None else _judgements_of_pairs(name, pairs, verdicts)
    rows = np.flatnonzero(trainable_mask(pairs))
    data = BenchData(name, pairs, features, judgements=judgements).take(rows)
    return _require_enough(data, "pairs with two different answers and no tie")


def _judgements_of_pairs(
    name: str, pairs: pl.DataFrame, verdicts: pl.DataFrame
) -> NDArray[np.int8]:
    """Return what most reviewers found of each label."""
    judgements = label_verdicts(pairs, match_verdicts(pairs, verdicts).frame)
    if not judgements.any():
        raise CurateError(
            "no pair of the dataset is reviewed",
            where=f"{option_name('gold')}, {name}",
            found=f"{len(verdicts)} verdicts, none of them keep or flip on one of its pairs",
            fix="give the dataset that the reviewed pairs were drawn from",
        )
    return judgements


def semi_synthetic(
    name: str, pairs: pl.DataFrame, features: Features, count: int, scale: float, seed: int
) -> BenchData:
    """Return `count` pairs of real answers with Bradley-Terry labels of a known linear reward.

    Each pair takes the prompt and an answer of a random pair, and an answer of another one. The
    reward is linear in the embeddings, its margins have the standard deviation `scale`.
    """
    rng = np.random.default_rng(seed)
    index = features.index
    sampled = rng.integers(len(pairs), size=count)
    first_answer = np.where(
        rng.random(count) < 0.5, index["chosen"][sampled], index["rejected"][sampled]
    )
    # The other answer comes from any prompt, so that no artefact of one prompt reveals the winner.
    second_answer = rng.permutation(np.concatenate([index["chosen"], index["rejected"]]))
    second_answer = second_answer[rng.integers(len(second_answer), size=count)]
    differ = first_answer != second_answer
    sampled, first_answer, second_answer = (
        sampled[differ],
        first_answer[differ],
        second_answer[differ],
    )
    # In double: half-precision differences would shift labels near a margin of 0.
    vectors = features.vectors.astype(np.float64)
    margin = (vectors[first_answer] - vectors[second_answer]) @ rng.normal(size=vectors.shape[1])
    # The noise is in units of the margin: the scale sets how hard the labels are.
    margin *= scale / margin.std()
    wins = rng.random(len(margin)) < expit(margin)
    chosen, rejected = (
        np.where(wins, first_answer, second_answer),
        np.where(wins, second_answer, first_answer),
    )
    texts = _texts_of_vectors(pairs, features)
    answers = _answer_messages(texts, chosen), _answer_messages(texts, rejected)
    table = _synthetic_table(name, pairs["prompt"][sampled], *answers)
    placed = {"prompt": index["prompt"][sampled], "chosen": chosen, "rejected": rejected}
    truth = np.where(wins, margin, -margin)
    answer_features = Features(features.vectors, features.style, placed)
    return BenchData(f"{name} (semi-synthetic)", table, answer_features, truth)


def _synthetic_table(
    name: str, prompts: pl.Series, chosen: pl.Series, rejected: pl.Series
) -> pl.DataFrame:
    """Return a pair table of these messages, with its other columns empty."""
    pair_ids = [f"synthetic-{i}" for i in range(len(prompts))]
    table = pl.DataFrame(
        {"pair_id": pair_ids, "prompt": prompts, "chosen": chosen, "rejected": rejected}
    )
    empty_columns = {
        c: pl.lit(None, dtype=t) for c, t in PAIR_COLUMNS.items() if c not in table.columns
    }
    empty_columns |= {"is_tie": pl.lit(False), "source": pl.lit(name)}
    return table.with_columns(**empty_columns).select(list(PAIR_COLUMNS))


def _texts_of_vectors(pairs: pl.DataFrame, features: Features) -> pl.Series:
    """Return the text of each row of `features.vectors`; rows that are only prompts are empty."""
    texts = np.full(len(features.vectors), "", dtype=object)
    for side in ("chosen", "rejected"):
        texts[features.index[side]] = pairs.select(messages_text(side)).to_series().to_numpy()
    return pl.Series(texts.tolist(), dtype=pl.String)


def _answer_messages(texts: pl.Series, rows: NDArray[np.int64]) -> pl.Series:
    turn = pl.concat_list(plain_message("assistant", pl.col("t")))
    frame = pl.DataFrame({"t": texts[rows]})
    return frame.select(turn.alias("m"))["m"]
