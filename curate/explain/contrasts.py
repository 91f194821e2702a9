"""What the chosen answers have and the rejected ones lack, in many prompts alike.

A term counts where one answer of a pair has it and the other one and the prompt do not: a word of
the topic is in both answers, or in the prompt. Terms are chosen on one half of the prompts, and
tested on the other half.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit
from scipy.stats import binomtest, norm
from sklearn.feature_extraction.text import CountVectorizer

from curate.data.json_result import JsonResult
from curate.data.table import gather_pairs, messages_text
from curate.models.heads.folds import group_folds
from curate.models.heads.regression import fit_vote_regression
from curate.models.text.traits import LENGTH, TRAITS, log_count, trait_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_PROMPTS = 10
"""Prompts of each half in which one answer alone must have a term."""
_FIRST_CHARACTERS, _LAST_CHARACTERS = 2000, 400
"""Characters of a text in which terms are searched: manner shows at either end of an answer."""
_MAX_TERMS = 20_000
_TESTED_TERMS = 20
"""Terms that are tested: more would cost each of them power."""
_SAME = 0.5
"""Share of the prompts of two terms that are the same, from which on they are one finding."""
_MAX_ALIASES = 5
_OPENING = "^"
_ALPHA = 0.05
_SHOWN_EXAMPLES, _SHOWN_CHARACTERS = 2, 300
_WORDS = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True)
class ContrastExample(JsonResult):
    """A pair in which one answer alone has a term.

    Attributes:
        pair_id: id of the pair.
        chosen: beginning of the chosen answer.
        rejected: beginning of the rejected answer.
        preferred: whether the chosen answer is the one that has it.
    """

    pair_id: str
    chosen: str
    rejected: str
    preferred: bool


@dataclass(frozen=True)
class Contrast(JsonResult):
    """A trait that one answer of a pair has, and how the vote goes with it.

    Rate, interval and p value are of the half of the prompts on which the trait was not chosen.

    Attributes:
        name: what the answer has, in words.
        also: other terms that occur in mostly the same prompts.
        prompts: distinct prompts in which one answer alone has it, both halves.
        tested_prompts: those of the half on which it is tested.
        win_rate: share of these whose preferred answer has it, each prompt once; 0 to 1.
        low: lower end of its 95 % interval (Wilson, over prompts).
        high: upper end.
        p_value: two-sided p value at fixed length, after Bonferroni over the terms that are tested.
        significant: whether it is below 0.05, in the direction that the first half showed.
        examples: pairs in which one answer alone has it.
    """

    name: str
    also: tuple[str, ...]
    prompts: int
    tested_prompts: int
    win_rate: float
    low: float
    high: float
    p_value: float
    significant: bool
    examples: tuple[ContrastExample, ...] = ()


@dataclass(frozen=True)
class TermTable:
    """Which answer of each pair has which term.

    Attributes:
        differences: (pairs, terms) 1 where chosen alone has it, -1 where rejected alone has it.
        names: (terms,) what an answer with the term has, in words.
    """

    differences: csr_matrix
    names: list[str]


@dataclass(frozen=True)
class _PromptScores:
    """Terms and votes of some prompts.

    Attributes:
        scores: (prompts, terms) what each prompt adds to the score test of a term beside length.
        balance: (prompts, terms) pairs of a prompt in which chosen alone has the term, less those
            in which rejected alone has it.
        support: (terms,) prompts in which one answer alone has the term.
    """

    scores: csr_matrix
    balance: csr_matrix
    support: NDArray[np.int64]

    @classmethod
    def from_votes(
        cls, differences: csr_matrix, length: NDArray[np.float64], groups: NDArray[np.int64]
    ) -> _PromptScores:
        """Return the scores of votes.

        Args:
            differences: (pairs, terms) of these pairs.
            length: (pairs,) log length of chosen less that of rejected.
            groups: (pairs,) number of each pair's prompt.
        """
        numbers = np.unique(groups, return_inverse=True)[1]
        by_length = fit_vote_regression(length[:, None], numbers).log_odds(length[:, None])
        prompts = int(numbers.max(initial=-1)) + 1
        gather = csr_matrix(
            (np.ones(len(numbers)), (numbers, np.arange(len(numbers)))),
            shape=(prompts, len(numbers)),
        )
        # The gradient of -log sigma at the fit by length alone: 0 on average for a term that
        # says no more than length.
        scores = gather @ differences.multiply(expit(-by_length)[:, None])
        balance = csr_matrix(gather @ differences)
        support = np.asarray((gather @ abs(differences) > 0).sum(axis=0)).ravel()
        return cls(csr_matrix(scores), balance, support.astype(np.int64))

    def z_values(self) -> NDArray[np.float64]:
        """Return the score test of each term, (terms,), with whole prompts as units."""
        total = np.asarray(self.scores.sum(axis=0)).ravel()
        squares = np.asarray(self.scores.multiply(self.scores).sum(axis=0)).ravel()
        z: NDArray[np.float64] = total / np.sqrt(np.maximum(squares, 1e-12))
        return z

    def win_rate(self, term: int) -> tuple[float, float, float]:
        """Return how often the answer with the term wins, with its interval; each prompt once."""
        balance = self.balance[:, [term]].data
        share, count = float((np.sign(balance) + 1.0).mean() / 2.0), len(balance)
        interval = binomtest(round(share * count), count).proportion_ci(method="wilson")
        return round(share, 4), round(float(interval.low), 4), round(float(interval.high), 4)


def find_contrasts(
    pairs: pl.DataFrame,
    table: TermTable,
    groups: NDArray[np.int64],
    is_voted: NDArray[np.bool_],
    seed: int = 0,
) -> tuple[Contrast, ...]:
    """Return the traits that the vote goes with over many prompts, the surest first.

    Args:
        pairs: the pair table.
        table: which answer of each pair has which term.
        groups: (pairs,) number of each pair's prompt.
        is_voted: (pairs,) whether each pair has a preferred answer.
        seed: seed of the halves.
    """
    length = pairs.select(trait_difference(LENGTH)).to_series().to_numpy()
    is_first = group_folds(groups, 2, seed) == 0
    first, second = (
        _PromptScores.from_votes(table.differences[half], length[half], groups[half])
        for half in (np.flatnonzero(is_voted & is_first), np.flatnonzero(is_voted & ~is_first))
    )
    z_first, z_second = first.z_values(), second.z_values()
    terms = _choose_terms(first, second, z_first)
    contrasts = {}
    for term, *aliases in terms:
        rates = second.win_rate(term)
        p = min(1.0, 2.0 * float(norm.sf(abs(z_second[term]))) * len(terms))
        contrasts[term] = Contrast(
            table.names[term],
            tuple(table.names[alias] for alias in aliases),
            int(first.support[term] + second.support[term]),
            int(second.support[term]),
            *rates,
            p_value=p,
            significant=p < _ALPHA and bool(z_first[term] * z_second[term] > 0),
            examples=_examples(pairs, table.differences, term, is_voted),
        )
    order = sorted(contrasts, key=lambda term: -abs(z_second[term]))
    return tuple(contrasts[term] for term in order)


def term_table(pairs: pl.DataFrame) -> TermTable:
    """Return which answer of each pair has which word, two words, opening or trait of style.

    Args:
        pairs: the pair table.
    """
    texts = {
        side: pairs.select(_ends(messages_text(side))).to_series().to_list()
        for side in ("chosen", "rejected", "prompt")
    }
    counter = CountVectorizer(
        analyzer=_terms, binary=True, min_df=2 * MIN_PROMPTS, max_features=_MAX_TERMS
    )
    try:
        answers = counter.fit_transform([*texts["chosen"], *texts["rejected"]]).astype(np.float64)
        in_prompt, names = counter.transform(texts["prompt"]), counter.get_feature_names_out()
    except ValueError:  # no term is frequent enough
        answers, names = csr_matrix((2 * len(pairs), 0)), []
        in_prompt = csr_matrix((len(pairs), 0))
    difference = answers[: len(pairs)] - answers[len(pairs) :]
    # What the prompt names is its topic, not the manner of the answer.
    difference = difference - difference.multiply(in_prompt)
    style = pairs.select(
        *(trait_difference(trait).sign().alias(f"more {trait}") for trait in TRAITS),
        *(_presence_difference(trait).alias(f"has {trait}") for trait in TRAITS),
    )
    differences = csr_matrix(hstack([csr_matrix(style.to_numpy()), difference]))
    differences.eliminate_zeros()
    # Style first: of several names for the same pairs the first one is shown.
    all_names = [*style.columns, *map(_describe_term, names)]
    return TermTable(differences, all_names)


def _ends(text: pl.Expr) -> pl.Expr:
    """Return a text without its middle, where it is long."""
    is_long = text.str.len_chars() > _FIRST_CHARACTERS + _LAST_CHARACTERS
    first, last = text.str.slice(0, _FIRST_CHARACTERS), text.str.tail(_LAST_CHARACTERS)
    return pl.when(is_long).then(first + pl.lit("\n") + last).otherwise(text)


def _presence_difference(trait: str) -> pl.Expr:
    """Return 1 where chosen alone has a trait at all, -1 where rejected alone has it."""
    chosen, rejected = (
        (log_count(side, trait) > 0).cast(pl.Int8) for side in ("chosen", "rejected")
    )
    return chosen - rejected


def _terms(text: str) -> list[str]:
    """Return the words of a text, each two that follow each other, and how it begins."""
    words = _WORDS.findall(text.lower().replace("\u2019", "'"))
    if not words:
        return []
    neighbours = [f"{a} {b}" for a, b in pairwise(words)]
    return [*words, *neighbours, _OPENING + words[0], _OPENING + " ".join(words[:2])]


def _describe_term(term: str) -> str:
    """Return a term as what an answer does."""
    if term.startswith(_OPENING):
        return f"begins with '{term.removeprefix(_OPENING)}'"
    return f"says '{term}'"


def _choose_terms(
    first: _PromptScores, second: _PromptScores, z_first: NDArray[np.float64]
) -> list[list[int]]:
    """Return the terms that are surest on the first half, each followed by its aliases."""
    is_frequent = (first.support >= MIN_PROMPTS) & (second.support >= MIN_PROMPTS)
    candidates = np.flatnonzero(is_frequent)
    order = candidates[np.argsort(-np.abs(z_first[candidates]), kind="stable")]
    columns = first.balance.tocsc()
    terms: list[list[int]] = []
    prompts: list[set[tuple[int, float]]] = []
    for term in order.tolist():
        places = columns[:, [term]].indices
        sides = set(zip(places.tolist(), np.sign(columns[:, [term]].data).tolist(), strict=True))
        same = next((i for i, other in enumerate(prompts) if _share_same(sides, other)), None)
        if same is not None:
            if len(terms[same]) <= _MAX_ALIASES:
                terms[same].append(term)
        elif len(terms) < _TESTED_TERMS:
            terms.append([term])
            prompts.append(sides)
        else:
            break
    return terms


def _share_same(term: set[tuple[int, float]], earlier: set[tuple[int, float]]) -> bool:
    """Return whether two terms occur in mostly the same prompts, on the same or opposite sides."""
    mirrored = {(prompt, -side) for prompt, side in earlier}
    shared = max(len(term & earlier), len(term & mirrored))
    return shared >= _SAME * min(len(term), len(earlier))


def _examples(
    pairs: pl.DataFrame, differences: csr_matrix, term: int, is_voted: NDArray[np.bool_]
) -> tuple[ContrastExample, ...]:
    """Return the first pairs in which one answer alone has a term."""
    rows = np.sort(differences[:, [term]].tocsc().indices)
    rows = rows[is_voted[rows]][:_SHOWN_EXAMPLES]
    texts = gather_pairs(pairs, rows.astype(np.int64)).select(
        "pair_id",
        *(
            messages_text(s).str.slice(0, _SHOWN_CHARACTERS).alias(s)
            for s in ("chosen", "rejected")
        ),
    )
    sides = np.asarray(differences[rows, [term] * len(rows)]).ravel() > 0
    return tuple(
        ContrastExample(pair_id, chosen, rejected, bool(side))
        for (pair_id, chosen, rejected), side in zip(texts.iter_rows(), sides, strict=True)
    )
