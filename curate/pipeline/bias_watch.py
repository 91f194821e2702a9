"""Warnings where a filter changes the chosen answers, and remedies, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from curate.errors import CurateError
from curate.pipeline.plan import FilterStep, PipelinePlan
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.declarations import Cache
from curate.steps.findings import (
    MIN_SHIFT,
    PosteriorBasis,
    SelectionBias,
    SourceShift,
    TraitShift,
)
from curate.steps.next_steps import judging_commands
from curate.steps.step_record import StepRecord

_PHRASES = {
    "longer": "the chosen answer is longer",
    "refuses": "only the chosen answer refuses",
    "lists": "only the chosen answer has a list",
}
_POSTERIORS = ("label_em", "noise_score")
"""Scorers whose posterior is taken where a filter reads none; the first one goes first."""


@dataclass(frozen=True)
class BiasRemedy:
    """A change of pipeline.yaml that keeps length from deciding.

    Attributes:
        line: a line to paste into pipeline.yaml.
        effect: what it does, and what it costs.
    """

    line: str
    effect: str


@dataclass(frozen=True)
class BiasWatch:
    """Watches one filter of a plan.

    Attributes:
        step: the filter.
        learned: scorers that learn from the labels, whose scores it reads.
        posterior: column with P(the label as it was read is right); None: no scorer gives one, or
            an earlier filter selected by learned scores, after which it speaks of other pairs.
        flip_rate: interval of the share of labels flipped at random; None: unknown.
        stops: whether the run ends if length decides.
        has_gold: whether some pairs are reviewed.
        data: how commands name the dataset; None: unknown.
    """

    step: FilterStep
    learned: tuple[ScorerStep, ...]
    posterior: str | None
    flip_rate: tuple[float, float] | None
    stops: bool
    has_gold: bool
    data: str | None

    @classmethod
    def of_step(
        cls, plan: PipelinePlan, step: FilterStep, records: Sequence[StepRecord] = ()
    ) -> BiasWatch:
        """Return the watch of a filter as the plan has it.

        Args:
            plan: the plan of the run.
            step: one of its filters.
            records: records of the earlier steps, which say what scorers estimate of the labels.
        """
        earlier = plan.filters[: plan.filters.index(step)]
        # What an earlier learned filter left is no random part of the labels: their expected traits
        # are unknown then.
        column = None if any(map(plan.learned, earlier)) else posterior_column(plan, step)
        rate = None if column is None else _flip_rate(column, records)
        settings = (plan.on_bias == "stop", plan.has_gold, plan.data)
        return cls(step, tuple(plan.learned(step)), column, rate, *settings)

    def alerts(self, bias: SelectionBias) -> tuple[str, ...]:
        """Return what to show first: the change in length with its ways out, then other traits,
        sources.

        Raises:
            CurateError: length decides, and the run is set to stop.
        """
        by_length = bias.by_length is not None
        if by_length and self.learned and self.stops:
            raise self._stop(bias)
        texts = []
        if by_length or bias.longer.moved:
            lines = [f"'{self.step.name}': {length_sentences(bias, self.acts_on_labels)}"]
            lines += self._ways_out_lines()
            texts.append("\n".join(lines))
        shift_sentences = [_shift_sentence(s) for s in bias.shifts[1:] if s.moved]
        shift_sentences += [
            _source_sentence(s) for s in bias.sources if abs(s.after - s.before) > MIN_SHIFT
        ]
        return (*texts, *(f"'{self.step.name}': {text}" for text in shift_sentences))

    @property
    def acts_on_labels(self) -> str:
        """Return what the filter does to the labels that it doubts."""
        if self.step.filter.weight and self.step.flips_labels:
            return "flips or gives less than half a weight to"
        if self.step.filter.weight or self.step.filter.label_probability:
            return "gives less than half a weight to"
        return "flips" if self.step.flips_labels else "drops"

    def _ways_out_lines(self) -> list[str]:
        changes = bias_remedies(self.learned, self.data, self.has_gold)
        lines = [f"  {change.line}    # {change.effect}" for change in changes]
        return ["what helps, best first:", *lines] if lines else []

    def _stop(self, bias: SelectionBias) -> CurateError:
        """Return the end of a run with `on_bias: stop`."""
        unstored = [s.name for s in self.learned if s.scorer.cache is Cache.NONE]
        stored = f"scores are stored for the next run{', but for ' if unstored else ''}"
        return CurateError(
            "answer length alone decides which labels a filter acts on (on_bias: stop)",
            where=f"filter '{self.step.name}', by {', '.join(s.name for s in self.learned)}",
            found=f"{bias.acts_on:,} of {bias.pairs:,} pairs; "
            f"{length_sentences(bias, self.acts_on_labels)}",
            expected=f"your decision; nothing was written, and {stored}{', '.join(unstored)}",
            fix="\n".join([*self._ways_out_lines(), "  on_bias: warn    # continue"]),
        )


def _flip_rate(column: str, records: Sequence[StepRecord]) -> tuple[float, float] | None:
    """Return the interval of the flip rate of the scorer that made a posterior, where it is one
    rate.
    """
    facts = next((r.facts for r in records if column == f"{r.name}.posterior"), {})
    basis = PosteriorBasis.from_facts(facts)
    # Reviewed pairs may show that flips depend on the pair.
    if basis.flip_rate is None or basis.judged_pairs:
        return None
    return basis.flip_rate.low, basis.flip_rate.high


def posterior_column(plan: PipelinePlan, step: FilterStep) -> str | None:
    """Return the column of a scorer that says how likely each label is right: one that the filter
    reads, else that of a scorer of `_POSTERIORS`.
    """
    columns = [
        (column.name, scorer.scorer.name)
        for scorer in plan.scorers
        for column in scorer.columns()
        if column.name == f"{scorer.name}.posterior"
    ]
    for name, _ in columns:
        if name in step.filter.reads():
            return name
    # Reversed, so that of two steps of a type the first stays.
    by_type = {kind: name for name, kind in reversed(columns)}
    return next((by_type[kind] for kind in _POSTERIORS if kind in by_type), None)


def length_sentences(bias: SelectionBias, verb: str) -> str:
    """Return what a filter does to length; `verb` with it as subject and labels as object."""
    sentences = [_shift_sentence(bias.longer)] if bias.longer.before is not None else []
    if bias.by_length is not None:
        sentences.append(
            f"length alone predicts which labels it acts on (AUROC {bias.by_length:.2f}), so it "
            "may remove a bias or add one"
        )
    if bias.lost is not None:
        sentences.append(
            f"by {bias.posterior} it {verb} {bias.lost.shorter:.0%} of the right labels whose "
            f"chosen answer is shorter, {bias.lost.longer:.0%} where it is longer"
        )
    return "; ".join(sentences)


def bias_remedies(
    learned: Sequence[ScorerStep], data: str | None, has_gold: bool = False
) -> list[BiasRemedy]:
    """Return changes of pipeline.yaml in the order of what they are worth; none that is there
    already.

    Args:
        learned: the scorers that length decides.
        data: how commands name the dataset.
        has_gold: whether some pairs are reviewed.
    """
    changes = []
    # In the order of what they gain: reviews first, independent margins next; changes of the model
    # last.
    if any(step.takes_evidence for step in learned) and not has_gold:
        commands = judging_commands(data)
        folder = commands.review.rpartition(" ")[2]
        effect = f"judge 50 pairs first: {commands.route}; {commands.review}"
        changes.append(BiasRemedy(f"gold: {folder}", effect))
    if any(step.takes_evidence and not step.evidence for step in learned):
        effect = (
            "a scorer whose margin is evidence besides the labels; or {type: judge, model: ...}"
        )
        changes.append(BiasRemedy("- {type: reward_model, models: [MODEL]}", effect))
    fields = [set(type(step.scorer.params).model_fields) for step in learned]
    for step, names in zip(learned, fields, strict=True):
        if "style" in names and step.scorer.params.style:
            effect = "the probe models then see only embeddings, which encode length less well"
            changes.append(BiasRemedy(step_line(step, style=False), effect))
    for step, names in zip(learned, fields, strict=True):
        if "within" in names and not step.scorer.params.within:
            effect = (
                "last: compares labels only among pairs of similar length; on AlpacaEval "
                "between models it turned a gain of 2.7 points into a loss of 0.6 "
                "(docs/reference/filters.md)"
            )
            changes.append(BiasRemedy(step_line(step, within=["length"]), effect))
    return changes


def step_line(step: ScorerStep, **changes: Any) -> str:
    """Return the scorer as a line of pipeline.yaml, with other parameters."""
    named = {} if step.name == step.scorer.name else {"name": step.name}
    settings = step.scorer.params.model_dump(mode="json", exclude_defaults=True) | changes
    values = {"type": step.scorer.name, **named, **settings}
    # yaml breaks lines at 80 columns by default, and this is one line to paste.
    text: str = yaml.safe_dump(values, default_flow_style=True, sort_keys=False, width=10_000)
    return f"- {text.strip()}"


def _shift_sentence(shift: TraitShift) -> str:
    shares = f"{shift.before:.0%} of the pairs before, {shift.after:.0%} after"
    text = f"{_PHRASES[shift.trait]} in {shares}"
    if shift.expected is None:
        return text
    return f"{text}, expected with clean labels {shift.expected.text}"


def _source_sentence(shift: SourceShift) -> str:
    shares = f"from {shift.before:.0%} to {shift.after:.0%} of the pairs"
    return f"the share of source '{shift.source}' goes {shares}"
