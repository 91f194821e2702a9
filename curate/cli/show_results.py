"""Terminal output of export, push, route, merge, apply, compare and cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from curate.cli.console import out, show_warnings

if TYPE_CHECKING:
    from curate.people.apply import AppliedVerdicts
    from curate.people.merge import MergedVerdicts
    from curate.people.routing_model import RouteFit
    from curate.people.tasks import RoutingResult
    from curate.report.compare import RunComparison
    from curate.store.prune import StoreEntry
    from curate.write.export import ExportResult
    from curate.write.push import Upload


def show_export(exported: ExportResult) -> None:
    """Print what an export wrote."""
    show_warnings(list(exported.warnings))
    if exported.weights is not None:
        out.print(Text(exported.weights.text), soft_wrap=True)
    size = sum(shard.bytes for shard in exported.shards)
    files = f"{len(exported.shards):,} files, {size / 1e6:,.1f} MB"
    out.print(Text(f"{exported.pairs:,} pairs, {files}: {exported.folder}"), soft_wrap=True)


def show_upload(upload: Upload) -> None:
    """Print what a push uploaded, or would upload."""
    for name, size in upload.files:
        out.print(Text(f"{size:>14,}  {name}"), soft_wrap=True)
    visibility = "private" if upload.private else "public"
    if upload.url is None:
        out.print(Text(f"\n{upload.card}"), soft_wrap=True)
        out.print(
            Text(f"would upload to {upload.repo} ({visibility} if new); nothing was uploaded")
        )
    else:
        out.print(Text(f"uploaded: {upload.url}"), soft_wrap=True)


def show_routed(routed: RoutingResult) -> None:
    """Print which pairs were chosen for review, and by which scores."""
    if routed.commands:
        _show_draw(routed)
        return
    score_names = ", ".join(routed.columns) or "no score"
    out.print(Text(f"uncertainty scores: {score_names}"))
    if routed.fit is not None:
        _show_fit(routed.fit)
    chosen = f"{len(routed.pairs):,} of {routed.candidates:,} pairs"
    out.print(Text(f"{chosen} for review: {routed.folder}"), soft_wrap=True)


def _show_draw(routed: RoutingResult) -> None:
    """Print the size of a sample, and the next commands."""
    summary = f"{len(routed.pairs):,} of {routed.candidates:,} pairs drawn: {routed.folder}"
    out.print(Text(summary), soft_wrap=True)
    out.print(Text("next, in this order:", style="bold"))
    for command in routed.commands:
        out.print(Text(f"  {command}"), soft_wrap=True)


def _show_fit(fit: RouteFit) -> None:
    """Print the accuracy of routing on held-out prompts, compared to other strategies."""
    table = Table("labels by", "accuracy on human labels, unseen prompts", title_justify="left")
    for name in ("all_model", "random", "routed", "oracle", "all_people"):
        table.add_row(name.replace("_", " "), f"{fit.held_out[name]:.1%}")
    out.print(table)
    out.print(Text(f"features explain {fit.explained:.0%} of the variance between label mixtures"))


def show_merged(merged: MergedVerdicts, folder: Path) -> None:
    """Print how many verdicts of each kind were merged."""
    show_warnings(list(merged.warnings))
    counts = ", ".join(f"{count:,} {name}" for name, count in merged.counts.items() if count)
    out.print(Text(f"verdicts: {counts or 'none'}"))
    summary = f"{len(merged.frame):,} votes: {folder / 'pairs'}"
    out.print(Text(summary), soft_wrap=True)


def show_applied(applied: AppliedVerdicts) -> None:
    """Print how many verdicts of each kind were applied."""
    counts = ", ".join(f"{count:,} {name}" for name, count in applied.verdicts.items())
    details = {"adjusted to flipped labels": applied.turned, "skipped": applied.ignored}
    extra_counts = "".join(f"; {count:,} {name}" for name, count in details.items() if count)
    out.print(Text(f"pairs decided by reviewers: {counts or 'none'}{extra_counts}"))


def show_comparison(comparison: RunComparison) -> None:
    """Print how far two runs agree."""
    counts = comparison.counts
    table = Table("", "kept by B", "dropped by B", title="Pairs", title_justify="left")
    table.add_row("kept by A", f"{counts.both:,}", f"{counts.only_a:,}")
    table.add_row("dropped by A", f"{counts.only_b:,}", f"{counts.neither:,}")
    out.print(table)
    summary = f"overlap of kept pairs {comparison.jaccard:.1%}"
    out.print(f"{summary}; kept by both with opposite labels {counts.relabelled:,}")
    # The most frequent first; the page has all.
    for row in comparison.reasons[:10]:
        line = f"{row.run} drops {row.pairs:,} that the other keeps, by {row.step}"
        out.print(Text(line))


def show_cache(root: Path, remaining: list[StoreEntry], removed: list[StoreEntry]) -> None:
    """Print the contents of the cache by kind, and what was removed."""
    table = Table(title="Cache", title_justify="left")
    table.add_column("kind")
    for name in ("entries", "MB"):
        table.add_column(name, justify="right")
    for kind in sorted({entry.kind for entry in remaining}):
        sizes = [entry.size for entry in remaining if entry.kind == kind]
        table.add_row(kind, f"{len(sizes):,}", f"{sum(sizes) / 1e6:,.1f}")
    out.print(table)
    out.print(Text(str(root)), soft_wrap=True)
    if removed:
        size = sum(entry.size for entry in removed)
        out.print(f"removed {len(removed):,} entries, {size / 1e6:,.1f} MB")
