"""The findings of `curate audit` in the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.cli.console import out, show_facts, show_warnings

_SHOWN = 10


def show_audit(found: dict[str, Any]) -> None:
    """Data, noise, agreement, biases and structure, a table each."""
    show_facts(found["data"])
    _noise(found["noise"])
    _gold(found.get("gold"))
    _agreement(found["agreement"])
    _biases(found["biases"])
    _artefacts(found.get("artefacts", []))
    _style(found.get("style"))
    _disagreement(found.get("disagreement"))
    _candidates(found.get("candidates", {}))
    _ranking(found.get("ranking"))
    rows = found["structure"] | found.get("leakage", {})
    _facts(
        "Structure", {k.replace("_", " "): "-" if v is None else f"{v:,}" for k, v in rows.items()}
    )


def _noise(noise: dict[str, Any]) -> None:
    if "told" in noise:
        out.print(Text.assemble(("Share of wrong labels: ", "bold"), noise["told"]["text"]))
    if "problem" in noise:
        show_warnings([noise["problem"]])
        return
    c = noise["calibration"]
    out.print(
        Text(
            f"Held-out heads agree with {c['accuracy']:.1%} of {c['pairs']:,} labels; calibration "
            f"error {c['error']:.3f} after scaling by {c['scale']:.2f}."
        )
    )
    for column in ("annotator", "source"):
        rows = noise[f"by_{column}"]
        if rows:
            table = _table(f"By {column}", column, "pairs", "heads agree")
            for row in rows[:_SHOWN]:
                table.add_row(escape(row[column]), f"{row['pairs']:,}", f"{row['heads_agree']:.1%}")
            out.print(table)


def _gold(gold: dict[str, Any] | None) -> None:
    if gold is not None:
        out.print(Text.assemble(("Share of wrong labels, judged: ", "bold"), gold["text"]))


def _style(style: dict[str, Any] | None) -> None:
    """Coefficients of style, side by side."""
    if style is None:
        return
    table = _table("Style, all traits side by side", "one deviation more of", "log odds", "95 %")
    for row in style["coefficients"]:
        interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
        table.add_row(escape(row["trait"]), f"{row['coefficient']:+.2f}", interval)
    out.print(table)
    out.print(
        Text(
            f"Style alone tells {style['explained']:.1%} of a held-out vote (of a bit), length "
            f"alone {style['explained_by_length']:.1%}."
        )
    )


def _disagreement(found: dict[str, Any] | None) -> None:
    """Kinds of labels, and groups of annotators."""
    if found is None:
        return
    show_warnings([*found.get("warnings", []), *([found["problem"]] if "problem" in found else [])])
    if "shares" not in found:
        return
    rows = {kind: f"{share:.1%}" for kind, share in found["shares"].items()}
    if found.get("annotators", 0) > 1:
        rows["groups of annotators"] = ", ".join(f"{size:.0%}" for size in found["sizes"])
    _facts("What the labels are", rows)


def _candidates(found: dict[str, Any]) -> None:
    """How much choice there was, and disagreement by how far answers are apart."""
    if not found.get("comparisons"):
        return
    rows = {
        "answers a prompt": f"{found['answers_per_prompt']:.2f}",
        "mean distance of compared answers (1 - cosine)": f"{found['mean_distance']:.3f}",
        "nearly alike (cosine 0.95 and above)": f"{found['nearly_alike']:.1%}",
    }
    if found["relative_diversity"] is not None:
        rows["relative to answers to different prompts"] = f"{found['relative_diversity']:.2f}"
    if "spearman" in found and found["spearman"] is not None:
        rows["two votes on a pair differ"] = f"{found['disagreement']:.1%}"
        thirds = ", ".join(f"{part['disagreement']:.1%}" for part in found["by_distance"])
        rows["the same by thirds, alike to far apart"] = thirds
        rows["Spearman of disagreement and distance"] = (
            f"{found['spearman']:+.2f} (p = {found['p_value']:.2g})"
        )
    _facts("Choice between the answers", rows)


def _ranking(found: dict[str, Any] | None) -> None:
    if found is None:
        return
    if "problem" in found:
        show_warnings([f"no ranking accuracy of {found['model']}: {found['problem']}"])
        return
    names = {"by_sum": "log-probability", "by_token": "log-probability a token"}
    if "idealised" in found:
        ideal = found["idealised"]
        names["idealised"] = (
            f"optimum of DPO (beta {ideal['beta']:g}, labels right {ideal['reliability']:.1%})"
        )
    table = _table(f"{found['model']} ranks as the labels do", "by", "share", "95 % interval")
    for key, name in names.items():
        row = found[key]
        table.add_row(name, f"{row['share']:.1%}", f"{row['low']:.1%} - {row['high']:.1%}")
    out.print(table)


def _agreement(agreement: dict[str, Any]) -> None:
    if "krippendorff_alpha" not in agreement:
        return
    rows = {
        "pairs with several votes": f"{agreement['pairs_with_several_votes']:,}",
        "unanimous": f"{agreement['unanimous']:.1%}",
        "Krippendorff's alpha": f"{agreement['krippendorff_alpha']:.3f}",
        "votes against the Dawid-Skene consensus": f"{agreement['consensus_contradicts']:.1%}",
    }
    _facts("Agreement of annotators", rows)


def _biases(biases: dict[str, Any]) -> None:
    table = _table("The preferred answer has more", "trait", "share", "95 % interval", "pairs")
    rows = [*biases["preferred_has_more"], *([biases["position"]] if "position" in biases else [])]
    for row in rows:
        if row["share"] is not None:
            interval = f"{row['low']:.1%} - {row['high']:.1%}"
            table.add_row(row["trait"], f"{row['share']:.1%}", interval, f"{row['pairs']:,}")
    out.print(table)


def _artefacts(rows: list[dict[str, Any]]) -> None:
    """Marks that one answer alone has; only those that occur."""
    found = [row for row in rows if row["pairs"]]
    if not found:
        return
    table = _table("One answer alone has", "artefact", "chosen", "95 % interval", "pairs")
    for row in found:
        interval = f"{row['low']:.1%} - {row['high']:.1%}"
        table.add_row(row["trait"], f"{row['share']:.1%}", interval, f"{row['pairs']:,}")
    out.print(table)


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD)


def _facts(title: str, rows: dict[str, str]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=box.SIMPLE_HEAD)
    for name, value in rows.items():
        table.add_row(name, value)
    out.print(table)
