"""The page of `curate explain`."""

from __future__ import annotations

from curate.explain.explanation import Explanation
from curate.report.page import render_page


def explanation_html(explanation: Explanation) -> str:
    """Return the findings of `curate explain` as HTML."""
    return render_page(
        "explain.html.j2",
        title="What the labels reward",
        explanation=explanation,
        answer=contrast_answer(explanation),
        note=contrast_note(explanation),
        data={},
    )


def contrast_answer(explanation: Explanation) -> str:
    """Return the surest traits as a sentence."""
    sure = [c for c in explanation.contrasts if c.significant][:3]
    if not sure:
        return "No word, opening or trait of style is shown to go with the labels across prompts."
    texts = [f"{c.name} ({c.win_rate:.0%} of {c.tested_prompts:,} prompts)" for c in sure]
    verb = "wins" if all(c.win_rate > 0.5 for c in sure) else "wins or loses"
    return f"The answer {verb} that {'; '.join(texts)}."


def contrast_note(explanation: Explanation) -> str:
    """Return how the traits were found, and on what they were tested."""
    return (
        "One answer alone has the trait, and the prompt has not. Traits were chosen on half of the "
        "prompts; rates, intervals and tests are of the other half. Significant: p < 0.05 at fixed "
        f"length, after Bonferroni over the {len(explanation.contrasts)} that were tested."
    )
