"""What the commands around a run show: exports, uploads, people, comparisons, the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from curate.cli.console import out, show_warnings

if TYPE_CHECKING:
    from curate.people.merge import Merged
    from curate.people.route_fit import RouteFit
    from curate.people.tasks import Routed
    from curate.pipeline.result import Result
    from curate.report.compare import Comparison
    from curate.store.prune import Held
    from curate.write.export import Exported
    from curate.write.push import Upload


def show_export(found: Exported) -> None:
    """What an export wrote."""
    show_warnings(list(found.warnings))
    if found.weights is not None:
        out.print(Text(found.weights.text), soft_wrap=True)
    size = sum(shard["bytes"] for shard in found.shards)
    files = f"{len(found.shards):,} files, {size / 1e6:,.1f} MB"
    out.print(Text(f"{found.pairs:,} pairs, {files}: {found.folder}"), soft_wrap=True)


def show_upload(found: Upload) -> None:
    """What a push sent, or would send."""
    for name, size in found.files:
        out.print(Text(f"{size:>14,}  {name}"), soft_wrap=True)
    who = "private" if found.private else "public"
    if found.url is None:
        out.print(Text(f"\n{found.card}"), soft_wrap=True)
        out.print(Text(f"would go to {found.repo} ({who} if it is new); nothing was sent"))
    else:
        out.print(Text(f"uploaded: {found.url}"), soft_wrap=True)


def show_routed(found: Routed) -> None:
    """What goes to people, and why."""
    if found.commands:
        _show_draw(found)
        return
    told = ", ".join(found.columns) or "no score"
    out.print(Text(f"uncertainty by: {told}"))
    if found.fit is not None:
        _show_fit(found.fit)
    chosen = f"{len(found.pairs):,} of {found.candidates:,} pairs"
    out.print(Text(f"{chosen} for people: {found.folder}"), soft_wrap=True)


def _show_draw(found: Routed) -> None:
    """What was drawn, and the commands to copy."""
    drawn = f"{len(found.pairs):,} of {found.candidates:,} pairs drawn: {found.folder}"
    out.print(Text(drawn), soft_wrap=True)
    out.print(Text("next, in this order:", style="bold"))
    for command in found.commands:
        out.print(Text(f"  {command}"), soft_wrap=True)


def _show_fit(fit: RouteFit) -> None:
    """What routing gives on held-out prompts beside other ways to spend the budget."""
    table = Table("labels by", "accuracy on people's labels, unseen prompts", title_justify="left")
    for name in ("all_model", "random", "routed", "oracle", "all_people"):
        table.add_row(name.replace("_", " "), f"{fit.held_out[name]:.1%}")
    out.print(table)
    out.print(Text(f"features explain {fit.explained:.0%} of what mixtures of labels give"))


def show_merged(found: Merged, folder: Path) -> None:
    """How many verdicts of each kind came back."""
    show_warnings(list(found.warnings))
    counts = ", ".join(f"{count:,} {name}" for name, count in found.counts.items() if count)
    out.print(Text(f"verdicts: {counts or 'none'}"))
    place = f"{len(found.frame):,} votes: {folder / 'pairs'}"
    out.print(Text(place), soft_wrap=True)


def show_applied(result: Result) -> None:
    """How many verdicts decided, of each kind, before what the run shows."""
    facts = result.steps[-2].facts
    counts = ", ".join(f"{count:,} {name}" for name, count in facts["verdicts"].items())
    details = {"turned": facts["turned"], "left out": facts["ignored"]}
    more = "".join(f"; {count:,} {name}" for name, count in details.items() if count)
    out.print(Text(f"pairs decided by reviewers: {counts or 'none'}{more}"))


def show_comparison(found: Comparison) -> None:
    """How far two runs agree."""
    counts = found.counts
    table = Table("", "kept by B", "dropped by B", title="Pairs", title_justify="left")
    table.add_row("kept by A", f"{counts['both']:,}", f"{counts['only_a']:,}")
    table.add_row("dropped by A", f"{counts['only_b']:,}", f"{counts['neither']:,}")
    out.print(table)
    more = f"overlap of what they keep {found.jaccard:.1%}"
    out.print(f"{more}; kept by both with opposite labels {counts['relabelled']:,}")
    for row in found.reasons[:10]:
        line = f"{row['run']} drops {row['pairs']:,} that the other keeps by {row['step']}"
        out.print(Text(line))


def show_cache(root: Path, left: list[Held], gone: list[Held]) -> None:
    """What the store holds by kind, and what was removed."""
    table = Table(title="Store", title_justify="left")
    table.add_column("kind")
    for name in ("entries", "MB"):
        table.add_column(name, justify="right")
    for kind in sorted({entry.kind for entry in left}):
        own = [entry.size for entry in left if entry.kind == kind]
        table.add_row(kind, f"{len(own):,}", f"{sum(own) / 1e6:,.1f}")
    out.print(table)
    out.print(Text(str(root)), soft_wrap=True)
    if gone:
        size = sum(entry.size for entry in gone)
        out.print(f"removed {len(gone):,} entries, {size / 1e6:,.1f} MB")
