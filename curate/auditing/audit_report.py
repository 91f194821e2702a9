"""An audit: its findings, the sentences and tables that say them, and their form in a file."""

from __future__ import annotations

from dataclasses import dataclass

from curate.auditing.audit_findings import AuditFindings
from curate.auditing.sections import AuditTable, audit_sections
from curate.auditing.verdict import VerdictSentences, audit_verdict
from curate.data.json_types import JsonObject
from curate.data.notebook_html import facts_html, table_html


@dataclass(frozen=True)
class AuditReport(AuditFindings):
    """The findings of an audit, and how they are said."""

    @property
    def verdict(self) -> VerdictSentences:
        """Return what was counted, what is estimated, what is unknown, and what to do next."""
        return audit_verdict(self)

    @property
    def sections(self) -> list[AuditTable]:
        """Return all tables that the command prints."""
        return audit_sections(self)

    def to_json(self) -> JsonObject:
        """Return the report as plain data, which `from_json` reads back."""
        return {"verdict": self.verdict.to_json()} | super().to_json()

    def _repr_html_(self) -> str:
        tables = (table_html(s.title, s.head, s.rows) for s in self.sections)
        return facts_html(dict(self.verdict.lines)) + "".join(tables)
