"""The audit in three sentences: what is sure, what cannot be told, what to do next."""

from __future__ import annotations

from typing import Any

_LEANS = 0.1
"""Distance from one half beyond which a trait of the preferred answer is worth a sentence."""
# Share of wrong labels that is called little.
_LITTLE = 0.02


def audit_verdict(found: dict[str, Any]) -> dict[str, str]:
    """Sentences under `sure`, `unknown` and `next`.

    Args:
        found: an audit as plain data; see `audit`.
    """
    return {"sure": _sure(found), "unknown": _unknown(found), "next": _next(found)}


def told_noise(found: dict[str, Any]) -> dict[str, Any]:
    """What is told of the noise rate, by judged pairs where they give one."""
    gold: dict[str, Any] = found.get("gold") or {}
    told: dict[str, Any] = found["noise"].get("told") or {}
    return gold if gold.get("high") is not None else told


def _sure(found: dict[str, Any]) -> str:
    data, told = found["data"], told_noise(found)
    parts = [f"{data['pairs']:,} pairs over {data['distinct_prompts']:,} prompts"]
    if found.get("sampled"):
        parts.append(f"what follows is told by {found['sampled']}")
    if data["rows_rejected"]:
        parts.append(f"{data['rows_rejected']:,} rows held no pair")
    if told is found.get("gold"):
        # Reviewers and their draw are assumptions: the rate stands on a line of its own.
        pass
    elif told.get("rate") is not None:
        parts.append(f"wrong labels {told['text']}")
    elif told.get("high") is not None:
        # The bound is sure under its assumption alone: labels that follow a wrong rule are learnt.
        parts.append(f"wrong labels {told['text'].partition(';')[0]}")
    if data["contradicted"]:
        parts.append(f"{data['contradicted']:,} labels are contradicted by another one")
    parts += _leaning(found["biases"])
    return "; ".join(parts) + "."


def _leaning(biases: dict[str, Any]) -> list[str]:
    """The trait that the preferred answer has most surely more or less of."""
    rows = [*biases["preferred_has_more"], *([biases["position"]] if "position" in biases else [])]
    known = [row for row in rows if row["share"] is not None]
    sure = [r for r in known if r["low"] > 0.5 + _LEANS or r["high"] < 0.5 - _LEANS]
    if not sure:
        return []
    top: dict[str, Any] = max(sure, key=lambda row: abs(float(row["share"]) - 0.5))
    if top is biases.get("position"):
        return [f"the first slot wins {top['share']:.0%}"]
    trait = top["trait"].removeprefix("log ")
    return [f"the preferred answer has more of '{trait}' in {top['share']:.0%}"]


def _unknown(found: dict[str, Any]) -> str:
    noise, told = found["noise"], told_noise(found)
    if "problem" in noise and told.get("rate") is None:
        return f"How many labels are wrong, and which: {noise['problem']}."
    if told.get("rate") is None:
        return (
            "How many labels are wrong below that bound: taste, weak heads and wrong labels look "
            "alike from here."
        )
    if "problem" in noise:
        return f"Which labels are wrong: {noise['problem']}."
    return "Whether dropping the doubted labels makes a better model."


def _next(found: dict[str, Any]) -> str:
    told = told_noise(found)
    if told.get("rate") is None:
        return (
            "Judge a hundred pairs: curate run, curate route RUN --random 100, curate review, then "
            "curate audit DATA --gold VERDICTS --sample DRAWN."
        )
    if (told["high"] or 0.0) < _LITTLE:
        return "Little is left to clean; prove what you would drop: curate bench DATA --noise none."
    return "Prove what to drop before you drop it: curate bench DATA --noise none."
