"""A run in four sentences, and what its filters did to length, refusals, lists and sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from curate.auditing.verdict import VerdictSentences
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.steps.findings import (
    MIN_SHIFT,
    CleanShare,
    LearnabilityVerdict,
    PosteriorBasis,
    SelectionBias,
)
from curate.steps.next_steps import bench_command, next_step_by_judging
from curate.steps.step_record import SINGLE_ANSWERS, StepRecord
from curate.write.manifest import RowCounts

_TRAITS = {
    "longer": "chosen is longer",
    "refuses": "only the chosen answer refuses",
    "lists": "only the chosen answer has a list",
}


@dataclass(frozen=True)
class ShareShift:
    """A share of the pairs before and after a filter.

    Attributes:
        filter: name of the filter.
        trait: what the pairs have.
        before: share among the pairs that reached the filter.
        after: share among those that it kept.
        expected: share that clean labels would have; None where it is not known.
    """

    filter: str
    trait: str
    before: float
    after: float
    expected: CleanShare | None = None

    @property
    def size(self) -> float:
        """Return how far the share moved, 0 to 1."""
        return abs(self.after - self.before)


def run_verdict(
    rows: RowCounts,
    steps: Sequence[StepRecord],
    folder: str | None = None,
    data: str | None = None,
) -> VerdictSentences:
    """Return what was counted, what is estimated, what is unknown and what to do next.

    Args:
        rows: pairs in, kept and dropped.
        steps: the records of the run, in order.
        folder: the run's folder as commands name it.
        data: the dataset as commands name it.
    """
    if any(step.facts.get(SINGLE_ANSWERS) for step in steps[:1]):
        return _single_answer_verdict(rows, steps)
    estimates = (NoiseEstimate.from_facts(step.facts) for step in steps)
    estimate = next((noise for noise in estimates if noise is not None), None)
    return VerdictSentences(
        sure=_run_counts(rows, steps),
        estimated=_run_estimates(steps, estimate),
        unknown=_run_unknowns(steps, estimate),
        next=_run_next_step(rows, estimate, folder, data),
    )


def _single_answer_verdict(rows: RowCounts, steps: Sequence[StepRecord]) -> VerdictSentences:
    """Return the verdict on a run of single answers, which have no labels."""
    return VerdictSentences(
        sure=_run_counts(rows, steps).replace(" pairs ", " rows ", 1),
        estimated="",
        unknown="Whether a model trained on the kept rows is better: single answers have no "
        "labels whose noise could be estimated.",
        next="Train on the kept rows, and on as many drawn at random (filter 'sample') as the "
        "control.",
    )


def _run_counts(rows: RowCounts, steps: Sequence[StepRecord]) -> str:
    filters = [step for step in steps if step.kind == "filter"]
    sentences = [f"{rows.rows_kept:,} of {rows.rows_in:,} pairs are kept", *_changes(rows, filters)]
    moved = [shift for shift in share_shifts(steps) if shift.size >= MIN_SHIFT]
    for shift in sorted(moved, key=lambda shift: -shift.size)[:1]:
        shares = f"{shift.before:.0%} before, {shift.after:.0%} after"
        sentences.append(f"{shift.filter}: {shift.trait} in {shares}")
    return "; ".join(sentences) + "."


def _changes(rows: RowCounts, filters: Sequence[StepRecord]) -> Iterator[str]:
    """Yield how many pairs were merged and dropped, and how many labels flipped."""
    merged = sum(step.pairs_merged for step in filters)
    if merged:
        yield f"{merged:,} merged into others"
    drops = sorted(((s.pairs_dropped, s.name) for s in filters if s.pairs_dropped), reverse=True)
    if drops:
        by_filter = ", ".join(f"{name} ({n:,})" for n, name in drops[:3])
        mostly = "mostly " if len(drops) > 3 else ""
        yield f"{rows.rows_dropped - merged:,} dropped, {mostly}by {by_filter}"
    flipped = sum(step.labels_flipped for step in filters)
    if flipped:
        yield f"{flipped:,} labels flipped"


def _run_estimates(steps: Sequence[StepRecord], estimate: NoiseEstimate | None) -> str:
    sentences = []
    unlearned = _unlearned_step(steps)
    # Where probe models learn nothing, that is the reason of having no estimate: said once, below.
    is_said_below = unlearned is not None and estimate is not None and unlearned[1] in estimate.text
    if estimate is not None and not is_said_below:
        sentences.append(f"Wrong labels before cleaning: {estimate.text}.")
    evidence = [PosteriorBasis.from_facts(step.facts).evidence for step in steps]
    sources = next(filter(None, evidence), ())
    if sources:
        texts = "; ".join(source.text for source in sources)
        sentences.append(f"Accuracy of the evidence, if flips are random: {texts}.")
    return " ".join(sentences)


def _run_unknowns(steps: Sequence[StepRecord], estimate: NoiseEstimate | None) -> str:
    unlearned = _unlearned_step(steps)
    if unlearned is not None:
        name, text = unlearned
        return f"Which labels are wrong: {text}, which may be chance ({name})."
    if estimate is None:
        return "How many labels are wrong: no scorer of this run estimates it."
    if estimate.rate is not None:
        return "Whether a model trained on the kept pairs is better."
    if estimate.high is None:
        return "How many labels are wrong, and whether training on the kept pairs helps."
    return (
        "How many labels are wrong below that bound, and whether training on the kept pairs helps."
    )


def _unlearned_step(steps: Sequence[StepRecord]) -> tuple[str, str] | None:
    """Return name and test of a scorer whose probe models learn nothing; None without one."""
    # What probe models learn matters where neither evidence nor people nor other ones say more.
    if any(step.knows_labels for step in steps):
        return None
    tested = [
        (step, learnability)
        for step in steps
        if (learnability := LearnabilityVerdict.from_facts(step.facts)) is not None
    ]
    # The scores that filters doubt labels by decide: other probe models may be weaker.
    tested.sort(key=lambda item: NoiseEstimate.from_facts(item[0].facts) is None)
    return next(((step.name, verdict.text) for step, verdict in tested[:1] if not verdict.ok), None)


def _run_next_step(
    rows: RowCounts, estimate: NoiseEstimate | None, folder: str | None, data: str | None
) -> str:
    if not rows.rows_kept:
        return "No pair is left: relax the filter that drops the most pairs."
    if estimate is None or estimate.rate is None:
        return next_step_by_judging(folder)
    return f"Test the filters before you train:\n  {bench_command(data)}"


def share_shifts(steps: Sequence[StepRecord]) -> list[ShareShift]:
    """Return what filters by a score did to the shares of traits and sources, as they ran."""
    return [shift for step in steps for shift in _step_shifts(step)]


def _step_shifts(step: StepRecord) -> Iterator[ShareShift]:
    bias = SelectionBias.from_facts(step.facts)
    if bias is None:
        return
    for shift in bias.shifts:
        if shift.before is not None and shift.after is not None:
            shares = (shift.before, shift.after, shift.expected)
            yield ShareShift(step.name, _TRAITS[shift.trait], *shares)
    for source in bias.sources:
        yield ShareShift(step.name, f"source {source.source}", source.before, source.after)
