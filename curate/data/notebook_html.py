"""Small HTML for notebooks; everything that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape


def facts_html(facts: Mapping[str, str]) -> str:
    """Return facts as HTML, one line each."""
    lines = (f"<p><b>{escape(name)}:</b> {escape(text)}</p>" for name, text in facts.items())
    return "".join(lines)


def table_html(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table with a title."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    header = f"<thead><tr>{names}</tr></thead>" if head else ""
    return f"<h4>{escape(title)}</h4><table>{header}<tbody>{body}</tbody></table>"
