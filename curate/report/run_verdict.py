"""A run in four sentences, and what its filters did to length, refusals, lists and sources."""

from __future__ import annotations

from typing import Any

from curate.auditing.verdict import VerdictSentences
from curate.steps.next_steps import next_step_by_judging

_TRAITS = {
    "longer": "chosen is longer",
    "refuses": "only the chosen answer refuses",
    "lists": "only the chosen answer has a list",
}


def run_verdict(
    rows: dict[str, int], steps: list[dict[str, Any]], folder: str | None = None
) -> VerdictSentences:
    """Return what was counted, what is estimated, what is unknown and what to do next.

    Args:
        rows: pairs in, kept and dropped.
        steps: the manifest's steps, in order.
        folder: the run's folder as commands name it.
    """
    noise = [s["facts"]["noise"] for s in steps if "noise" in s["facts"]]
    estimate = noise[0] if noise else None
    # What heads learn matters where neither evidence nor people say more.
    learnt = [s for s in steps if "learnt" in s["facts"] and not _is_informed(s["facts"])]
    # The scores that filters doubt labels by come first.
    learnt.sort(key=lambda s: "noise" not in s["facts"])
    unlearned = next((s for s in learnt if not s["facts"]["learnt"]["ok"]), None)
    return VerdictSentences(
        sure=_run_counts(rows, steps),
        estimated=_run_estimates(steps, estimate),
        unknown=_run_unknowns(estimate, unlearned),
        next=_run_next_step(rows, estimate, folder),
    )


def _run_counts(rows: dict[str, int], steps: list[dict[str, Any]]) -> str:
    sentences = [f"{rows['kept']:,} of {rows['in']:,} pairs are kept"]
    drops = [(s["rows_in"] - s["rows_out"], s["name"]) for s in steps if s["kind"] == "filter"]
    largest_drops = sorted((d for d in drops if d[0]), reverse=True)[:3]
    if largest_drops:
        sentences.append(
            "mostly dropped by " + ", ".join(f"{name} ({n:,})" for n, name in largest_drops)
        )
    for row in selection_bias_rows(steps)[:1]:
        before, after = row["before"], row["after"]
        sentences.append(
            f"{row['filter']}: {row['trait']} in {before:.0%} before, {after:.0%} after"
        )
    return "; ".join(sentences) + "."


def _is_informed(facts: dict[str, Any]) -> bool:
    return bool(facts.get("evidence") or facts.get("judged_pairs"))


def _run_estimates(steps: list[dict[str, Any]], estimate: dict[str, Any] | None) -> str:
    sentences = []
    if estimate is not None:
        sentences.append(f"Wrong labels before cleaning: {estimate['text']}.")
    evidence = [s["facts"]["evidence"] for s in steps if s["facts"].get("evidence")]
    if evidence:
        texts = "; ".join(source["text"] for source in evidence[0])
        sentences.append(f"Accuracy of the evidence, if flips are random: {texts}.")
    return " ".join(sentences)


def _run_unknowns(estimate: dict[str, Any] | None, unlearned: dict[str, Any] | None) -> str:
    if unlearned is not None:
        text = unlearned["facts"]["learnt"]["text"]
        return f"Which labels are wrong: {text}, which may be chance ({unlearned['name']})."
    if estimate is None:
        return "How many labels are wrong: no scorer of this run estimates it."
    if estimate["rate"] is not None:
        return "Whether a model trained on the kept pairs is better."
    if estimate["high"] is None:
        return "How many labels are wrong, and whether training on the kept pairs helps."
    return (
        "How many labels are wrong below that bound, and whether training on the kept pairs helps."
    )


def _run_next_step(
    rows: dict[str, int], estimate: dict[str, Any] | None, folder: str | None
) -> str:
    if not rows["kept"]:
        return "No pair is left: relax the filter that drops the most pairs."
    if estimate is None or estimate["rate"] is None:
        return next_step_by_judging(folder)
    return "Test the filters before you train: curate bench DATA --noise none."


def selection_bias_rows(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return filter, trait, share before and after, and the share that clean labels are expected to
    have (`CleanShare` as plain data, or None), of all that filters by a score did, as they ran.
    """
    rows = []
    for step in steps:
        bias = step["facts"].get("bias", {})
        for name, trait in _TRAITS.items():
            before, after = bias.get(name) or (None, None)
            if before is not None and after is not None:
                rows.append(
                    _shift_row(step, trait, before, after, bias.get("expected", {}).get(name))
                )
        for source, (before, after) in bias.get("source", {}).items():
            rows.append(_shift_row(step, f"source {source}", before, after))
    return rows


def _shift_row(
    step: dict[str, Any],
    trait: str,
    before: float,
    after: float,
    expected: dict[str, float] | None = None,
) -> dict[str, Any]:
    shares = {"before": before, "after": after, "expected": expected}
    return {"filter": step["name"], "trait": trait} | shares
