"""The audit in four sentences: what was counted, what is estimated, what is not known, what to do.

A count is sure. A rate is an estimate: it stands beside its assumption, never under "sure".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from curate.steps.next_steps import next_step_by_judging

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


def audit_verdict(found: dict[str, Any], data: str | None = None) -> Verdict:
    """The sentences of an audit.

    Args:
        found: an audit as plain data; see `audit`.
        data: the dataset as commands name it.
    """
    return Verdict(_counts(found), _estimates(found), _unknown(found), _next(found, data))


def noise_estimate(found: dict[str, Any]) -> dict[str, Any]:
    """The estimate of the noise rate, from judged pairs where they give one."""
    gold: dict[str, Any] = found.get("gold") or {}
    heads: dict[str, Any] = found["noise"].get("told") or {}
    return gold if gold.get("high") is not None else heads


def _counts(found: dict[str, Any]) -> str:
    data = found["data"]
    parts = [f"{data['pairs']:,} pairs over {data['distinct_prompts']:,} prompts"]
    if data["rows_rejected"]:
        parts.append(f"{data['rows_rejected']:,} rows without a pair")
    if data["contradicted"]:
        parts.append(f"{data['contradicted']:,} labels are contradicted by another one")
    parts += _leaning(found["biases"])
    return "; ".join(parts) + "."


def _estimates(found: dict[str, Any]) -> str:
    text = noise_estimate(found).get("text")
    if text is None:
        return ""
    sampled = f" By {found['sampled']}." if found.get("sampled") else ""
    return f"Wrong labels: {text}.{sampled}"


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


def _unknown(found: dict[str, Any]) -> str:
    noise, estimate = found["noise"], noise_estimate(found)
    if estimate.get("rate") is not None:
        if "problem" in noise:
            return f"Which labels are wrong: {noise['problem']}."
        return "Whether dropping the doubted labels makes a better model."
    if "problem" in noise:
        return f"How many labels are wrong, and which: {noise['problem']}."
    if estimate.get("high") is None:
        return "How many labels are wrong."
    return (
        "How many labels are wrong below that bound: taste, weak heads and wrong labels look alike "
        "from here."
    )


def _next(found: dict[str, Any], data: str | None) -> str:
    estimate, resume = noise_estimate(found), (found.get("gold") or {}).get("resume")
    if resume and found["gold"]["rate"] is None:
        return f"Judge the other pairs of the draw: {resume}"
    if estimate.get("rate") is None:
        return next_step_by_judging(data)
    if (estimate["high"] or 0.0) < _LITTLE:
        return "Little is left to clean; prove what you would drop: curate bench DATA --noise none."
    return "Prove what to drop before you drop it: curate bench DATA --noise none."
