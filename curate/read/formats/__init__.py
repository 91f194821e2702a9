"""One file for each family of data sets that can be read.

To add a format, add a module here with a subclass of `Format`: it is found by its `name`, and tried
in automatic detection, without any other change. A package of its own registers the class under
the entry point `curate.formats`; it imports what it needs from here.
"""

from curate.read.formats.base import (
    ERROR,
    EXTRA,
    NO_PAIR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    as_turn,
    has_columns,
    share_of_rows,
)
from curate.read.formats.registry import detect_format, format_names, get_format
from curate.read.formats.slots import SlotFormat

__all__ = [
    "ERROR",
    "EXTRA",
    "NO_PAIR",
    "ROW",
    "Format",
    "ReadOptions",
    "RowSample",
    "SlotFormat",
    "as_messages_column",
    "as_turn",
    "detect_format",
    "format_names",
    "get_format",
    "has_columns",
    "share_of_rows",
]
