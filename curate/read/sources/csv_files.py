"""Reads CSV and TSV files in record batches, after a check of their quote marks."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pa_csv

from curate.errors import CurateError, first_line
from curate.read.sources.arrow_block import ArrowBlock
from curate.read.sources.blocks import RowBlock
from curate.read.sources.csv_dialect import (
    SEPARATOR_NAMES,
    bounded_lines,
    csv_separator,
    tsv_has_quotes,
)
from curate.read.sources.data_file import DataFile, check_names, not_utf8
from curate.read.sources.json_files import BLOCK_ROWS

_BLOCK_BYTES = 1 << 26
"""A row must fit into one block of the reader."""
LONG_FIELD = 200_000
"""Characters from which a field is noted: one quote mark may have merged several rows."""


@dataclass
class _CsvCheck:
    """What a first look at a file found.

    Attributes:
        names: of the columns.
        rows: number of rows behind the header.
        long: line where the first long field starts, and its characters.
        dialect: how the file is read where that is not what its ending says.
        open_end: whether the last row could go on: neither a line end nor a quote closes it.
    """

    names: list[str]
    rows: int = 0
    long: tuple[int, int] | None = None
    dialect: str | None = None
    open_end: bool = False


def read_csv(file: DataFile) -> Iterator[RowBlock]:
    """Yield blocks of a comma-separated file with a header; every value is text (RFC 4180).

    Where the header has no comma but another separator, the file is read by that one.
    """
    separator = csv_separator(file)
    dialect = None if separator == "," else f"read as separated by {SEPARATOR_NAMES[separator]}"
    return _read_checked(file, separator, quotes=True, dialect=dialect)


def read_tsv(file: DataFile) -> Iterator[RowBlock]:
    """Yield blocks of a tab-separated file with a header; values are text with quote marks.

    A file whose rows only make sense by quote marks, as pandas and R write them, is read by those.
    """
    quotes = tsv_has_quotes(file)
    dialect = "quote marks are read as in CSV, since the rows need them" if quotes else None
    return _read_checked(file, "\t", quotes, dialect)


def _read_checked(
    file: DataFile, separator: str, quotes: bool, dialect: str | None
) -> Iterator[RowBlock]:
    # Arrow's reader is fast and forgiving: a strict one looks first, and both must count the same
    # rows.
    checked = _check_quotes(file, separator, quotes)
    checked.dialect = dialect
    check_names(checked.names, file)
    broken: dict[int, str] = {}

    def on_bad_row(row: pa_csv.InvalidRow) -> str:
        columns = f"{row.actual_columns} columns, the header has {row.expected_columns}"
        # The reader counts the header as row 1.
        broken[(row.number or 1) - 1] = f"the row has {columns}"
        return "skip"

    with file.opened() as opened:
        try:
            reader = pa_csv.open_csv(
                opened,
                # With threads rows that are broken would be reported in any order.
                read_options=pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(
                    delimiter=separator,
                    quote_char='"' if quotes else False,
                    newlines_in_values=quotes,
                    invalid_row_handler=on_bad_row,
                ),
                convert_options=_all_text(checked.names),
            )
            yield from _number_blocks(reader, broken, checked, file)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise CurateError(
                "the file could not be read as CSV", where=file.name, found=first_line(error)
            ) from None


def _all_text(names: list[str]) -> pa_csv.ConvertOptions:
    return pa_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        # Only that: Arrow's own list would make a null of an answer "NA" or "null".
        null_values=[""],
        strings_can_be_null=True,
        # An empty text in quotes is a text; nothing between commas is a null.
        quoted_strings_can_be_null=False,
    )


def _check_quotes(file: DataFile, separator: str, quotes: bool) -> _CsvCheck:
    """Read the file once by the rules of its quote marks.

    A mark that is never closed takes in all that follows, and two such marks merge the rows between
    them: most readers say nothing.

    Raises:
        CurateError: with the line where the quote opens.
    """
    # Python's own bound of 128 KB is below a long answer; `bounded_lines` keeps ours.
    csv.field_size_limit(sys.maxsize)
    start = 1
    with file.opened() as opened:
        text = io.TextIOWrapper(opened, encoding="utf-8-sig", newline="")
        mode: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
        lines = _LastLine(bounded_lines(text, file))
        reader = csv.reader(lines, delimiter=separator, quoting=mode, strict=True)
        try:
            checked = _CsvCheck(next(reader, []))
            if not checked.names:
                expected = "names of columns in the first line"
                raise CurateError("the file has no header", where=file.name, expected=expected)
            start = reader.line_num + 1
            for row in reader:
                checked.rows += bool(row)
                longest = max(map(len, row), default=0)
                if longest > LONG_FIELD and checked.long is None:
                    checked.long = (start, longest)
                start = reader.line_num + 1
        except csv.Error as error:
            raise _bad_quote(file, start, error) from None
        except UnicodeDecodeError as error:
            raise not_utf8(file, f"near line {start}", error) from None
        finally:
            text.detach()
    # A file that was cut in its last column looks like one whose writer ended no lines.
    checked.open_end = not lines.last.endswith(("\n", "\r", '"') if quotes else ("\n", "\r"))
    return checked


class _LastLine:
    """Lines, of which the last one that came is at hand."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self.last = lines, ""

    def __iter__(self) -> _LastLine:
        return self

    def __next__(self) -> str:
        self.last = next(self._lines)
        return self.last


