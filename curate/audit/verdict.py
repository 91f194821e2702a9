"""The audit in four sentences: what was counted, what is estimated, what is not known, what to do.

A count is sure. A rate is an estimate: it stands beside its assumption, never under "sure".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from curate.steps.next_steps import next_step_by_judging

if TYPE_CHECKING:
    from curate.audit.audit_findings import AuditFindings

_LEANS = 0.1
"""Distance from one half beyond which a trait of the preferred answer is worth a sentence."""
# Share of wrong labels that is called little.
_LITTLE = 0.02


@dataclass(frozen=True)
class Verdict:
    """What a person should know first.

    Attributes:
        sure: counts of the data.
        estimated: rates, each with its assumption; empty where nothing estimates one.
        unknown: what cannot be said.
        next: what to do; commands to copy stand on lines of their own.
    """

    sure: str
    estimated: str
    unknown: str
    next: str

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Title and text of each part that says anything."""
        named = (
            ("sure", self.sure),
            ("estimated", self.estimated),
            ("not known", self.unknown),
            ("next", self.next),
        )
        return tuple((title, text) for title, text in named if text)

    def to_json(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


def audit_verdict(findings: AuditFindings) -> Verdict:
    """The sentences of an audit."""
    return Verdict(_counts(findings), _estimates(findings), _unknown(findings), _next(findings))


def _counts(findings: AuditFindings) -> str:
    data = findings.data
    parts = [f"{data['pairs']:,} pairs over {data['distinct_prompts']:,} prompts"]
    if data["rows_rejected"]:
        parts.append(f"{data['rows_rejected']:,} rows without a pair")
    if data["contradicted"]:
        parts.append(f"{data['contradicted']:,} labels are contradicted by another one")
    parts += _leaning(findings.biases)
    return "; ".join(parts) + "."


def _estimates(findings: AuditFindings) -> str:
    estimate = findings.estimate
    if estimate is None:
        return ""
    sampled = f" By {findings.sampled}." if findings.sampled else ""
    return f"Wrong labels: {estimate.text}.{sampled}"


def _leaning(biases: dict[str, Any]) -> list[str]:
    """The trait that the preferred answer has most often more or less of."""
    rows = [*biases["preferred_has_more"], *([biases["position"]] if "position" in biases else [])]
    known = [row for row in rows if row["share"] is not None]
    clear = [r for r in known if r["low"] > 0.5 + _LEANS or r["high"] < 0.5 - _LEANS]
    if not clear:
        return []
    top: dict[str, Any] = max(clear, key=lambda row: abs(float(row["share"]) - 0.5))
    count = f"{top['share']:.0%} of {top['pairs']:,} pairs"
    if top is biases.get("position"):
        return [f"the first slot wins in {count}"]
    trait = top["trait"].removeprefix("log ")
    return [f"the preferred answer has more of '{trait}' in {count}"]


def _unknown(findings: AuditFindings) -> str:
    problem, estimate = findings.noise.problem, findings.estimate
    if estimate is not None and estimate.rate is not None:
        if problem is not None:
            return f"Which labels are wrong: {problem}."
        return "Whether dropping the doubted labels makes a better model."
    if problem is not None:
        return f"How many labels are wrong, and which: {problem}."
    if estimate is None or estimate.high is None:
        return "How many labels are wrong."
    return (
        "How many labels are wrong below that bound: taste, weak heads and wrong labels look alike "
        "from here."
    )


def _next(findings: AuditFindings) -> str:
    estimate = findings.estimate
    if estimate is None or estimate.rate is None:
        return next_step_by_judging(findings.dataset)
    if (estimate.high or 0.0) < _LITTLE:
        return "Little is left to clean; prove what you would drop: curate bench DATA --noise none."
    return "Prove what to drop before you drop it: curate bench DATA --noise none."
