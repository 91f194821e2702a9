"""How noisy a dataset is, and which biases its labels show.

The package is callable: `curate.audit(pairs)` returns what the command prints.

Examples:
    >>> import curate
    >>> rows = [
    ...     {"prompt": f"{n} + 1?", "chosen": str(n + 1), "rejected": str(n)} for n in range(60)
    ... ]
    >>> report = curate.audit(rows)
    >>> "label noise can't be estimated" in report.verdict.estimated  # they follow a rule
    True
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.audit.audit_report import AuditReport


class _AuditPackage(ModuleType):
    # The public name `curate.audit` is this package, whoever imported a part of it first.
    def __call__(self, data: Any, **options: Any) -> AuditReport:
        """Audit pairs; see `curate.audit.result.audit_data`."""
        from curate.audit.result import audit_data

        return audit_data(data, **options)


sys.modules[__name__].__class__ = _AuditPackage
