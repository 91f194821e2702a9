"""Rules that labels may follow whatever is true: the answer's author, its length, its source.

Held-out heads learn such a rule as they learn a preference and agree with the labels that it made,
right or wrong. So their disagreement bounds the share of wrong labels only where no such rule is
seen (`tests/benchmarks/raters.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.json_fields import SLOT_KEY, extra_value
from curate.data.table import dense_ranks, messages_text
from curate.models.heads.folds import group_folds
from curate.models.heads.noise.pair_agreement import PairAgreement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.data.json_types import JsonObject

RULE_LIMIT = 0.75
"""Held-out accuracy of a rule from which on labels count as made by it; clean sets end at .73."""
SOURCE_LIMIT = 0.92
"""The same within one source; LLMBar's adversarial ones reach .88, with the shorter answer."""
HEADS_LIMIT = 0.8
"""The same of held-out heads, which see more than a rule; clean sets end at .75."""
_FOLDS = 5
_MIN_PAIRS, _MIN_SHARE = 30, 0.2
"""A rule on fewer pairs, or on a smaller share of all, moves the bound of all pairs little."""
_SAMPLED_ROWS = 1000
_AUTHOR_WORDS = (
    "model", "generator", "author", "policy", "source", "engine", "llm", "writer", "checkpoint",
)  # fmt: skip
_OF_CHOSEN = re.compile(r"_?chosen[_-]?")
_KEY_OF_SLOT = re.compile(r"^(?P<name>.+?)[_-]?(?P<slot>(?<![0-9])[12]|(?<=[_-])[ab])$")


@dataclass(frozen=True)
class LabelRule:
    """A rule that predicts labels on held-out prompts too well for a bound of their noise.

    Attributes:
        name: `author`, `length`, `source` or `heads`.
        subject: what the labels follow, for people.
        accuracy: share of labels that the rule predicts, learned on other prompts.
        pairs: labels that it speaks of.
    """

    name: str
    subject: str
    accuracy: float
    pairs: int

    @property
    def short(self) -> str:
        """Return what labels follow, and how often."""
        return f"labels follow {self.subject} in {self.accuracy:.0%}"

    @property
    def text(self) -> str:
        """Return the rule as a sentence."""
        return f"{self.short}, so label noise can't be estimated from them"

    def to_json(self) -> JsonObject:
        """Return the fields as plain data for JSON."""
        return asdict(self) | {"text": self.text}


def rule_of_heads(agreement: PairAgreement) -> LabelRule | None:
    """Return the rule that heads predict more labels than people agree on; None below it."""
    if not agreement.share > HEADS_LIMIT:
        return None
    subject = "a rule that held-out heads can see, such as which model wrote the answer,"
    return LabelRule("heads", subject, agreement.share, agreement.pairs)


def find_label_rule(pairs: pl.DataFrame, groups: NDArray[np.int64]) -> LabelRule | None:
    """Return the author, length or source that labels follow most closely; None where none is
    followed.

    Args:
        pairs: pairs with a preferred answer, ties left out.
        groups: (pairs,) number of each pair's prompt.
    """
    if len(pairs) < _MIN_PAIRS:
        return None
    # A fixed seed: whether labels follow a rule must not depend on the seed of the run.
    folds = group_folds(groups, _FOLDS, 0)
    rules = [rule for sides in _candidate_rules(pairs) for rule in _rules_above_limit(sides, folds)]
    # What all labels follow says more than what those of one source do.
    return max(rules, key=lambda rule: (rule.name != "source", rule.accuracy), default=None)


class _CandidateRule(NamedTuple):
    """What a rule says of pairs.

    Attributes:
        name: of the rule.
        subject: for people.
        cell: (pairs,) pairs of one cell share a direction.
        side: (pairs,) 1 or -1 by which answer was chosen, 0 where the rule sees no difference.
        cell_names: of cells that count as rules by themselves; empty: all cells together do.
    """

    name: str
    subject: str
    cell: NDArray[np.int64]
    side: NDArray[np.float64]
    cell_names: tuple[str, ...] = ()


def _rules_above_limit(sides: _CandidateRule, folds: NDArray[np.int64]) -> Iterator[LabelRule]:
    """Yield the rule, or its rule in each large cell, where it predicts more labels than the
    limit."""
    speaks = sides.side != 0
    least = max(_MIN_PAIRS, _MIN_SHARE * len(folds))
    if speaks.sum() < least:
        return
    cell, side = sides.cell[speaks], sides.side[speaks]
    right = _held_out_accuracy(cell, side, folds[speaks])
    if not sides.cell_names:
        if right.mean() > RULE_LIMIT:
            yield LabelRule(sides.name, sides.subject, float(right.mean()), len(right))
        return
    counts = np.bincount(cell, minlength=len(sides.cell_names))
    shares = np.bincount(cell, weights=right, minlength=len(counts)) / np.maximum(counts, 1)
    for k in np.flatnonzero((counts >= least) & (shares > SOURCE_LIMIT)):
        subject = f"{sides.subject} in source {sides.cell_names[k]!r}"
        yield LabelRule(sides.name, subject, float(shares[k]), int(counts[k]))


