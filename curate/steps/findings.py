"""What steps find of the whole dataset and later steps, the report and the card read.

A step writes plain data among its facts; a class here reads them back from a record, so that the
keys stand in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from curate.data.json_types import Json, JsonObject, parse_json

T = TypeVar("T")
MIN_SHIFT = 0.1
"""Change of a share that is worth a warning: smaller ones can be chance."""
MIN_LENGTH_AUROC = 0.9
"""AUROC from which on length is taken for the reason of a choice."""
TRAITS = ("longer", "refuses", "lists")
"""Traits of the chosen answer that filters by a score may favour."""
NOTHING_LEARNT = "heads learn nothing from these labels"
_POSTERIOR, _BIAS = "posterior", "bias"


def read_fact(kind: type[T], facts: Mapping[str, Json], key: str) -> T | None:
    """Return a fact of a step; None if there is none, or a plug-in put another one in its place."""
    try:
        return parse_json(kind, facts[key])
    # Facts of a plug-in or of an older version may have the key for something else.
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True)
class LearnabilityVerdict:
    """Whether probe models learn anything from the labels.

    Attributes:
        ok: whether they agree with held-out labels beyond chance.
        text: the test as a sentence.
    """

    ok: bool
    text: str

    @property
    def warning(self) -> str:
        """The warning that console, card, audit and report show if nothing is learned."""
        return (
            f"{self.text}, which may be chance: {NOTHING_LEARNT}, and no score by them tells right "
            "labels from wrong ones"
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Json]) -> LearnabilityVerdict | None:
        """Return the verdict that a scorer recorded, None if it made no test."""
        return read_fact(cls, facts, "learnt")


@dataclass(frozen=True)
class RemainingNoise:
    """The share of wrong labels that a filter by a posterior leaves.

    Attributes:
        column: the column with the posterior.
        wrong_left: the mean probability that a kept label is wrong.
    """

    column: str
    wrong_left: float

    @classmethod
    def from_facts(cls, facts: Mapping[str, Json]) -> RemainingNoise | None:
        """Return what a filter recorded, None if it reads no posterior."""
        return read_fact(cls, facts, _POSTERIOR)

    def to_facts(self) -> JsonObject:
        """Return the facts of the filter."""
        return {_POSTERIOR: asdict(self)}


@dataclass(frozen=True)
class FlipRate:
    """The 95 % interval of the share of labels that are flipped at random."""

    low: float
    high: float


@dataclass(frozen=True)
class EvidenceAccuracy:
    """How often evidence sides with the truth, as a sentence."""

    text: str


@dataclass(frozen=True)
class PosteriorBasis:
    """What the posterior of a scorer rests on.

    Attributes:
        flip_rate: interval of the flip rate; None if the scorer estimates none.
        wrong_by_posterior: share of wrong labels by the posterior.
        judged_pairs: number of reviewed pairs.
        pairs_with_other_votes: number of pairs with several votes.
        evidence: accuracy of each source of evidence.
    """

    flip_rate: FlipRate | None = None
    wrong_by_posterior: float | None = None
    judged_pairs: int = 0
    pairs_with_other_votes: int = 0
    evidence: tuple[EvidenceAccuracy, ...] = ()

    @classmethod
    def from_facts(cls, facts: Mapping[str, Json]) -> PosteriorBasis:
        """Return what a scorer recorded."""
        return cls(
            read_fact(FlipRate, facts, "flip_rate"),
            read_fact(float, facts, "wrong_by_posterior"),
            read_fact(int, facts, "judged_pairs") or 0,
            read_fact(int, facts, "pairs_with_other_votes") or 0,
            read_fact(tuple[EvidenceAccuracy, ...], facts, "evidence") or (),
        )

    @property
    def is_informed(self) -> bool:
        """Return whether evidence or people say more of the labels than probe models do."""
        return bool(self.evidence or self.judged_pairs)


@dataclass(frozen=True)
class ModelUsage:
    """What a language or reward model was given.

    Attributes:
        conversations: number of conversations that it scored.
        prompts_truncated: number of prompts of which it saw the end alone.
        answers_truncated: number of answers of which it saw the beginning alone.
    """

    conversations: int = 0
    prompts_truncated: int = 0
    answers_truncated: int = 0

    @classmethod
    def by_model(cls, facts: Mapping[str, Json]) -> dict[str, ModelUsage]:
        """Return the usage of each model that a scorer recorded, by the model's name."""
        return read_fact(dict[str, ModelUsage], facts, "models") or {}


