"""Rows by number give what frames of these rows would."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import curate.data.row_selection as module
from curate.data.row_selection import ROW_NUMBER, RowSelection, expand_to_all_rows

TABLE = pl.DataFrame({"id": list("abcdefgh"), "x": range(8), "text": [[c] for c in "ABCDEFGH"]})
MASK = np.array([True, False, True, True, False, False, True, True])


def some() -> RowSelection:
    """Five rows, of which the filter turned `x` and added `y`."""
    changes = pl.DataFrame({"x": [0, -2, -3, -6, -7], "y": [1.0, 2.0, 3.0, 4.0, 5.0]})
    return RowSelection.from_table(TABLE).where(MASK).with_columns(changes)


def frame() -> pl.DataFrame:
    """The same as a frame."""
    return TABLE.filter(pl.Series(MASK)).with_columns(
        x=-pl.col("x"), y=pl.Series([1.0, 2, 3, 4, 5])
    )


def test_a_frame_has_the_rows_with_what_is_their_own() -> None:
    assert len(some()) == 5
    assert some().columns == ["id", "x", "text", "y"]
    assert_frame_equal(some().frame(), frame())
    assert_frame_equal(some().select(["y", "id"]), frame().select("y", "id"))


def test_rows_are_left_out_one_step_after_another() -> None:
    second = np.array([True, True, False, True, False])
    assert_frame_equal(some().where(second).frame(), frame().filter(pl.Series(second)))
    assert_frame_equal(some().row_range(1, 3).frame(), frame()[1:3])
    assert some().where(np.ones(5, dtype=np.bool_)).rows is not None


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("names", [["id", "x", "text", "y"], ["y"], ["id"]])
def test_parts_are_the_frame_in_order(
    size: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", size)
    parts = list(some().iter_batches(names))
    assert all(0 < len(part) <= size for part in parts)
    assert_frame_equal(pl.concat(parts), frame().select(names))


def test_no_row_gives_a_part_with_the_columns() -> None:
    none = some().where(np.zeros(5, dtype=np.bool_))
    (part,) = none.iter_batches(none.columns)
    assert_frame_equal(part, frame().clear())


def test_a_union_has_the_rows_of_both_in_order() -> None:
    every = RowSelection.from_table(TABLE)
    other_rows = every.where(~MASK).with_columns(pl.DataFrame({"z": ["k", "l", "m"]}))
    both = some().union(other_rows).frame()
    expected = TABLE.with_columns(
        # What one of them changed is as in the table for the others.
        x=pl.when(pl.Series(MASK)).then(-pl.col("x")).otherwise("x"),
        y=pl.Series([1.0, None, 2.0, 3.0, None, None, 4.0, 5.0]),
        z=pl.Series([None, "k", None, None, "l", "m", None, None]),
    )
    assert_frame_equal(both, expected)
    assert_frame_equal(other_rows.union(some()).frame(), expected, check_column_order=False)


def test_columns_of_some_rows_over_all() -> None:
    some = pl.DataFrame({ROW_NUMBER: [3, 1], "a": ["x", "y"], "b": [1.0, None]})
    expanded = pl.concat(expand_to_all_rows(some, 4))
    assert_frame_equal(
        expanded, pl.DataFrame({"a": [None, "y", None, "x"], "b": [None, None, None, 1.0]})
    )
    assert_frame_equal(pl.concat(expand_to_all_rows(some.head(0), 2)), expanded.clear(2))
    # Those that a filter left as they are stand behind the others.
    for order in ([0, 1, 2], [1, 2, 0], [2, 1, 0]):
        every = pl.DataFrame({ROW_NUMBER: order, "a": [str(row) for row in order]})
        assert pl.concat(expand_to_all_rows(every, 3))["a"].to_list() == ["0", "1", "2"]