def _held_out_accuracy(
    cell: NDArray[np.int64], side: NDArray[np.float64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return 1 where the cell's majority on the other folds is the pair's side, 0 where not; ties
    half."""
    cells = int(cell.max()) + 1
    sums = np.bincount(cell * _FOLDS + folds, weights=side, minlength=cells * _FOLDS)
    sums = sums.reshape(cells, _FOLDS)
    # The majority without the pair's own fold, or cells of one pair would always agree.
    direction = np.sign(sums.sum(axis=1, keepdims=True) - sums)
    right: NDArray[np.float64] = (1.0 + side * direction[cell, folds]) / 2.0
    return right


def _candidate_rules(pairs: pl.DataFrame) -> Iterator[_CandidateRule]:
    yield from _author_sides(pairs)
    sizes = [messages_text(c).str.len_chars().cast(pl.Int64) for c in ("chosen", "rejected")]
    side = select_in_batches(pairs, s=(sizes[0] - sizes[1]).sign())["s"].to_numpy()
    length = side.astype(np.float64)
    longer = length.sum() > 0
    subject = f"length (the {'longer' if longer else 'shorter'} answer is chosen)"
    yield _CandidateRule("length", subject, np.zeros(len(pairs), dtype=np.int64), length)
    source = pairs["source"].fill_null("(none)")
    if source.n_unique() > 1:
        names = tuple(source.unique().sort())
        yield _CandidateRule("source", "length", dense_ranks(source), length, names)


def _author_sides(pairs: pl.DataFrame) -> Iterator[_CandidateRule]:
    """Yield which author of two was chosen, for each pair of keys of `extra` that names authors."""
    for label, chosen, rejected in author_columns(pairs["extra"]):
        names = select_in_batches(pairs, chosen=chosen, rejected=rejected).fill_null("")
        differ = (names["chosen"] != names["rejected"]).to_numpy()
        first = (names["chosen"] < names["rejected"]).to_numpy()
        # Sorted names, so that "A beats B" and "B loses to A" fall into one cell.
        both = [pl.min_horizontal("chosen", "rejected"), pl.max_horizontal("chosen", "rejected")]
        cell = dense_ranks(names.select(pl.concat_str(both, separator="\x1f"))["chosen"])
        # Two answers by one author cannot show a preference for an author.
        side = np.where(differ, np.where(first, 1.0, -1.0), 0.0)
        yield _CandidateRule("author", f"the answer's author ({label})", cell, side)


def author_columns(extra: pl.Series) -> list[tuple[str, pl.Expr, pl.Expr]]:
    """Return name, and the authors of chosen and rejected, by the keys that the first rows hold."""
    columns: dict[str, tuple[pl.Expr, pl.Expr]] = {}
    # Keys of a data set repeat from row to row: the first thousand rows show them.
    for path in _text_paths(extra.drop_nulls().head(_SAMPLED_ROWS)):
        name = path[-1].lower()
        if not any(word in name for word in _AUTHOR_WORDS):
            continue
        if "chosen" in path[0]:
            other = (path[0].replace("chosen", "rejected"), *path[1:])
            label = _OF_CHOSEN.sub("", ".".join(path))
            columns[label] = extra_value(*path), extra_value(*other)
        elif match := _KEY_OF_SLOT.match(path[-1]):
            columns.setdefault(match["name"], _slot_columns(path, match["slot"]))
    return [(label, *sides) for label, sides in columns.items()]


def _slot_columns(path: tuple[str, ...], slot_name: str) -> tuple[pl.Expr, pl.Expr]:
    """Return the same for keys by slot. One of the two may be missing."""
    stem = path[-1].removesuffix(slot_name)
    pair = "12" if slot_name in "12" else "ab"
    first, second = (extra_value(*path[:-1], stem + slot) for slot in pair)
    slot = extra_value(SLOT_KEY)
    chosen = pl.when(slot == "1").then(first).when(slot == "2").then(second)
    rejected = pl.when(slot == "1").then(second).when(slot == "2").then(first)
    return chosen, rejected


def _text_paths(extra: pl.Series) -> list[tuple[str, ...]]:
    """Return keys of `extra`, and keys within them, whose values are texts, in order of
    appearance."""
    paths: dict[tuple[str, ...], None] = {}
    for text in extra:
        fields = json.loads(text)
        for key, value in fields.items():
            if isinstance(value, str):
                paths[key,] = None
            elif isinstance(value, dict):
                paths.update({(key, name): None for name, v in value.items() if isinstance(v, str)})
    return list(paths)