@dataclass(frozen=True)
class CleanShare:
    """Share of pairs whose right answer has a trait, with an interval of 95 %.

    Attributes:
        share: expected.
        low: lower end.
        high: upper end.
    """

    share: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """Return the interval, for people."""
        return f"{self.low:.0%} to {self.high:.0%}"


@dataclass(frozen=True)
class TraitShift:
    """How often the preferred answer has a trait, of the pairs whose answers differ in it.

    Attributes:
        trait: "longer", "refuses" or "lists".
        before: share among the pairs that reached the filter; None of too few pairs.
        after: share among those that it kept, by weight.
        expected: share that clean labels would have, by the posterior; None without one.
    """

    trait: str
    before: float | None
    after: float | None
    expected: CleanShare | None = None

    @property
    def moved(self) -> bool:
        """Return whether the share changes by more than `MIN_SHIFT`."""
        ends = (self.before, self.after)
        return None not in ends and abs((self.after or 0.0) - (self.before or 0.0)) > MIN_SHIFT


@dataclass(frozen=True)
class SourceShift:
    """Share of a source among all pairs, before and after."""

    source: str
    before: float
    after: float


@dataclass(frozen=True)
class LostRightLabels:
    """Expected share of right labels that a filter drops, flips or gives less than half a weight.

    Attributes:
        shorter: share of the right labels whose chosen answer is shorter.
        longer: share of those whose chosen answer is longer.
    """

    shorter: float
    longer: float


@dataclass(frozen=True)
class SelectionBias:
    """What a filter did to the preferred side.

    Attributes:
        shifts: one for each trait.
        sources: the largest of several sources.
        acts_on: pairs that it dropped, flipped or gave less than half a weight.
        pairs: pairs that were looked at.
        length_auroc: how well length predicts which ones: area under the ROC curve of chosen
            minus rejected characters; None of too few pairs.
        posterior: column by which clean labels are expected; None: there is none.
        lost: right labels lost, by that column; None without one.
    """

    shifts: tuple[TraitShift, ...]
    sources: tuple[SourceShift, ...]
    acts_on: int
    pairs: int
    length_auroc: float | None
    posterior: str | None = None
    lost: LostRightLabels | None = None

    @property
    def longer(self) -> TraitShift:
        """Return the shift of "chosen is longer"."""
        return self.shifts[0]

    @property
    def by_length(self) -> float | None:
        """Return the AUROC of length in its direction if length decides; else None."""
        if self.length_auroc is None:
            return None
        # A filter may act on short answers as well as on long ones.
        auroc = max(self.length_auroc, 1.0 - self.length_auroc)
        return auroc if auroc > MIN_LENGTH_AUROC else None

    @classmethod
    def from_facts(cls, facts: Mapping[str, Json]) -> SelectionBias | None:
        """Return what was measured of a filter, None if it was not measured."""
        recorded = read_fact(_RecordedBias, facts, _BIAS)
        if recorded is None:
            return None
        shares = zip(TRAITS, (recorded.longer, recorded.refuses, recorded.lists), strict=True)
        return cls(
            tuple(TraitShift(t, *ends, recorded.expected.get(t)) for t, ends in shares),
            tuple(SourceShift(source, *ends) for source, ends in recorded.source.items()),
            recorded.acts_on,
            recorded.of,
            recorded.length_auroc,
            recorded.posterior,
            recorded.right_labels_lost,
        )

    def to_facts(self) -> JsonObject:
        """Return the facts of the filter."""
        return {_BIAS: self.to_json()}

    def to_json(self) -> JsonObject:
        """Return the findings as plain data for the manifest."""
        facts: JsonObject = {s.trait: [s.before, s.after] for s in self.shifts}
        if self.sources:
            facts["source"] = {s.source: [s.before, s.after] for s in self.sources}
        facts |= {"acts_on": self.acts_on, "of": self.pairs, "length_auroc": self.length_auroc}
        if self.posterior is not None:
            expected = {s.trait: asdict(s.expected) for s in self.shifts if s.expected}
            facts |= {"posterior": self.posterior, "expected": expected}
        if self.lost is not None:
            facts["right_labels_lost"] = asdict(self.lost)
        return facts


_Shares = tuple[float | None, float | None]


@dataclass(frozen=True)
class _RecordedBias:
    """`SelectionBias.to_json`, key by key."""

    longer: _Shares = (None, None)
    refuses: _Shares = (None, None)
    lists: _Shares = (None, None)
    source: dict[str, tuple[float, float]] = field(default_factory=dict)
    acts_on: int = 0
    of: int = 0
    length_auroc: float | None = None
    posterior: str | None = None
    expected: dict[str, CleanShare] = field(default_factory=dict)
    right_labels_lost: LostRightLabels | None = None
