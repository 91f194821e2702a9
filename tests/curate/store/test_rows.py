"""The store of small values."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from curate.store.rows import RowStore, row_key
from curate.store.warnings import StoreWarnings


def test_what_was_put_is_found_and_never_changes(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "a" / "rows.sqlite")
    keys = [row_key("x", str(i)) for i in range(1200)]
    store.put(keys, [str(i).encode() for i in range(1200)])
    store.put(keys[:1], [b"other"])
    stored_values = RowStore(tmp_path / "a" / "rows.sqlite").get([*keys, row_key("missing")])
    assert stored_values == {key: str(i).encode() for i, key in enumerate(keys)}


def test_keys_depend_on_where_a_text_ends() -> None:
    assert row_key("ab", "c") != row_key("a", "bc") != row_key("abc")


def test_several_writers(tmp_path: Path) -> None:
    def write(worker: int) -> None:
        store = RowStore(tmp_path / "rows.sqlite")
        for i in range(20):
            store.put([row_key(str(worker), str(i))], [b"v"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    keys = [row_key(str(w), str(i)) for w in range(4) for i in range(20)]
    assert len(RowStore(tmp_path / "rows.sqlite").get(keys)) == 80


def test_runs_that_open_a_new_store_at_once_all_keep_their_values(tmp_path: Path) -> None:
    # SQLite does not wait where a file's journal changes: one of 30 such starts lost a store.
    for number in range(60):
        path, store_warnings = tmp_path / f"{number}.sqlite", StoreWarnings()
        together = Barrier(6)

        def start(
            worker: int,
            path: Path = path,
            warnings: StoreWarnings = store_warnings,
            at: Barrier = together,
        ) -> None:
            at.wait()
            RowStore(path, warnings).put([row_key(str(worker))], [b"v"])

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(start, range(6)))
        assert not store_warnings.texts()
        assert len(RowStore(path).get([row_key(str(w)) for w in range(6)])) == 6


def test_a_file_that_is_no_store_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows.sqlite").write_text("not a database, but long enough to look like one " * 20)
    store_warnings = StoreWarnings()
    store = RowStore(tmp_path / "rows.sqlite", store_warnings)
    store.put([b"a"], [b"b"])
    assert store.get([b"a"]) == {}
    assert len(store_warnings.texts()) == 1
    assert "cannot be used" in store_warnings.texts()[0]


def test_a_changed_value_counts_for_nothing_and_is_kept_anew(tmp_path: Path) -> None:
    path, store_warnings = tmp_path / "rows.sqlite", StoreWarnings()
    RowStore(path).put([b"a", b"b"], [b"0.25", b"0.5"])
    with sqlite3.connect(path) as connection:
        (value,) = connection.execute("SELECT value FROM checked WHERE key = ?", (b"a",)).fetchone()
        changed = value[:-1] + bytes([value[-1] ^ 1])
        connection.execute("UPDATE checked SET value = ? WHERE key = ?", (changed, b"a"))
    store = RowStore(path, store_warnings)
    assert store.get([b"a", b"b"]) == {b"b": b"0.5"}
    assert "damaged cache entries" in store_warnings.texts()[0]
    store.put([b"a"], [b"0.25"])
    assert store.get([b"a"]) == {b"a": b"0.25"}


def test_a_locked_or_damaged_database_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.store.rows._WAIT_SECONDS", 0.1)
    path = tmp_path / "rows.sqlite"
    RowStore(path).put([b"a"], [b"1"])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store = RowStore(path, store_warnings := StoreWarnings())
    store.put([b"b"], [b"2"])
    store.get([b"a"])
    other.close()
    assert len(store_warnings.texts()) == 1
    data = bytearray(path.read_bytes())
    data[100:4000] = b"\xff" * 3900
    path.write_bytes(bytes(data))
    damaged = RowStore(path, store_warnings := StoreWarnings())
    assert damaged.get([b"a"]) == {}
    assert store_warnings.texts()
