"""Ids of repeated contents stay with their rows, wherever these stand and in any form of file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import Pipeline
from curate.pipeline.config import SourceConfig
from curate.pipeline.mixture import read_mixture
from curate.read import repeated_ids
from curate.read.pairs import Pairs, collect_pairs, read_pairs, stream_pairs
from curate.read.row_content import extra_keys
from curate.steps.context import SilentProgress
from curate.store.scratch import ScratchSpace, memory_map_frame
from tests.helpers import write_jsonl
from tests.workers import PickledWorkers

COLUMNS = {"prompt": "p", "first": "a", "second": "b", "label": "win", "strength": "s"}
NAME = "row_name"


def make_rows() -> list[dict[str, Any]]:
    """Twelve contents, each five times, with other labels, strengths, notes and values."""
    rows: list[dict[str, Any]] = []
    for i in range(60):
        row = {"p": f"q{i % 4}", "a": f"x{i % 3}", "b": "y", "win": 1 + i % 2, "s": i % 3}
        values = {"when": f"2024-01-{1 + i % 5:02d}", "n": i % 7 if i % 4 else None, "f": i / 8}
        rows.append({**row, **values, NAME: f"row {i}"})
    return rows


ROWS = make_rows()


def ids_by_name(pairs: Pairs) -> dict[str, str]:
    names = [json.loads(extra)[NAME] for extra in pairs.frame["extra"].to_list()]
    return dict(zip(names, pairs.frame["pair_id"].to_list(), strict=True))


def read_rows(rows: Any, **settings: Any) -> Pairs:
    return read_pairs(rows, format="columns", columns=COLUMNS, **settings)


def shuffled(rows: list[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    return random.Random(seed).sample(rows, len(rows))


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    write_jsonl(path, rows)


def write_sparse_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Nulls are left out, and keys come in another order."""
    write_jsonl(path, [{k: row[k] for k in sorted(row) if row[k] is not None} for row in rows])


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pl.DataFrame(rows).write_parquet(path)


def write_parquet_of_floats(path: Path, rows: list[dict[str, Any]]) -> None:
    """As pandas writes integers beside nulls, and a trainer its floats."""
    types = {"n": pl.Float64, "f": pl.Float32, "win": pl.Float64}
    frame = pl.DataFrame(rows)
    casts = (pl.col(name).cast(types[name]) for name in frame.columns if name in types)
    frame.with_columns(*casts).write_parquet(path)


def write_parquet_of_dates(path: Path, rows: list[dict[str, Any]]) -> None:
    pl.DataFrame(rows).with_columns(pl.col("when").str.to_date()).write_parquet(path)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    pl.DataFrame(rows).write_csv(path)


FORMS: dict[str, tuple[str, Callable[[Path, list[dict[str, Any]]], None]]] = {
    "json lines": ("jsonl", write_json_lines),
    "sparse json lines": ("jsonl", write_sparse_json_lines),
    "parquet": ("parquet", write_parquet),
    "parquet of floats": ("parquet", write_parquet_of_floats),
    "parquet of dates": ("parquet", write_parquet_of_dates),
    "csv": ("csv", write_csv),
}


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_rows_keep_their_ids(seed: int) -> None:
    first, second = read_rows(ROWS), read_rows(shuffled(ROWS, seed))
    assert ids_by_name(first) == ids_by_name(second)
    ids = first.frame["pair_id"]
    assert ids.n_unique() == len(ROWS)
    sizes = ids.str.slice(0, 32).value_counts(name="n")
    assert set(sizes["n"].to_list()) == {5}
    numbers = ids.str.slice(33).replace("", "0").cast(pl.Int64)
    assert numbers.sort().to_list() == sorted([*range(5)] * 12)


def distinct_rows(column: str) -> list[dict[str, Any]]:
    """Rows that this column alone tells apart, once each, with all texts repeated."""
    rows = [{"p": "q", "a": "x", "b": "y", "win": 1, "s": 0, column: row[column]} for row in ROWS]
    return list({row[column]: row for row in rows}.values())


