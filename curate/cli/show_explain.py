"""Terminal output of `curate explain`."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.cli.console import out
from curate.explain.explanation import ExplainedFeature, Explanation
from curate.explain.page import contrast_note

_MAX_FEATURES, _MAX_CONTRASTS = 16, 10


def show_explanation(explanation: Explanation) -> None:
    """Print what holds across prompts, and the features of embeddings with their words."""
    _show_contrasts(explanation)
    coder = explanation.autoencoder
    out.print(
        Text(
            f"{coder.settings.features} features, {coder.settings.active} per pair, reconstruct "
            f"{coder.explained:.1%} of the differences between answers of held-out pairs."
        )
    )
    table = Table(
        title="Features that the labels reward, most significant first", box=box.SIMPLE_HEAD
    )
    for name in (
        "feature",
        "words with it / without it",
        "fires",
        "it wins",
        "effect",
        "significant",
    ):
        table.add_column(name)
    for row in explanation.features[:_MAX_FEATURES]:
        table.add_row(
            row.feature,
            escape(_describe_feature(row)),
            f"{row.share:.1%}",
            f"{row.win_rate:.1%}",
            f"{row.effect:+.2f} ({row.low:+.2f} to {row.high:+.2f})",
            "yes" if row.significant else "",
        )
    out.print(table)
    out.print(
        Text(
            "effect: change of the log odds of being chosen, in nats per standard deviation of the "
            "feature, at fixed length; significant: p < 0.05 after Bonferroni. The words are only "
            "hints: read the examples before you act on a feature."
        )
    )


def _show_contrasts(explanation: Explanation) -> None:
    """Print the traits that the votes go with over many prompts."""
    table = Table(title="Traits of the preferred answer, across prompts", box=box.SIMPLE_HEAD)
    for name in ("the answer", "prompts", "it wins", "95 %", "significant"):
        table.add_column(name, justify="left" if name == "the answer" else "right")
    for row in explanation.contrasts[:_MAX_CONTRASTS]:
        table.add_row(
            escape(", ".join((row.name, *row.also))),
            f"{row.prompts:,}",
            f"{row.win_rate:.1%}",
            f"{row.low:.0%} to {row.high:.0%}",
            "yes" if row.significant else "",
        )
    out.print(table)
    out.print(Text(contrast_note(explanation)))


def _describe_feature(row: ExplainedFeature) -> str:
    """Return the words of a feature, after its name if it has one."""
    words = f"{', '.join(row.words)} / {', '.join(row.words_without)}"
    if not (row.words or row.words_without):
        words = "no term over several prompts"
    return f"{row.name}: {words}" if row.name else words
