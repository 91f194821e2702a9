from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from curate.store.prune import list_entries, prune_store
from curate.store.store import Store


def written(folder: Path, text: str = "rows") -> Path:
    path = folder / "table.arrow"
    path.write_text(text)
    return path


def test_files_come_back_with_what_was_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert store.files("pairs").get("k") is None
    store.files("pairs").put("k", {"frame": written(tmp_path)}, {"rows": 3})
    (tmp_path / "table.arrow").unlink()
    entry = store.files("pairs").get("k")
    assert entry is not None
    assert entry.files["frame"].read_text() == "rows"
    assert entry.facts == {"rows": 3}
    assert not list((tmp_path / "store" / "pairs").glob("*.tmp"))


def test_a_changed_file_counts_for_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.files("pairs").put("k", {"frame": written(tmp_path)}, {})
    for damage in (lambda p: p.write_text("worr"), lambda p: p.unlink()):
        store.files("pairs").put("k", {"frame": written(tmp_path)}, {})
        damage(tmp_path / "store" / "pairs" / "k.frame")
        assert store.files("pairs").get("k") is None
    (tmp_path / "store" / "pairs" / "k.told").write_text("{")
    assert store.files("pairs").get("k") is None
    assert "damaged cache entries" in store.store_warnings.texts()[0]


def test_another_disk_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*paths: object) -> None:
        raise OSError(errno.EXDEV, "another device")

    monkeypatch.setattr(os, "link", refused)
    store = Store(tmp_path / "store")
    store.files("pairs").put("k", {"frame": written(tmp_path)}, {})
    written(tmp_path, "other")
    entry = store.files("pairs").get("k")
    assert entry is not None
    assert entry.files["frame"].read_text() == "rows"


def test_a_store_without_room_is_told_and_holds_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file in the way")
    store = Store(tmp_path / "store")
    store.files("pairs").put("k", {"frame": written(tmp_path)}, {})
    assert "cannot be used" in store.store_warnings.texts()[0]
    assert store.files("pairs").get("k") is None


def test_pruning_takes_all_files_of_an_entry(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    files = {"frame": written(tmp_path), "keys.npy": written(tmp_path, "12345678")}
    store.files("pairs").put("k", files, {})
    (entry,) = list_entries(store)
    assert (entry.kind, entry.size > 8) == ("pairs", True)
    prune_store(store, None, 0)
    assert list((tmp_path / "store" / "pairs").iterdir()) == []
