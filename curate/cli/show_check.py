"""What a trainer would trip over, in the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from curate.check.command import Report
from curate.check.problems import FATAL, MEANS
from curate.cli.console import out, show_warnings

_EXAMPLES = 2


def show_check(report: Report, trainer: str, model: str) -> None:
    """Whether all is well, what is not, and how many pairs it hurts."""
    found = report.checked
    facts = found.facts()
    hurt = len(found.fatal())
    about = f"{found.pairs:,} pairs, {trainer}, {model}, max_length {report.max_length:,}"
    if report.clean:
        out.print(Text.assemble(("nothing spoils a pair: ", "bold green"), about))
    else:
        out.print(
            Text.assemble((f"{hurt:,} pairs teach nothing or something wrong: ", "bold"), about)
        )
    beyond = f"{facts['cut_share']:.1%} of all tokens lie beyond max_length"
    out.print(Text(f"Longest conversation {found.longest:,} tokens; {beyond}."))
    for text in report.tokenizer:
        out.print(Text.assemble(("tokenizer: ", "bold yellow"), text))
    if found.media:
        show_warnings([f"{found.media:,} pairs hold media, whose tokens are not counted here"])
    rows = [(name, ids) for name, ids in found.hurt.items() if ids]
    if rows:
        out.print(_table(rows, found.pairs))
    for reason, count in found.reasons.most_common(3):
        out.print(Text(f"refused {count:,} times: {reason}"))
    if hurt:
        out.print(Text("A run without them: curate check RUN --model MODEL --fix NEW"))


def _table(rows: list[tuple[str, list[str]]], pairs: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("problem", no_wrap=True)
    table.add_column("pairs", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("what it means", overflow="fold")
    for name, ids in rows:
        style = "red" if name in FATAL else "yellow"
        told = f"{MEANS[name]} (such as {', '.join(i[:12] for i in ids[:_EXAMPLES])})"
        table.add_row(Text(name, style=style), f"{len(ids):,}", f"{len(ids) / pairs:.1%}", told)
    return table
