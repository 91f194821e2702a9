"""A run in four sentences, and what its filters did to length, refusals, lists and sources."""

from __future__ import annotations

from typing import Any

from curate.audit.verdict import Verdict
from curate.steps.next_steps import next_step_by_judging

_TRAITS = {
    "longer": "chosen is longer",
    "refuses": "chosen alone refuses",
    "lists": "chosen alone holds a list",
}


def run_verdict(
    rows: dict[str, int], steps: list[dict[str, Any]], folder: str | None = None
) -> Verdict:
    """What was counted, what is estimated, what is not known and what to do next.

    Args:
        rows: pairs in, kept and dropped.
        steps: of the manifest, in order.
        folder: of the run, as commands name it.
    """
    noise = [s["facts"]["noise"] for s in steps if "noise" in s["facts"]]
    estimate = noise[0] if noise else None
    # What heads learn matters where neither evidence nor people say more.
    learnt = [s for s in steps if "learnt" in s["facts"] and not _is_informed(s["facts"])]
    # The scores that filters doubt labels by come first.
    learnt.sort(key=lambda s: "noise" not in s["facts"])
    silent = next((s for s in learnt if not s["facts"]["learnt"]["ok"]), None)
    return Verdict(
        sure=_counts(rows, steps),
        estimated=_estimates(steps, estimate),
        unknown=_unknown(estimate, silent),
        next=_next(rows, estimate, folder),
    )


def _counts(rows: dict[str, int], steps: list[dict[str, Any]]) -> str:
    parts = [f"{rows['kept']:,} of {rows['in']:,} pairs are kept"]
    drops = [(s["rows_in"] - s["rows_out"], s["name"]) for s in steps if s["kind"] == "filter"]
    most = sorted((d for d in drops if d[0]), reverse=True)[:3]
    if most:
        parts.append("most are dropped by " + ", ".join(f"{name} ({n:,})" for n, name in most))
    for row in watched(steps)[:1]:
        before, after = row["before"], row["after"]
        parts.append(f"{row['filter']}: {row['trait']} in {before:.0%} before, {after:.0%} after")
    return "; ".join(parts) + "."


def _is_informed(facts: dict[str, Any]) -> bool:
    return bool(facts.get("evidence") or facts.get("judged_pairs"))


def _estimates(steps: list[dict[str, Any]], estimate: dict[str, Any] | None) -> str:
    sentences = []
    if estimate is not None:
        sentences.append(f"Wrong labels before cleaning: {estimate['text']}.")
    evidence = [s["facts"]["evidence"] for s in steps if s["facts"].get("evidence")]
    if evidence:
        texts = "; ".join(source["text"] for source in evidence[0])
        sentences.append(f"Evidence, if flips are random: {texts}.")
    return " ".join(sentences)


def _unknown(estimate: dict[str, Any] | None, silent: dict[str, Any] | None) -> str:
    if silent is not None:
        text = silent["facts"]["learnt"]["text"]
        return f"Which labels are wrong: {text}, which may be chance ({silent['name']})."
    if estimate is None:
        return "How many labels are wrong: no scorer of this run estimates it."
    if estimate["rate"] is not None:
        return "Whether a model trained on what is kept is better."
    if estimate["high"] is None:
        return "How many labels are wrong, and whether training on what is kept gains."
    return "How many labels are wrong below that bound, and whether training on what is kept gains."


def _next(rows: dict[str, int], estimate: dict[str, Any] | None, folder: str | None) -> str:
    if not rows["kept"]:
        return "Nothing is left: loosen the filter that drops most."
    if estimate is None or estimate["rate"] is None:
        return next_step_by_judging(folder)
    return "Prove the filters before you train: curate bench DATA --noise none."


def watched(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Filter, trait, share before and after, and the share that clean labels are expected to have
    (`CleanShare` as plain data, or None), of all that filters by a score did, as they ran."""
    found = []
    for step in steps:
        bias = step["facts"].get("bias", {})
        for name, trait in _TRAITS.items():
            before, after = bias.get(name) or (None, None)
            if before is not None and after is not None:
                found.append(_row(step, trait, before, after, bias.get("expected", {}).get(name)))
        for source, (before, after) in bias.get("source", {}).items():
            found.append(_row(step, f"source {source}", before, after))
    return found


def _row(
    step: dict[str, Any],
    trait: str,
    before: float,
    after: float,
    expected: dict[str, float] | None = None,
) -> dict[str, Any]:
    shares = {"before": before, "after": after, "expected": expected}
    return {"filter": step["name"], "trait": trait} | shares
