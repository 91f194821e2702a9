"""The store of small values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curate import CurateError
from curate.store.rows import RowStore, row_key


def test_what_was_put_is_found_and_never_changes(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "a" / "rows.sqlite")
    keys = [row_key("x", str(i)) for i in range(1200)]
    store.put(keys, [str(i).encode() for i in range(1200)])
    store.put(keys[:1], [b"other"])
    found = RowStore(tmp_path / "a" / "rows.sqlite").get([*keys, row_key("missing")])
    assert found == {key: str(i).encode() for i, key in enumerate(keys)}


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


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "rows.sqlite").write_text("not a database, but long enough to look like one " * 20)
    with pytest.raises(CurateError, match="store cannot be used"):
        RowStore(tmp_path / "rows.sqlite")
