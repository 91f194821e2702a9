"""Every kind of damaged or odd input ends in an error of our own, or in pairs and listed rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate import CurateError, Pairs, read_pairs
from curate.read.formats import format_names, get_format
from tests.robustness.bad_inputs import ERROR, Bad, all_bad, lines, rows

CASES = all_bad()
Mode = Literal["stop", "skip"]


def _read(bad: Bad, folder: Path, mode: Mode) -> Pairs | CurateError:
    path = bad.write(folder)
    try:
        return read_pairs(str(path), on_error=mode)
    except CurateError as error:
        return error


@pytest.mark.parametrize("mode", ["stop", "skip"])
@pytest.mark.parametrize("bad", CASES, ids=lambda b: f"{b.group}: {b.name}"[:80])
def test_bad_input(bad: Bad, mode: Mode, tmp_path: Path) -> None:
    expected = bad.stop if mode == "stop" else bad.skip
    got = _read(bad, tmp_path, mode)
    if isinstance(got, CurateError):
        assert expected == ERROR, got
        assert got.problem
        assert got.where
        assert got.found or got.expected or got.fix
        assert bad.says in str(got)
        return
    assert len(got) == expected
    notes = " ".join([*got.rejected["reason"].to_list(), *got.notes])
    assert bad.says in notes
    if mode == "skip":
        assert len(got.rejected) == bad.rejected
        assert got.rejected["file"].null_count() == 0
        assert got.rejected["reason"].null_count() == 0


def test_there_are_enough_kinds() -> None:
    assert len({(b.group, b.name) for b in CASES}) == len(CASES) > 250


def test_rows_are_named_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines([*rows(2), "{", *rows(2), {"prompt": "x"}]))
    got = read_pairs(str(tmp_path / "a.jsonl"), on_error="skip")
    assert got.rejected["row"].to_list() == [3, 6]
    assert len(got) == 4
    (tmp_path / "a.csv").write_text("prompt,chosen,rejected\nq,a,b\nq,a\nq,a,c\nx\n")
    got = read_pairs(str(tmp_path / "a.csv"), on_error="skip")
    assert got.rejected["row"].to_list() == [2, 4]


def test_an_unclosed_quote_is_named_by_its_line(tmp_path: Path) -> None:
    text = "prompt,chosen,rejected\n" + "q,a,b\n" * 70 + 'q,"a,b\n' + "q,a,b\n" * 9
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(CurateError, match="line 72") as caught:
        read_pairs(str(tmp_path / "a.csv"))
    assert "never closed" in caught.value.problem


def test_a_tsv_keeps_its_quote_marks(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('prompt\tchosen\trejected\nq\t"a"\t"b\n')
    frame = read_pairs(str(tmp_path / "a.tsv")).frame
    assert frame["chosen"][0][0]["content"] == '"a"'
    assert frame["rejected"][0][0]["content"] == '"b'


def test_a_long_field_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,chosen,rejected\nq,a,b\nq," + "x " * 150_000 + ",b\n")
    notes = read_pairs(str(tmp_path / "a.csv")).notes
    assert len(notes) == 1
    assert "line 3" in notes[0]
    assert "300,000" in notes[0]


@pytest.mark.parametrize("mode", ["stop", "skip"])
def test_a_row_beyond_the_bound_is_told_and_not_held(mode: Mode, tmp_path: Path) -> None:
    big = {**rows(1)[0], "chosen": "x" * (3 << 20)}
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines([*rows(2), big, *rows(2, 5)]))
    if mode == "stop":
        with pytest.raises(CurateError, match="max_row_mb"):
            read_pairs(str(path), max_row_mb=1)
        return
    got = read_pairs(str(path), max_row_mb=1, on_error="skip")
    assert len(got) == 4
    assert got.rejected["row"].to_list() == [3]
    assert len(read_pairs(str(path), max_row_mb=8)) == 5


def test_an_array_or_csv_row_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    text = json.dumps([{**r, "meta": "x" * 500_000} for r in rows(5)])
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CurateError, match="max_file_mb"):
        read_pairs(str(tmp_path / "a.json"), max_file_mb=1)
    (tmp_path / "a.csv").write_text("prompt,chosen,rejected\nq,a," + "x" * (2 << 20) + "\n")
    with pytest.raises(CurateError, match="max_row_mb"):
        read_pairs(str(tmp_path / "a.csv"), max_row_mb=1)


def test_a_bomb_ends_at_the_bound(tmp_path: Path) -> None:
    import gzip

    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(b"\0" * (1 << 20))
    with pytest.raises(CurateError, match=r"UTF-8|bound"):
        read_pairs(str(tmp_path / "a.jsonl.gz"), max_row_mb=1, on_error="skip")


def test_damage_says_how_far_the_file_was_read(tmp_path: Path) -> None:
    import gzip

    data = gzip.compress(lines(rows(20_000)))
    (tmp_path / "a.jsonl.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(CurateError) as caught:
        read_pairs(str(tmp_path / "a.jsonl.gz"), on_error="skip")
    assert caught.value.problem == "the file is damaged"
    assert "read up to byte" in str(caught.value.found)
    table = pa.Table.from_pylist(rows(20_000))
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=5000)
    intact = bytearray((tmp_path / "a.parquet").read_bytes())
    spot = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(3).column(1).data_page_offset
    intact[spot + 40 : spot + 400] = bytes(360)
    (tmp_path / "a.parquet").write_bytes(bytes(intact))
    with pytest.raises(CurateError) as caught:
        read_pairs(str(tmp_path / "a.parquet"), on_error="skip")
    assert "row 15,000" in str(caught.value.found) or "row 12,288" in str(caught.value.found)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    from curate.read.pairs import stream_pairs

    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(rows(10_000)))
    parts = stream_pairs(str(path))
    next(parts)
    with path.open("ab") as file:
        file.write(lines(rows(3)))
    with pytest.raises(CurateError, match="changed while it was read"):
        list(parts)


def test_a_file_that_vanishes_is_told(tmp_path: Path) -> None:
    from curate.read.pairs import stream_pairs

    # Small files are read together: the first one is large enough to come by itself.
    for name, count in (("a.jsonl", 300), ("b.jsonl", 3)):
        (tmp_path / name).write_bytes(lines(rows(count)))
    parts = stream_pairs(str(tmp_path))
    next(parts)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(CurateError, match=r"gone|no such file"):
        list(parts)


def test_columns_that_nobody_reads_go_to_extra_in_a_stated_form(tmp_path: Path) -> None:
    import datetime
    import decimal

    table = pa.Table.from_pylist(rows(2))
    table = table.append_column("b", pa.array([b"\x00\xff", None]))
    table = table.append_column("d", pa.array([decimal.Decimal("1.5"), None], pa.decimal256(50, 2)))
    table = table.append_column("t", pa.array([datetime.timedelta(hours=1), None]))
    table = table.append_column("m", pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())))
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read_pairs(str(tmp_path / "a.parquet")).frame["extra"].to_list()
    assert json.loads(first) == {"b": "AP8=", "d": 1.5, "t": "1:00:00", "m": [["k", 1]]}
    assert second is None


def test_half_characters_are_replaced_and_counted(tmp_path: Path) -> None:
    text = json.dumps(rows(1)[0]).replace("It is", "\\ud83d") + "\n"
    (tmp_path / "a.jsonl").write_text(text)
    pairs = read_pairs(str(tmp_path / "a.jsonl"))
    assert pairs.frame["chosen"][0][0]["content"] == "\ufffd 0."
    assert pairs.notes[0].startswith("1 rows contain invalid Unicode")


# ---- the same rows as JSON lines and as Parquet ---------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALAR = st.one_of(st.none(), TEXT, st.integers(-(2**53), 2**53), st.booleans())
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]), "content": st.one_of(TEXT, st.none())},
    optional={"name": TEXT, "weight": st.integers(0, 1)},
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "prompt": TEXT,
            "chosen": st.lists(MESSAGE, min_size=0, max_size=3),
            "rejected": st.lists(MESSAGE, min_size=1, max_size=2),
        },
        optional={
            "note": st.one_of(st.none(), TEXT),
            "score": st.one_of(st.none(), st.integers(0, 9)),
        },
    ),
    min_size=1,
    max_size=6,
)


def _pruned(value: Any) -> Any:
    """Without nulls in objects: a columnar file cannot tell them from keys that are not there."""
    if isinstance(value, dict):
        return {k: _pruned(v) for k, v in value.items() if v is not None}
    return [_pruned(v) for v in value] if isinstance(value, list) else value


def _outcome(path: Path) -> Any:
    try:
        pairs = read_pairs(str(path), on_error="skip")
    except CurateError as error:
        return error.problem
    extra = [None if e is None else _pruned(json.loads(e)) for e in pairs.frame["extra"]]
    return pairs.frame.drop("extra", "source").to_dicts(), extra, pairs.rejected["row"].to_list()


@pytest.mark.slow
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS)
def test_json_lines_and_parquet_give_the_same_pairs(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    message = pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("name", pa.string()),
            ("weight", pa.int64()),
        ]
    )
    turns = pa.list_(message)
    fields = [("prompt", pa.string()), ("chosen", turns), ("rejected", turns)]
    more = [("note", pa.string()), ("score", pa.int64())]
    schema = pa.schema(fields + [(n, t) for n, t in more if any(n in row for row in rows)])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "a.parquet")
    assert _outcome(tmp_path / "a.jsonl") == _outcome(tmp_path / "a.parquet")


# ---- anything at all ------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(SCALAR, st.floats(), st.integers()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
ANY_ROW = st.one_of(
    JSON,
    st.fixed_dictionaries({"prompt": JSON, "chosen": JSON, "rejected": JSON}),
    st.fixed_dictionaries(
        {"prompt": TEXT, "chosen": TEXT, "rejected": TEXT}, optional={"pair_id": JSON, "meta": JSON}
    ),
)


def _balanced(path: Path, count: int | None) -> None:
    try:
        pairs = read_pairs(str(path), on_error="skip")
    except CurateError:
        return
    if count is not None:
        assert len(pairs) + len(pairs.rejected) == count
    assert pl.Series(pairs.frame["pair_id"]).is_unique().all()


@pytest.mark.slow
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(json_rows=st.lists(ANY_ROW, min_size=1, max_size=5))
def test_any_json_rows_are_pairs_or_listed(json_rows: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines([*rows(2), *(json.dumps(row) for row in json_rows)]))
    _balanced(path, 2 + len(json_rows))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.text(st.sampled_from('ab,"\n\r\t; '), max_size=60))
def test_any_csv_is_read_or_refused(body: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("prompt,chosen,rejected\nq,a,b\n" + body).encode())
    _balanced(path, None)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=200),
    ending=st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet", "arrow"]),
)
def test_any_bytes_are_read_or_refused(content: bytes, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    _balanced(path, None)


FORMATS = sorted(set(format_names()) - {"columns"})
SHORT = st.one_of(
    JSON,
    TEXT,
    st.lists(MESSAGE, max_size=2),
    st.lists(TEXT, max_size=3),
    st.lists(st.fixed_dictionaries({"text": TEXT, "model": TEXT, "response": TEXT}), max_size=3),
    st.lists(st.one_of(st.integers(-3, 3), st.floats(), st.none()), max_size=3),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.data())
def test_any_values_in_the_columns_of_a_format(
    name: str, values: st.DataObject, tmp_path: Path
) -> None:
    columns = get_format(name)().columns()
    row = st.fixed_dictionaries({}, optional=dict.fromkeys(columns, SHORT))
    drawn_rows = values.draw(st.lists(row, min_size=1, max_size=4))
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines([json.dumps(r) for r in drawn_rows]))
    try:
        pairs = read_pairs(str(path), format=name, on_error="skip")
    except CurateError:
        return
    assert pairs.frame["pair_id"].is_unique().all()
