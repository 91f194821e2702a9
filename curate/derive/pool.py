"""Pool of prompts with several answers, and pairs of these answers by reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.json_text import parse_nested_json
from curate.data.table import PAIR_COLUMNS, PairIds, messages_series
from curate.read.embedded_json import parse_embedded_messages
from curate.read.formats.listwise import ANSWERS, PROMPTS
from curate.read.messages import Turn, as_messages
from curate.read.pairs import sample_rows
from curate.read.raw_rows import prepend_system_message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.read.input import InputConfig
    from curate.read.raw_rows import PublishedRows

MADE = "round"
"""Value of `extra.made` for these pairs."""
# UPO uses the two best and the two worst answers.
_ANSWERS_PER_END = 2
PoolWriter = Callable[[Sequence[list[Turn]]], list[list[str]]]
"""Maps prompts to several answers each."""


@dataclass
class AnswerPool:
    """Prompts and their answers.

    Attributes:
        prompts: the messages of each prompt.
        answers: the answer texts of each prompt, at least two different ones.
        left_out: number of rows without two answers, by reason.
    """

    prompts: list[list[Turn]] = field(default_factory=list)
    answers: list[list[str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def owner(self) -> NDArray[np.int64]:
        """Return the prompt index of each answer, over all answers."""
        return np.repeat(np.arange(len(self.prompts)), [len(a) for a in self.answers])

    def frame(self) -> pl.DataFrame:
        """Return each answer as a pair with itself, so that answers are embedded like pairs."""
        texts = (text for answers in self.answers for text in answers)
        turns = [[{"role": "assistant", "content": text, "more": None}] for text in texts]
        prompts = [self.prompts[i] for i in self.owner()]
        sides = messages_series("chosen", turns)
        return pl.DataFrame([messages_series("prompt", prompts), sides, sides.alias("rejected")])


def read_pool(rows: PublishedRows, write: PoolWriter | None = None) -> AnswerPool:
    """Read a pool; missing answers are written by `write`.

    Args:
        rows: the rows of the input.
        write: writes answers to prompts; without it, rows without answers are skipped.

    Raises:
        CurateError: there are no rows, or none of the first rows has a prompt.
    """
    pool = AnswerPool()
    unanswered: list[list[Turn]] = []
    pool_rows = rows.require_kind(
        lambda row: any(name in row for name in PROMPTS),
        "there is no prompt column",
        f"one of {', '.join(PROMPTS)}, and answers as a list in one of {', '.join(ANSWERS)}",
    )
    for raw in pool_rows:
        if raw.values is None:
            pool.left_out[f"row: {raw.problem}"] += 1
            continue
        _add_row(raw.values, pool, unanswered)
    if write is None:
        pool.left_out["no answers, and no model to write them"] += len(unanswered)
    elif unanswered:
        for prompt, answers in zip(unanswered, write(unanswered), strict=True):
            _add_prompt(prompt, answers, pool)
    pool.left_out = Counter({why: n for why, n in pool.left_out.items() if n})
    return pool


def has_answers(settings: InputConfig) -> bool:
    """Return whether most of the first rows have a list of answers, or only a prompt."""
    rows = sample_rows(settings)
    # Most rows and not all: some prompts have no answer yet.
    return 2 * sum(map(_is_pool_row, rows)) > len(rows)


def _is_pool_row(row: Mapping[str, object]) -> bool:
    """Return whether a row has a list of answers, or only a prompt, and is not a pair."""
    has_answers = any(isinstance(parse_nested_json(row.get(name)), list) for name in ANSWERS)
    pair_columns = {"chosen", "rejected"} & row.keys()
    has_prompt = any(row.get(name) is not None for name in PROMPTS)
    return has_answers or (has_prompt and not pair_columns and len(row) == 1)


def _add_row(row: Mapping[str, object], pool: AnswerPool, unanswered: list[list[Turn]]) -> None:
    prompt = next((row[n] for n in PROMPTS if row.get(n) is not None), None)
    if isinstance(prompt, str):
        messages = parse_embedded_messages(prompt)
        prompt = messages if isinstance(messages, list) else [{"role": "user", "content": prompt}]
    turns, problem = as_messages(prompt) if prompt is not None else (None, "is null")
    if turns is None:
        pool.left_out[f"prompt {problem}"] += 1
        return
    turns, problem = prepend_system_message(row, turns)
    if problem is not None:
        pool.left_out[problem] += 1
        return
    # Files without nested columns store the list as JSON text.
    answers = parse_nested_json(next((row[n] for n in ANSWERS if row.get(n) is not None), None))
    if answers is None:
        unanswered.append(turns)
    else:
        _add_prompt(turns, answers, pool)


def _add_prompt(prompt: list[Turn], answers: object, pool: AnswerPool) -> None:
    if not isinstance(answers, list) or not all(isinstance(a, str | None) for a in answers):
        pool.left_out["answers that are not a list of texts"] += 1
        return
    # Equal answers to a prompt would make pairs without a difference.
    texts = list(dict.fromkeys(a for a in answers if isinstance(a, str)))
    if len(texts) < _ANSWERS_PER_END:
        pool.left_out["fewer than two different answers"] += 1
        return
    pool.prompts.append(prompt)
    pool.answers.append(texts)


def candidate_pairs(
    pool: AnswerPool, rewards: NDArray[np.float64]
) -> tuple[pl.DataFrame, NDArray[np.int64], NDArray[np.int64]]:
    """Build all pairs of a prompt's answers; the answer with the higher reward is chosen.

    With more than four answers, only the two best and two worst ones are used (UPO, arXiv
    2409.11212, released code). Equal rewards make no pair.

    Args:
        pool: the pool.
        rewards: reward of each answer, over all prompts.

    Returns:
        The pair table, and the answer indices of each pair's chosen and rejected answer.
    """
    chosen_rows, rejected_rows = _compare_answers(pool, rewards)
    flat = pool.frame()
    frame = pl.DataFrame(
        [flat["prompt"][chosen_rows], flat["chosen"][chosen_rows], flat["rejected"][rejected_rows]]
    ).with_columns(
        (pl.lit(None, dtype=t).alias(c) for c, t in PAIR_COLUMNS.items() if c not in flat.columns)
    )
    frame = frame.with_columns(is_tie=pl.lit(False), source=pl.lit(MADE))
    frame = frame.select(pl.col(c).cast(t) for c, t in PAIR_COLUMNS.items())
    return PairIds().fill_missing(frame), chosen_rows, rejected_rows


def _compare_answers(
    pool: AnswerPool, rewards: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the answer indices of the chosen and the rejected answer of each pair."""
    ends = np.cumsum([0, *(len(a) for a in pool.answers)])
    chosen, rejected = [], []
    for start, end in pairwise(ends.tolist()):
        answer_rows = np.arange(start, end)
        # Stable, so that the same pool gives the same pairs on every machine.
        best = answer_rows[np.argsort(-rewards[answer_rows], kind="stable")]
        if len(best) > 2 * _ANSWERS_PER_END:
            best = np.concatenate([best[:_ANSWERS_PER_END], best[-_ANSWERS_PER_END:]])
        for better, worse in combinations(best.tolist(), 2):
            # Equal rewards prefer neither.
            if rewards[better] > rewards[worse]:
                chosen.append(better)
                rejected.append(worse)
    return np.array(chosen, dtype=np.int64), np.array(rejected, dtype=np.int64)
