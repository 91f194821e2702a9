"""Terminal output of `curate diff`."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from curate.auditing.dataset_diff import DatasetDiff, VersionSummary
from curate.cli.console import out

_SHOWN_SOURCES = 10


def show_diff(result: DatasetDiff) -> None:
    """Print what changed, then both versions side by side."""
    counts = {
        "unchanged": result.unchanged,
        "relabelled": result.relabelled,
        "added": result.added,
        "removed": result.removed,
    }
    texts = (f"{count:,} {name}" for name, count in counts.items())
    out.print(Text(f"prompts with two answers: {', '.join(texts)}", style="bold"))
    for name, ids in result.examples.items():
        if ids:
            # The first digits of an id are enough to find it.
            out.print(Text(f"{name}, e.g. {', '.join(pair_id[:12] for pair_id in ids)}"))
    table = Table("", "old", "new", box=box.SIMPLE_HEAD)
    old, new = _version_rows(result.old), _version_rows(result.new)
    for name in dict.fromkeys((*old, *new)):
        table.add_row(name, old.get(name, "-"), new.get(name, "-"))
    out.print(table)


def _version_rows(version: VersionSummary) -> dict[str, str]:
    """Return the rows of one version, by name."""
    rows = {
        "pairs": f"{version.pairs:,}",
        "prompts": f"{version.prompts:,}",
        "ties": f"{version.ties:,}",
        "chosen is longer": f"{version.chosen_is_longer:.1%}",
    }
    rows |= {f"median characters, {side}": f"{n:,}" for side, n in version.characters.items()}
    rows |= {f"refusals, {side}": f"{share:.1%}" for side, share in version.refusals.items()}
    if version.noise is not None:
        rows["wrong labels"] = version.noise.text
    if version.leakage is not None:
        rows["prompts in the evaluation set"] = f"{version.leakage.shared_prompts:,}"
    shares = list(version.sources.items())[:_SHOWN_SOURCES]
    return rows | {f"source {name}": f"{n / max(version.pairs, 1):.1%}" for name, n in shares}