@pytest.mark.parametrize(
    ("form", "column"),
    [
        (form, column)
        for form in FORMS
        for column in ("win", "s", "n", "f", "when", NAME)
        if column == "when" or form != "parquet of dates"
    ],
)
def test_every_form_of_file_gives_the_same_ids(form: str, column: str, tmp_path: Path) -> None:
    rows = distinct_rows(column)
    ending, write = FORMS[form]
    write(tmp_path / f"data.{ending}", shuffled(rows))
    expected = read_rows(rows).frame["pair_id"].to_list()
    ids = read_rows(str(tmp_path / f"data.{ending}")).frame["pair_id"].to_list()
    assert len(set(expected)) == len(rows) > 1
    assert [ids[shuffled(rows).index(row)] for row in rows] == expected


def test_rows_without_a_difference_are_numbered_in_their_order() -> None:
    ids = read_rows([ROWS[0]] * 12).frame["pair_id"].to_list()
    assert [id_.partition("-")[2] for id_ in ids] == ["", *map(str, range(1, 12))]


def test_what_one_form_cannot_hold_still_tells_rows_apart_in_another() -> None:
    base = {"p": "q", "a": "x", "b": "y", "win": 1, "s": 0}
    rows = [base, {**base, "n": None}, {**base, "n": ""}, {**base, "n": 1}, {**base, "n": "1"}]
    rows += [{**base, "n": 1.0}, {**base, "n": 1.0000001}, {**base, "n": [1]}, {**base, "n": "[1]"}]

    def ids_by_extra(order: list[dict[str, Any]]) -> dict[Any, str]:
        frame = read_rows(order).frame
        return dict(zip(frame["extra"].to_list(), frame["pair_id"].to_list(), strict=True))

    assert ids_by_extra(rows) == ids_by_extra(rows[::-1])


def test_ids_that_the_data_gives_stay() -> None:
    published = str(read_rows(ROWS[:1]).frame["pair_id"][0])
    base = {key: ROWS[0][key] for key in ("p", "a", "b", "win", "s")}
    rows = [{**base, NAME: str(i), "pair_id": published if i == 2 else None} for i in range(5)]
    ids = ids_by_name(read_rows(rows[2:] + rows[:2]))
    assert ids["2"] == published
    assert len(set(ids.values())) == 5
    assert ids_by_name(read_rows([rows[2], rows[4], rows[1], rows[3], rows[0]])) == ids


def write_files(folder: Path, files: list[list[dict[str, Any]]]) -> str:
    folder.mkdir()
    for number, rows in enumerate(files):
        write_jsonl(folder / f"{number}.jsonl", rows)
    return str(folder)


def test_rows_keep_their_ids_when_they_move_to_other_files_and_workers(tmp_path: Path) -> None:
    expected = ids_by_name(read_rows(ROWS))
    rows = shuffled(ROWS)
    path = write_files(tmp_path / "data", [rows[:10], rows[10:40], rows[40:]])
    workers = PickledWorkers()
    parts = stream_pairs(path, format="columns", columns=COLUMNS, workers=workers)
    assert ids_by_name(collect_pairs(parts, ScratchSpace())) == expected
    assert workers.calls == 3
    assert ids_by_name(read_rows(path)) == expected


def test_tables_in_files_hold_the_same_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_files(tmp_path / "data", [ROWS])
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(repeated_ids, "BATCH_ROWS", 7)
    places: dict[str, Path] = {}
    parts = stream_pairs(path, format="columns", columns=COLUMNS)
    pairs = collect_pairs(parts, ScratchSpace(tmp_path / "work"), places)
    assert pairs.frame.equals(read_rows(path).frame)
    assert memory_map_frame(places["frame"]).equals(pairs.frame)
    assert len(list((tmp_path / "work").glob("*pairs*"))) == 1


def test_rows_of_distinct_contents_are_left_as_they_are(tmp_path: Path) -> None:
    path = write_files(tmp_path / "data", [[{**row, "p": row[NAME]} for row in ROWS]])
    parts = list(stream_pairs(path, format="columns", columns=COLUMNS))
    frame = collect_pairs(iter(parts), ScratchSpace()).frame
    assert frame.equals(pl.concat(part.frame for part in parts))


def test_a_limit_numbers_what_was_read() -> None:
    assert ids_by_name(read_rows(ROWS, limit=30)) == ids_by_name(read_rows(ROWS[:30]))


