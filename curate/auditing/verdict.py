"""The audit in four sentences: what was counted, what is estimated, what is unknown, what to do.

A count is certain. A rate is an estimate: it is shown with its assumption, never among the counts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from curate.steps.next_steps import bench_command, next_step_by_judging

if TYPE_CHECKING:
    from curate.auditing.audit_findings import AuditFindings
    from curate.auditing.biases import LabelBiases

_MIN_LEANING = 0.1
"""Distance from one half beyond which a trait of the preferred answer is worth a sentence."""
# Share of wrong labels that is called little.
_LITTLE_NOISE = 0.02


@dataclass(frozen=True)
class VerdictSentences:
    """What a person should know first.

    Attributes:
        sure: counts of the data.
        estimated: rates, each with its assumption; empty where nothing estimates one.
        unknown: what cannot be said.
        next: what to do; commands to copy are on separate lines.
    """

    sure: str
    estimated: str
    unknown: str
    next: str

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Return the title and text of each part that says anything."""
        named = (
            ("counted", self.sure),
            ("estimated", self.estimated),
            ("unknown", self.unknown),
            ("next", self.next),
        )
        return tuple((title, text) for title, text in named if text)

    @property
    def answer(self) -> tuple[tuple[str, str], ...]:
        """Return the same parts in the order of a page: the estimate, if any, comes first."""
        return tuple(sorted(self.lines, key=lambda line: line[0] != "estimated"))

    def to_json(self) -> dict[str, str]:
        """Return the sentences as plain data."""
        return asdict(self)


def audit_verdict(findings: AuditFindings) -> VerdictSentences:
    """Return the sentences of an audit."""
    return VerdictSentences(
        _audit_counts(findings),
        _audit_estimates(findings),
        _audit_unknowns(findings),
        _audit_next_step(findings),
    )


def _audit_counts(findings: AuditFindings) -> str:
    data = findings.data
    sentences = [f"{data.pairs:,} pairs over {data.distinct_prompts:,} prompts"]
    if data.rows_rejected:
        sentences.append(f"{data.rows_rejected:,} rows skipped")
    if data.contradicted:
        sentences.append(f"{data.contradicted:,} labels contradict another label")
    sentences += _strongest_bias(findings.biases)
    return "; ".join(sentences) + "."


def _audit_estimates(findings: AuditFindings) -> str:
    estimate = findings.estimate
    if estimate is None:
        return ""
    sampled = f" From {findings.sampled}." if findings.sampled else ""
    return f"Wrong labels: {estimate.text}.{sampled}"


def _strongest_bias(biases: LabelBiases) -> list[str]:
    """Return the trait that the preferred answer has most often more or less of."""
    # By the interval, not the share: a trait of ten pairs would lead every report.
    clear = [
        (abs(row.share - 0.5), row)
        for row in biases.traits
        if row.share is not None
        and row.low is not None
        and row.high is not None
        and (row.low > 0.5 + _MIN_LEANING or row.high < 0.5 - _MIN_LEANING)
    ]
    if not clear:
        return []
    _, top = max(clear, key=lambda leaning: leaning[0])
    count = f"{top.share:.0%} of {top.pairs:,} pairs"
    if top is biases.position:
        return [f"the first slot wins in {count}"]
    trait = top.trait.removeprefix("log ")
    return [f"the preferred answer has more of '{trait}' in {count}"]


def _audit_unknowns(findings: AuditFindings) -> str:
    problem, estimate = findings.noise.problem, findings.estimate
    if estimate is not None and estimate.rate is not None:
        if problem is not None:
            return f"Which labels are wrong: {problem}."
        return "Whether dropping the suspicious labels makes a better model."
    if problem is not None:
        return f"How many labels are wrong, and which: {problem}."
    if estimate is None or estimate.high is None:
        return "How many labels are wrong."
    return (
        "How many labels are wrong below that bound: the labels alone can't separate wrong labels "
        "from differences in taste and from weak probe models."
    )


def _audit_next_step(findings: AuditFindings) -> str:
    estimate = findings.estimate
    if estimate is None or estimate.rate is None:
        return next_step_by_judging(findings.dataset)
    has_little_noise = (estimate.high or 0.0) < _LITTLE_NOISE
    start = "Few labels are wrong; test" if has_little_noise else "Test"
    return f"{start} a filter before you use it:\n  {bench_command(findings.dataset)}"
