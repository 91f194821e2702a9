"""Terminal output of `curate check`."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from curate.check.command import CheckReport
from curate.check.margins import QUANTILES, RewardMargins
from curate.check.problems import FATAL, MEANS
from curate.cli.console import out, show_warnings

_EXAMPLES = 2


def show_check(report: CheckReport, trainer: str, model: str) -> None:
    """Print the problems found, with the number of affected pairs."""
    checked = report.checked
    failing = len(checked.fatal())
    about = f"{checked.pairs:,} pairs, {trainer}, {model}, max_length {report.max_length:,}"
    if report.clean:
        out.print(Text.assemble(("no problems found: ", "bold green"), about))
    else:
        out.print(
            Text.assemble(
                (f"{failing:,} pairs are unusable or harmful for training: ", "bold"), about
            )
        )
    truncated = f"{checked.cut_share:.1%} of all tokens are beyond max_length"
    out.print(Text(f"Longest conversation {checked.longest:,} tokens; {truncated}."))
    for text in report.tokenizer:
        out.print(Text.assemble(("tokenizer: ", "bold yellow"), text))
    if checked.media:
        show_warnings([f"{checked.media:,} pairs contain media, whose tokens are not counted"])
    rows = [(name, ids) for name, ids in checked.hurt.items() if ids]
    if rows:
        out.print(_problem_table(rows, checked.pairs))
    # The template's own words; one mistake in the data mostly gives one reason.
    for reason, count in checked.reasons.most_common(3):
        out.print(Text(f"rejected {count:,} times: {reason}"))
    if report.margins:
        out.print(_margin_table(report.margins))
    if failing:
        out.print(Text("To write a run without them: curate check RUN --model MODEL --fix NEW"))


def _problem_table(rows: list[tuple[str, list[str]]], pairs: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("problem", no_wrap=True)
    table.add_column("pairs", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("what it means", overflow="fold")
    for name, ids in rows:
        style = "red" if name in FATAL else "yellow"
        # The first digits of an id are enough to find it in a report.
        meaning = f"{MEANS[name]} (e.g. {', '.join(i[:12] for i in ids[:_EXAMPLES])})"
        table.add_row(Text(name, style=style), f"{len(ids):,}", f"{len(ids) / pairs:.1%}", meaning)
    return table


def _margin_table(steps: Sequence[RewardMargins]) -> Table:
    table = Table(
        title="margins in nats, scaled by beta", box=box.SIMPLE_HEAD, title_justify="left"
    )
    for name in ("step", "pairs", *(f"{q:.0%}" for q in QUANTILES), "above 0"):
        table.add_column(name, justify="left" if name == "step" else "right")
    table.add_column("target margin", overflow="fold")
    for step in steps:
        target = f"{step.reached:.1%} reach gamma = {step.gamma:g}"
        if step.by_chosen_alone is not None:
            target += f", {step.by_chosen_alone:.1%} could by the chosen answer alone"
        quantiles = [f"{value:.2f}" for value in step.quantiles]
        label = f"{step.name} ({step.loss})"
        table.add_row(label, f"{step.pairs:,}", *quantiles, f"{step.above_zero:.1%}", target)
    return table
