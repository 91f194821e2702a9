"""One file for each family of data sets that can be read.

To add a format, add a module here with a subclass of `Format`: it is found by its `name`, and tried
in automatic detection, without any other change.
"""

from curate.read.formats.base import ERROR, EXTRA, NO_PAIR, ROW, Format, RowSample
from curate.read.formats.registry import detect_format, format_names, get_format

__all__ = [
    "ERROR",
    "EXTRA",
    "NO_PAIR",
    "ROW",
    "Format",
    "RowSample",
    "detect_format",
    "format_names",
    "get_format",
]
