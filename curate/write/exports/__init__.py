"""One file for each trainer or target that can be written.

To add one, add a module here with a subclass of `Export`; it is found by its `name`. A package of
its own registers the class under the entry point `curate.exports`; it imports what it needs from
here.
"""

from curate.write.exports.base import (
    LABEL_PROBABILITY,
    WEIGHT,
    WEIGHTS,
    Export,
    PairCounts,
    ShardSchema,
    TrainerHints,
    extra_output_columns,
    weight_columns,
)
from curate.write.exports.fields import messages_column
from curate.write.exports.registry import export_names, exports_supporting, get_export

__all__ = [
    "LABEL_PROBABILITY",
    "WEIGHT",
    "WEIGHTS",
    "Export",
    "PairCounts",
    "ShardSchema",
    "TrainerHints",
    "export_names",
    "exports_supporting",
    "extra_output_columns",
    "get_export",
    "messages_column",
    "weight_columns",
]
