"""Detects how a CSV or TSV file is written, which its ending alone does not say."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator

from curate.read.sources.data_file import DataFile
from curate.read.sources.json_files import check_encoding

SEPARATOR_NAMES = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
# Bytes in which quotes and separators are counted.
_HEAD = 1 << 16


def csv_separator(file: DataFile) -> str:
    """Return a comma, or what parts the header where there is no comma in it.

    Raises:
        CurateError: the file is of another encoding.
    """
    with file.opened() as opened:
        head = opened.read(_HEAD)
    check_encoding(head, file)
    lines = head.decode("utf-8-sig", "replace").splitlines()
    header = lines[0] if lines else ""
    counts = {separator: len(_split_fields(header, separator)) for separator in SEPARATOR_NAMES}
    # The ending says commas: another sign must not win by a header that holds both.
    if counts[","] > 1:
        return ","
    return max(counts, key=lambda separator: (counts[separator], separator == ","))


def _split_fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def tsv_has_quotes(file: DataFile) -> bool:
    """Return whether quote marks part the fields of a tab-separated file.

    They do where every row by quotes has as many fields as the header, and either rows by tabs
    alone do not, or the header is all quoted, or marks within a quoted field are doubled.
    """
    by_tabs, evident = True, False
    with file.opened() as opened:
        check_encoding(opened.peek(_HEAD)[:_HEAD], file)
        text = io.TextIOWrapper(opened, encoding="utf-8-sig", errors="replace", newline="")
        width = None
        for line in bounded_lines(text, file):
            row = line.rstrip("\r\n")
            if width is None:
                width = row.count("\t")
                evident = all(map(_is_quoted, row.split("\t")))
            # A quoted field may hold tabs; then the rows do not have one number of them.
            by_tabs &= row.count("\t") == width or not row.strip()
            if '""' in row:
                evident |= any(_is_quoted(f) and '""' in f[1:-1] for f in row.split("\t"))
        text.detach()
    return (evident or not by_tabs) and _has_even_rows(file)


def _is_quoted(field: str) -> bool:
    """Return whether a field is enclosed in quotes, with quote marks inside doubled."""
    is_enclosed = len(field) > 1 and field[0] == field[-1] == '"'
    return is_enclosed and '"' not in field[1:-1].replace('""', "")


def _has_even_rows(file: DataFile) -> bool:
    csv.field_size_limit(sys.maxsize)
    with file.opened() as opened:
        text = io.TextIOWrapper(opened, encoding="utf-8-sig", errors="replace", newline="")
        reader = csv.reader(bounded_lines(text, file), delimiter="\t", strict=True)
        try:
            width = len(next(reader, []))
            return all(len(row) in (0, width) for row in reader)
        except csv.Error:
            return False
        finally:
            text.detach()


def bounded_lines(text: io.TextIOWrapper, file: DataFile) -> Iterator[str]:
    """Yield the lines of a text.

    Raises:
        CurateError: a line is longer than the bound of a row.
    """
    max_length = file.bounds.row
    while line := text.readline(max_length + 1):
        if len(line) > max_length:
            raise file.too_large("a row", len(line), max_length)
        yield line
