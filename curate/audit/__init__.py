"""How noisy a dataset is, and which biases its labels show.

The package is a function too: `curate.audit(pairs)` gives what the command prints.
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