def _bad_quote(file: DataFile, line: int, error: csv.Error) -> CurateError:
    never = "unexpected end" in str(error)
    problem = "a quote is never closed" if never else "text follows a closing quote"
    return CurateError(
        problem,
        where=f"{file.name}, line {line}",
        found='the row that starts there opens a quote (") '
        + ("and the file ends within it" if never else f"which ends too early: {error}"),
        expected='quote marks around a whole field, and "" for a mark within it',
        fix="repair the row: the rows after it would be read as part of its text",
    )


def _number_blocks(
    reader: pa_csv.CSVStreamingReader, broken: dict[int, str], checked: _CsvCheck, file: DataFile
) -> Iterator[RowBlock]:
    """Yield blocks with row numbers; broken rows are in the block where they occur."""
    first_number, read = 1, 0
    for batch in reader:
        table = pa.Table.from_batches([batch])
        for start in range(0, len(table), BLOCK_ROWS):
            rows = table.slice(start, BLOCK_ROWS)
            end, broken_in_block = first_number + len(rows), {}
            for number in sorted(broken):  # the reader may have met rows of later blocks
                if number < end:
                    broken_in_block[number] = broken.pop(number)
                    end += 1
            yield ArrowBlock(
                rows,
                [n for n in range(first_number, end) if n not in broken_in_block],
                broken_in_block,
                _dialect_notes(checked),
            )
            first_number = end
            read += len(rows) + len(broken_in_block)
    yield ArrowBlock(reader.schema.empty_table(), [], dict(broken), _dialect_notes(checked))
    # If both readers differ, rows were merged or split, and either may be right.
    if read + len(broken) != checked.rows:
        raise CurateError(
            "the file can be read in two ways",
            where=file.name,
            found=f"{read + len(broken)} rows by one reader, {checked.rows} by another",
            expected="one row a line, or line ends in quotes alone",
            fix="write it again (a carriage return within a row?), or as JSON lines",
        )


def _dialect_notes(checked: _CsvCheck) -> tuple[str, ...]:
    notes = [] if checked.dialect is None else [checked.dialect]
    if checked.open_end:
        notes.append(
            "the last row does not end in a line break: if the file was cut, its last field is too"
        )
    if checked.long is not None:
        line, size = checked.long
        notes.append(
            f"the row at line {line} has a field of {size:,} characters: if that is more than one "
            "answer, a quote mark has merged rows"
        )
    return tuple(notes)