@pytest.mark.parametrize("share", [1.0, 2.0])
def test_rows_of_a_mixture_keep_their_ids(share: float, tmp_path: Path) -> None:
    def read_mixed(rows: list[dict[str, Any]], form: str) -> list[tuple[Any, ...]]:
        ending, write = FORMS[form]
        sources = []
        for name, source_rows in (("a", rows), ("b", rows[::2])):
            path = tmp_path / f"{name}.{ending}"
            write(path, source_rows)
            settings = {"path": str(path), "format": "columns", "columns": COLUMNS}
            sources.append(SourceConfig.model_validate({"name": name, "share": share, **settings}))
        pairs, _ = read_mixture(sources, 0, SilentProgress(), ScratchSpace())
        names = pl.col("extra").str.json_path_match(f"$.{NAME}")
        ids = pairs.frame.select("source", names, "pair_id")
        assert ids["pair_id"].n_unique() == len(ids) == (60 + 30) * share
        assert ids["pair_id"].str.count_matches("-").max() == 1
        return sorted(ids.rows())

    rows = [{**row, "p": f"q{i % 4}"} for i, row in enumerate(ROWS)]
    expected = read_mixed(rows, "json lines")
    moved = [row for pair in zip(rows[::2][::-1], rows[1::2], strict=True) for row in pair]
    assert read_mixed(moved, "json lines") == expected
    assert read_mixed(moved, "parquet of floats") == expected


def test_rows_of_several_rows_do_not_depend_on_where_these_stand() -> None:
    rows = [
        {"prompt": f"p{i // 2}", "completion": "good" if i % 2 else "bad", "label": bool(i % 2)}
        for i in range(12)
    ]
    marked = [{**row, "note": f"{row['prompt']}"} for row in rows]
    ids = read_pairs(marked, format="unpaired").frame.sort("pair_id")["pair_id"]
    moved = read_pairs(marked[::-1], format="unpaired").frame.sort("pair_id")["pair_id"]
    assert ids.to_list() == moved.to_list()


def test_a_run_of_a_shuffled_file_is_the_same_set(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", ROWS)
    write_json_lines(tmp_path / "b.jsonl", shuffled(ROWS))
    tables = []
    for name in ("a.parquet", "b.jsonl"):
        settings = {"path": str(tmp_path / name), "format": "columns", "columns": COLUMNS}
        config = {"input": settings, "scorers": [{"type": "lengths"}], "store": None}
        result = Pipeline(config).run(output=tmp_path / f"{name}-run")
        names = pl.col("extra").str.json_path_match(f"$.{NAME}")
        tables.append(sorted(pl.DataFrame(result.kept).select("pair_id", names).rows()))
    assert tables[0] == tables[1]
    assert len(tables[0]) == 60


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1}', '{"a": 1.0}'),
        ('{"a": 0.1}', '{"a": 0.10000000149011612}'),
        ('{"a": true}', '{"a": "True"}'),
        ('{"a": null, "b": 2}', '{"b": 2}'),
        ('{"a": {"b": null}}', "{}"),
        ('{"a": ""}', None),
        ('{"a": [1, {"b": "2"}]}', '{"a": "[1.0, {\\"b\\": 2, \\"c\\": null}]"}'),
        ('{"a": "2024-01-01"}', '{"a": "2024-01-01T00:00:00Z"}'),
        ('{"a": "2024-01-01 02:00:00+02:00"}', '{"a": "2024-01-01T00:00:00"}'),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ('{"a": 1, "rows": [1, 2]}', '{"a": 1, "rows": [7, 9]}'),
    ],
)
def test_values_that_forms_spell_in_different_ways(one: str | None, other: str | None) -> None:
    assert extra_keys(one).across_forms == extra_keys(other).across_forms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 9007199254740993}', '{"a": 9007199254740992}'),
        ('{"a": "x"}', '{"b": "x"}'),
        ('{"a": [1, 2]}', '{"a": [2, 1]}'),
        ('{"a": "2024-01-01"}', '{"a": "2024-01-02"}'),
        ('{"a": "rows"}', '{"rows": "a"}'),
        ('{"rows": ["a"]}', '{"rows": ["b"]}'),
        ('{"a": "[broken"}', '{"a": "{broken"}'),
        ('{"a": 1e999}', '{"a": 2}'),
        ("[" * 100_000, "[" * 100_001),
        ('{"a": ' + "9" * 5000 + "}", '{"a": ' + "8" * 5000 + "}"),
    ],
)
def test_values_that_differ(one: str, other: str) -> None:
    assert extra_keys(one).across_forms != extra_keys(other).across_forms
    assert extra_keys(one).exact != extra_keys(other).exact
