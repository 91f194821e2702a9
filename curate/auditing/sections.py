"""The findings of an audit as tables, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.auditing.agreement import AnnotatorAgreement
    from curate.auditing.audit_findings import AuditFindings
    from curate.auditing.biases import LabelBiases
    from curate.auditing.candidates import CandidateDiversity
    from curate.auditing.disagreement import LabelKinds
    from curate.auditing.feedback import UserFeedback
    from curate.auditing.noise import NoiseFindings
    from curate.auditing.ranking import RankedShare, RankingAccuracy
    from curate.auditing.style import StyleEffects
    from curate.auditing.trait_share import TraitShare
    from curate.data.json_result import JsonResult

# Rows of a table on the page; all rows are in the JSON.
MOST_ROWS = 50


@dataclass(frozen=True)
class AuditTable:
    """A table under a title.

    Attributes:
        title: the table's title.
        rows: cells as text; the first of each row names it.
        head: names of the columns, empty for a list of facts.
        note: a sentence on how to read it, may be empty.
    """

    title: str
    rows: Sequence[tuple[str, ...]]
    head: tuple[str, ...] = ()
    note: str = ""


def audit_sections(findings: AuditFindings) -> list[AuditTable]:
    """Return all tables of an audit that hold anything, in the order in which they are read."""
    tables: list[AuditTable | None] = [
        _evidence_table(findings.noise),
        *_probe_agreement_tables(findings.noise),
        _bias_table(findings.biases),
        _artefact_table(findings.artefacts),
        _style_table(findings.style),
        _agreement_table(findings.agreement),
        _annotator_table(findings.agreement),
        _disagreement_table(findings.disagreement),
        *_candidate_tables(findings.candidates),
        _feedback_table(findings.feedback),
        _ranking_table(findings.ranking),
        _structure_table("Structure", findings.structure),
        leakage_table(findings.leakage),
    ]
    return [table for table in tables if table is not None and table.rows]


def _evidence_table(noise: NoiseFindings) -> AuditTable:
    """Return how often each source of evidence is right."""
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
    return AuditTable("Accuracy of each evidence source, if flips are random", rows, head)


def _probe_agreement_tables(noise: NoiseFindings) -> Iterable[AuditTable]:
    """Return the agreement with held-out heads by annotator and source, the lowest first."""
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
        head = (name, "pairs", "probe models agree", "95 % interval")
        yield AuditTable(f"By {name}", rows[:MOST_ROWS], head)


def _share_rows(shares: Iterable[TraitShare]) -> list[tuple[str, ...]]:
    return [
        (row.trait, f"{row.share:.1%}", f"{row.low:.1%} - {row.high:.1%}", f"{row.pairs:,}")
        for row in shares
        if row.share is not None
    ]


def _bias_table(biases: LabelBiases) -> AuditTable:
    head = ("trait", "share", "95 % interval", "pairs")
    return AuditTable("Traits that predict the preferred answer", _share_rows(biases.traits), head)


def _artefact_table(shares: Iterable[TraitShare]) -> AuditTable:
    """Return the table of artefacts in only one of the two answers; only those that occur."""
    head = ("artefact", "chosen", "95 % interval", "pairs")
    rows = _share_rows(row for row in shares if row.pairs)
    return AuditTable("Artefacts in only one of the two answers", rows, head)


def _style_table(style: StyleEffects | None) -> AuditTable | None:
    if style is None:
        return None
    rows = [
        (effect.trait, f"{effect.coefficient:+.2f}", f"{effect.low:+.2f} to {effect.high:+.2f}")
        for effect in style.coefficients
    ]
    note = (
        f"Style features explain {style.explained:.3f} bits per held-out vote; length alone "
        f"explains {style.explained_by_length:.3f}."
    )
    head = ("effect of +1 SD", "log odds", "95 %")
    return AuditTable("Style: effects of all traits, fitted jointly", rows, head, note)


def _agreement_table(agreement: AnnotatorAgreement) -> AuditTable | None:
    if agreement.krippendorff_alpha is None:
        return None
    rows = [
        ("pairs with several votes", f"{agreement.pairs_with_several_votes:,}"),
        ("unanimous", f"{agreement.unanimous:.1%}"),
        ("Krippendorff's alpha", f"{agreement.krippendorff_alpha:.3f}"),
        ("votes against the Dawid-Skene consensus", f"{agreement.consensus_contradicts:.1%}"),
    ]
    return AuditTable("Agreement of annotators", rows)


def _annotator_table(agreement: AnnotatorAgreement) -> AuditTable | None:
    """Return votes of each annotator that the consensus contradicts."""
    rows = [
        (row.worker, f"{row.votes:,}", f"{row.contradicted:.1%}")
        for row in agreement.by_annotator or ()
    ]
    head = ("annotator", "votes", "against the consensus")
    return AuditTable("Annotators against the consensus", rows[:MOST_ROWS], head)


def _disagreement_table(kinds: LabelKinds | None) -> AuditTable | None:
    """Return the table of shares of flips, tastes and cycles, and of groups of annotators."""
    if kinds is None or kinds.shares is None:
        return None
    rows = [(kind, f"{share:.1%}") for kind, share in kinds.shares.items()]
    if (kinds.annotators or 0) > 1:
        sizes = ", ".join(f"{size:.0%}" for size in kinds.sizes or ())
        rows.append(("groups of annotators", sizes))
    return AuditTable("Kinds of labels", rows, note=" ".join(kinds.warnings or ()))


def _feedback_table(feedback: UserFeedback) -> AuditTable | None:
    """Return what users say of answers in the middle of prompts."""
    if not feedback.conversations:
        return None
    rows = [
        ("conversations with an earlier answer in the prompt", f"{feedback.conversations:,}"),
        ("with satisfaction", f"{feedback.with_sat:.1%}"),
        ("with dissatisfaction", f"{feedback.with_dsat:.1%}"),
    ]
    note = (
        "Found by patterns, which miss paraphrases; 'curate derive --from feedback' turns it into "
        "pairs."
    )
    return AuditTable("Feedback in conversations", rows, note=note)


def _candidate_tables(diversity: CandidateDiversity) -> Iterable[AuditTable]:
    """Return how much choice there was, and disagreement by how far answers are apart."""
    # Without a prompt of two answers there was no choice to speak of.
    if not diversity.comparisons:
        return
    rows = [
        ("answers per prompt", f"{diversity.answers_per_prompt:.2f}"),
        ("mean distance of compared answers (1 - cosine)", f"{diversity.mean_distance:.3f}"),
        ("nearly identical (cosine 0.95 and above)", f"{diversity.nearly_alike:.1%}"),
    ]
    if diversity.relative_diversity is not None:
        relative = f"{diversity.relative_diversity:.2f}"
        rows.append(("relative to answers to different prompts", relative))
    yield AuditTable("Diversity of the compared answers", rows)
    if diversity.spearman is None:
        return
    thirds = [
        (
            f"{third.distance[0]:.2f} to {third.distance[1]:.2f}",
            f"{third.pairs:,}",
            f"{third.disagreement:.1%}",
        )
        for third in diversity.by_distance
    ]
    note = (
        f"Two votes on a pair differ in {diversity.disagreement:.1%}; Spearman's correlation "
        f"with distance {diversity.spearman:+.2f} (p = {diversity.p_value:.2g})."
    )
    head = ("distance", "pairs", "votes differ")
    yield AuditTable("Disagreement by distance between the answers", thirds, head, note)


def _ranking_table(ranking: RankingAccuracy | None) -> AuditTable | None:
    if ranking is None:
        return None
    title = f"{ranking.model} ranks as the labels do"
    if ranking.problem is not None:
        return AuditTable(title, [("not measured", ranking.problem)])
    named: list[tuple[str, RankedShare | None]] = [
        ("log-probability", ranking.by_sum),
        ("log-probability per token", ranking.by_token),
    ]
    if (ideal := ranking.idealised) is not None:
        name = f"optimum of DPO (beta {ideal.beta:g}, labels right {ideal.reliability:.1%})"
        named.append((name, ideal))
    rows = [
        (name, f"{ranked.share:.1%}", f"{ranked.low:.1%} - {ranked.high:.1%}")
        for name, ranked in named
        if ranked is not None
    ]
    if ideal is None:
        rows.append(("optimum of DPO", "-", "needs the share of wrong labels: review some pairs"))
    return AuditTable(title, rows, ("by", "share", "95 % interval"))


def leakage_table(leakage: JsonResult | None) -> AuditTable | None:
    """Return the prompts that both datasets have; None without another dataset."""
    return _structure_table("Prompts shared with the other dataset", leakage)


def _structure_table(title: str, findings: JsonResult | None) -> AuditTable | None:
    if findings is None:
        return None
    rows = [(name.replace("_", " "), _format_number(v)) for name, v in findings.to_json().items()]
    return AuditTable(title, rows)


def _format_number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
