"""One file for each trainer or target that can be written.

To add one, add a module here with a subclass of `Export`; it is found by its `name`.
"""

from curate.write.exports.base import LABEL_PROBABILITY, WEIGHT, WEIGHTS, Export, TrainerHints
from curate.write.exports.registry import export_names, exports_supporting, get_export

__all__ = [
    "LABEL_PROBABILITY",
    "WEIGHT",
    "WEIGHTS",
    "Export",
    "TrainerHints",
    "export_names",
    "exports_supporting",
    "get_export",
]
