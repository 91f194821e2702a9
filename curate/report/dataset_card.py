"""The state of a dataset as a page and as a Markdown section: `curate card`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import polars as pl

from curate.auditing.audit_report import AuditReport
from curate.auditing.sections import AuditTable
from curate.auditing.trait_share import TraitShare
from curate.data.table import messages_text
from curate.errors import CurateError
from curate.models.text.languages import LanguageDetector
from curate.report.page import render_page
from curate.steps.context import Context
from curate.steps.registry import scorer_class

_EXCERPT = 800
"""Characters of a text in an example."""
_LANGUAGE_SAMPLE = 2000
"""Prompts whose language is detected."""
_LISTED = 8
_MIN_LANGUAGE_SHARE = 0.005


@dataclass(frozen=True)
class Example:
    """A pair in a card, with shortened texts."""

    prompt: str
    chosen: str
    rejected: str


@dataclass(frozen=True)
class DatasetCard:
    """What authors can publish of the state of their dataset.

    Attributes:
        name: name of the dataset.
        sentences: what was counted, what is estimated under which assumption, and what is unknown.
        tables: size, traits of preferred answers, artefacts, duplicates, leaks, origin.
        examples: randomly drawn pairs.
        version: version of curate.
    """

    name: str
    sentences: tuple[str, ...]
    tables: tuple[AuditTable, ...]
    examples: tuple[Example, ...]
    version: str

    def to_html(self) -> str:
        """Return a self-contained page."""
        title = f"State of the data: {self.name}"
        return render_page("card.html.j2", has_charts=False, title=title, card=self, data={})

    def to_markdown(self) -> str:
        """Return a section for a dataset card."""
        lines = ["## State of the data", "", *(f"- {text}" for text in self.sentences)]
        for table in self.tables:
            lines += ["", f"### {table.title}", "", *_markdown_table(table)]
            lines += ["", table.note] if table.note else []
        for number, example in enumerate(self.examples, 1):
            lines += ["", f"### Example {number} of {len(self.examples)}, drawn at random"]
            for side, text in vars(example).items():
                lines += ["", f"**{side}**", "", *(f"> {line}" for line in text.splitlines())]
        lines += ["", f"Measured with curate {self.version}: `curate card`."]
        return "\n".join(lines) + "\n"


def make_dataset_card(
    pairs: pl.DataFrame, report: AuditReport, name: str, license: str | None, examples: int
) -> DatasetCard:
    """Return the card of a dataset.

    Args:
        pairs: the pair table.
        report: its audit.
        name: name of the dataset.
        license: licence of the data; None: the card says that it is not stated.
        examples: number of randomly drawn pairs to show.
    """
    verdict = report.verdict
    estimate = verdict.estimated or "Wrong labels: no estimate."
    sentences = (verdict.sure, estimate, f"Not known: {verdict.unknown}")
    tables = (
        _size_table(report),
        _trait_table(report),
        _duplicate_table(pairs, report),
        _leakage_table(report),
        _origin_table(pairs, license),
    )
    version = report.versions["curate"]
    return DatasetCard(name, sentences, tables, _draw_examples(pairs, examples), version)


def _size_table(report: AuditReport) -> AuditTable:
    data = report.data
    medians = {side: lengths.get("50%") for side, lengths in data.characters.items()}
    rows = [
        ("pairs", f"{data.pairs:,}"),
        ("prompts", f"{data.distinct_prompts:,}"),
        ("ties", f"{data.ties or 0:,}"),
        ("rows without a pair", f"{data.rows_rejected:,}"),
        ("sources", _list_counts(data.sources)),
        ("annotators", _list_counts(data.annotators)),
        ("turns of the prompt", _list_counts(data.prompt_turns)),
        ("median characters", ", ".join(f"{side} {n:,}" for side, n in medians.items() if n)),
    ]
    return AuditTable("Size", [row for row in rows if row[1]])


def _list_counts(counts: dict[str, int]) -> str:
    text = ", ".join(f"{name} ({count:,})" for name, count in islice(counts.items(), _LISTED))
    more = len(counts) - _LISTED
    return f"{text} and {more:,} more" if more > 0 else text


def _trait_table(report: AuditReport) -> AuditTable:
    """Return the traits of the preferred answer whose interval excludes chance."""
    shares = (*report.biases.traits, *report.artefacts)
    rows = [_trait_row(share) for share in shares if _differs_from_half(share)]
    note = (
        "Among the pairs whose answers differ in it, the preferred answer has more. Traits whose "
        "95 % interval holds 50 % are left out."
    )
    head = ("trait", "preferred answer has more", "95 % interval", "pairs")
    return AuditTable("Biases of the labels", rows or [("none", "-", "-", "-")], head, note)


def _differs_from_half(share: TraitShare) -> bool:
    return share.low is not None and share.high is not None and not share.low <= 0.5 <= share.high


def _trait_row(share: TraitShare) -> tuple[str, ...]:
    interval = f"{share.low:.1%} to {share.high:.1%}"
    return (share.trait, f"{share.share:.1%}", interval, f"{share.pairs:,}")


def _duplicate_table(pairs: pl.DataFrame, report: AuditReport) -> AuditTable:
    flags = scorer_class("duplicates")().score(pairs, Context())
    data = report.data
    rows = [
        ("exact repeats of an earlier pair", f"{data.exact_repeats:,}"),
        ("near repeats of an earlier pair", f"{int(flags['near'].fill_null(False).sum()):,}"),
        ("labels that contradict another label", f"{data.contradicted or 0:,}"),
        ("pairs of identical answers", f"{data.identical_answers or 0:,}"),
        ("empty answers", f"{data.empty_answers:,}"),
    ]
    return AuditTable("Duplicates and defects", rows)


def _leakage_table(report: AuditReport) -> AuditTable:
    if report.leakage is None:
        return AuditTable("Leaks", [("prompts of evaluation sets", "not checked")])
    shared = f"{report.leakage.shared_prompts:,} of {report.leakage.prompts:,}"
    return AuditTable("Leaks", [("prompts that the evaluation set has too", shared)])


def _origin_table(pairs: pl.DataFrame, license: str | None) -> AuditTable:
    rows = [("licence", license or "not stated"), ("languages of the prompts", _languages(pairs))]
    return AuditTable("Licence and languages", rows)


def _languages(pairs: pl.DataFrame) -> str:
    """Return the languages of prompts with their shares."""
    try:
        detector = LanguageDetector("curate card")
    except CurateError as error:
        return f"not detected: {error.fix}"
    rows = _random_rows(len(pairs), _LANGUAGE_SAMPLE)
    texts = pairs[rows].select(t=messages_text("prompt"))["t"]
    counts = Counter(detector.of(text) or "undecided" for text in texts)
    total = max(len(texts), 1)
    common = [(code, n / total) for code, n in counts.most_common(_LISTED)]
    shares = [f"{code} {share:.1%}" for code, share in common if share >= _MIN_LANGUAGE_SHARE]
    sampled = f" (of {total:,} random prompts)" if total < len(pairs) else ""
    return ", ".join(shares) + sampled


def _draw_examples(pairs: pl.DataFrame, count: int) -> tuple[Example, ...]:
    rows = _random_rows(len(pairs), count)
    texts = pairs[rows].select(messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected"))
    return tuple(Example(*(_shorten(text) for text in row)) for row in texts.iter_rows())


def _random_rows(total: int, count: int) -> list[int]:
    """Return rows of a draw that is the same each time."""
    drawn_rows = np.random.default_rng(0).permutation(total)[:count]
    return sorted(int(row) for row in drawn_rows)


def _shorten(text: str) -> str:
    more = len(text) - _EXCERPT
    return f"{text[:_EXCERPT]} … ({more:,} more characters)" if more > 0 else text


def _markdown_table(table: AuditTable) -> Iterable[str]:
    width = max(len(row) for row in table.rows)
    head = table.head or ("",) * width
    yield _markdown_row(head)
    yield "|" + "---|" * width
    yield from (_markdown_row(row) for row in table.rows)


def _markdown_row(cells: Sequence[str]) -> str:
    # A bar or a line break in a name would end the cell.
    texts = (" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells)
    return "| " + " | ".join(texts) + " |"
