"""The findings of `curate audit` in the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.audit.sections import Section, audit_sections
from curate.audit.verdict import Verdict
from curate.cli.console import out, show_facts, show_verdict, show_warnings
from curate.models.embed.told import embedding_told

_SHOWN = 20
"""Rows of a table; audit.json and the page hold more."""


def show_audit(found: dict[str, Any]) -> None:
    """The verdict, the noise rate, the data, then a table each."""
    show_verdict(Verdict(**found["verdict"]))
    show_warnings(embedding_told(found["embedder"]))
    _noise(found["noise"], found.get("gold"))
    show_facts(found["data"])
    for section in audit_sections(found):
        out.print(_table(section))
        if section.note:
            out.print(Text(section.note))


def _noise(noise: dict[str, Any], gold: dict[str, Any] | None) -> None:
    if gold is not None:
        show_warnings(gold.get("warnings", []))
        if gold["high"] is None:
            show_warnings([f"judged pairs: {gold['text']}"])
        elif "told" in noise:
            # The verdict holds what judged pairs say.
            out.print(Text.assemble(("Wrong labels by heads: ", "bold"), noise["told"]["text"]))
    if "problem" in noise:
        show_warnings([noise["problem"]])
        return
    c = noise["calibration"]
    out.print(
        Text(
            f"Held-out heads agree with {noise['learnt']['agreement']['text']}; calibration error "
            f"{c['error']:.3f} (scale {c['scale']:.2f})."
        )
    )


def _table(section: Section) -> Table:
    """Names may be cut to fit; numbers stay whole."""
    table = Table(title=section.title, title_justify="left", box=box.SIMPLE_HEAD)
    table.show_header = bool(section.head)
    columns = section.head or ("", "")
    for at, name in enumerate(columns):
        table.add_column(name, overflow="fold" if at == 0 else "ellipsis", no_wrap=at > 0)
    for row in section.rows[:_SHOWN]:
        table.add_row(*(escape(cell) for cell in row))
    return table
