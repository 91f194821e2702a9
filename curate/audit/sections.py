"""The findings of an audit as tables, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.audit.audit_findings import AuditFindings
    from curate.audit.noise import NoiseFindings

# Of a table on the page; all rows are in the JSON.
MOST_ROWS = 50


@dataclass(frozen=True)
class Section:
    """A table under a title.

    Attributes:
        title: of the table.
        rows: cells as text; the first of each row names it.
        head: names of the columns, empty for a list of facts.
        note: a sentence on how to read it, may be empty.
    """

    title: str
    rows: Sequence[tuple[str, ...]]
    head: tuple[str, ...] = ()
    note: str = ""


def audit_sections(findings: AuditFindings) -> list[Section]:
    """All tables of an audit that hold anything, in the order in which they are read."""
    parts: list[Section | None] = [
        _evidence(findings.noise),
        *_heads_agreement(findings.noise),
        _biases(findings.biases),
        _artefacts(findings.artefacts),
        _style(findings.style),
        _agreement(findings.agreement),
        _annotators(findings.agreement),
        _disagreement(findings.disagreement),
        *_candidates(findings.candidates),
        _feedback(findings.feedback),
        _ranking(findings.ranking),
        _structure("Structure", findings.structure),
        _structure("Prompts shared with the other set", findings.leakage or {}),
    ]
    return [part for part in parts if part is not None and part.rows]


def _evidence(noise: NoiseFindings) -> Section:
    """How often each source of evidence is right."""
    rows = [
        (
            source.name,
            f"{source.pairs:,}",
            "-" if source.accuracy is None else f"{source.accuracy:.1%}",
            "-" if source.low is None else f"{source.low:.1%} - {source.high:.1%}",
        )
        for source in noise.evidence
    ]
    head = ("source", "pairs", "right", "95 % interval")
    return Section("Evidence: how often it is right, if flips are random", rows, head)


def _heads_agreement(noise: NoiseFindings) -> Iterable[Section]:
    """Agreement with held-out heads by annotator and source, the lowest first."""
    for name, groups in (("annotator", noise.by_annotator), ("source", noise.by_source)):
        rows = [
            (
                group.name,
                f"{group.agreement.pairs:,}",
                f"{group.agreement.share:.1%}",
                f"{group.agreement.low:.1%} - {group.agreement.high:.1%}",
            )
            for group in groups
        ]
        head = (name, "pairs", "heads agree", "95 % interval")
        yield Section(f"By {name}", rows[:MOST_ROWS], head)


def _shares(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            row["trait"],
            f"{row['share']:.1%}",
            f"{row['low']:.1%} - {row['high']:.1%}",
            f"{row['pairs']:,}",
        )
        for row in rows
        if row["share"] is not None
    ]


def _biases(biases: dict[str, Any]) -> Section:
    rows = [*biases["preferred_has_more"], *([biases["position"]] if "position" in biases else [])]
    head = ("trait", "share", "95 % interval", "pairs")
    return Section("The preferred answer has more", _shares(rows), head)


def _artefacts(rows: list[dict[str, Any]]) -> Section:
    """Marks that one answer alone has; only those that occur."""
    head = ("artefact", "chosen", "95 % interval", "pairs")
    return Section("One answer alone has", _shares([row for row in rows if row["pairs"]]), head)


def _style(style: dict[str, Any] | None) -> Section | None:
    if not style:
        return None
    rows = [
        (r["trait"], f"{r['coefficient']:+.2f}", f"{r['low']:+.2f} to {r['high']:+.2f}")
        for r in style["coefficients"]
    ]
    note = (
        f"Style alone tells {style['explained']:.1%} of a held-out vote (of a bit), length alone "
        f"{style['explained_by_length']:.1%}."
    )
    head = ("one deviation more of", "log odds", "95 %")
    return Section("Style, all traits side by side", rows, head, note)


def _agreement(agreement: dict[str, Any]) -> Section | None:
    if "krippendorff_alpha" not in agreement:
        return None
    rows = [
        ("pairs with several votes", f"{agreement['pairs_with_several_votes']:,}"),
        ("unanimous", f"{agreement['unanimous']:.1%}"),
        ("Krippendorff's alpha", f"{agreement['krippendorff_alpha']:.3f}"),
        ("votes against the Dawid-Skene consensus", f"{agreement['consensus_contradicts']:.1%}"),
    ]
    return Section("Agreement of annotators", rows)


def _annotators(agreement: dict[str, Any]) -> Section | None:
    """Votes of each annotator that the consensus contradicts."""
    rows = [
        (str(row["worker"]), f"{row['votes']:,}", f"{row['contradicted']:.1%}")
        for row in agreement.get("by_annotator", [])
    ]
    head = ("annotator", "votes", "against the consensus")
    return Section("Annotators against the consensus", rows[:MOST_ROWS], head)


def _disagreement(found: dict[str, Any] | None) -> Section | None:
    """Kinds of labels, and groups of annotators."""
    if not found or "shares" not in found:
        return None
    rows = [(kind, f"{share:.1%}") for kind, share in found["shares"].items()]
    if found.get("annotators", 0) > 1:
        sizes = ", ".join(f"{size:.0%}" for size in found["sizes"])
        rows.append(("groups of annotators", sizes))
    return Section("What the labels are", rows, note=" ".join(found.get("warnings", [])))


def _feedback(found: dict[str, Any] | None) -> Section | None:
    """What users say of answers in the middle of prompts."""
    if not found:
        return None
    rows = [
        ("conversations with an answer in the prompt", f"{found['conversations']:,}"),
        ("with satisfaction", f"{found['with_sat']:.1%}"),
        ("with dissatisfaction", f"{found['with_dsat']:.1%}"),
    ]
    note = "By patterns, which miss paraphrases; 'curate derive --from feedback' makes pairs of it."
    return Section("Feedback in conversations", rows, note=note)


def _candidates(found: dict[str, Any]) -> Iterable[Section]:
    """How much choice there was, and disagreement by how far answers are apart."""
    # Without a prompt of two answers there was no choice to speak of.
    if not found.get("comparisons"):
        return
    rows = [
        ("answers a prompt", f"{found['answers_per_prompt']:.2f}"),
        ("mean distance of compared answers (1 - cosine)", f"{found['mean_distance']:.3f}"),
        ("nearly alike (cosine 0.95 and above)", f"{found['nearly_alike']:.1%}"),
    ]
    if found["relative_diversity"] is not None:
        told = f"{found['relative_diversity']:.2f}"
        rows.append(("relative to answers to different prompts", told))
    yield Section("Choice between the answers", rows)
    if found.get("spearman") is None:
        return
    thirds = [
        (
            f"{part['distance'][0]:.2f} to {part['distance'][1]:.2f}",
            f"{part['pairs']:,}",
            f"{part['disagreement']:.1%}",
        )
        for part in found["by_distance"]
    ]
    note = (
        f"Two votes on a pair differ in {found['disagreement']:.1%}; Spearman's correlation with "
        f"distance {found['spearman']:+.2f} (p = {found['p_value']:.2g})."
    )
    head = ("distance", "pairs", "votes differ")
    yield Section("Disagreement by distance of the answers", thirds, head, note)


def _ranking(found: dict[str, Any] | None) -> Section | None:
    if not found:
        return None
    title = f"{found['model']} ranks as the labels do"
    if "problem" in found:
        return Section(title, [("not measured", str(found["problem"]))])
    names = {"by_sum": "log-probability", "by_token": "log-probability a token"}
    if "idealised" in found:
        ideal = found["idealised"]
        names["idealised"] = (
            f"optimum of DPO (beta {ideal['beta']:g}, labels right {ideal['reliability']:.1%})"
        )
    rows = [
        (name, f"{found[key]['share']:.1%}", f"{found[key]['low']:.1%} - {found[key]['high']:.1%}")
        for key, name in names.items()
    ]
    if "idealised" not in found:
        rows.append(("optimum of DPO", "-", "needs the share of wrong labels: judge some pairs"))
    return Section(title, rows, ("by", "share", "95 % interval"))


def _structure(title: str, rows: dict[str, Any]) -> Section:
    return Section(title, [(name.replace("_", " "), _number(v)) for name, v in rows.items()])


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
