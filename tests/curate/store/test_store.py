"""Nothing that was changed on the disk comes back as a score or vector."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate import Pipeline
from curate.data.hashes import KEY_BYTES
from curate.store.store import Store
from curate.store.vectors import VectorStore
from curate.store.warnings import StoreWarnings
from tests.curate.write.test_run_folder import mounted
from tests.helpers import trl_rows, write_jsonl


def flip(path: Path, at: float) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    spot = int(len(data) * at)
    data[spot] ^= 4
    path.write_bytes(bytes(data))


def put(store: Store, key: str) -> None:
    """Keep a table of two parts."""
    table = pa.table({"x": np.arange(1000.0)})
    store.put_table(key, table.schema, [table[:600], table[600:]])


@pytest.mark.parametrize("at", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_changed_table_or_array_counts_for_nothing(at: float, tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, "scores/a")
    store.put_array("hidden/a", np.arange(1000, dtype=np.float32))
    table, array = store.open_table("scores/a"), store.get_array("hidden/a")
    assert table is not None
    assert table.read()["x"].to_pylist() == list(range(1000))
    assert array is not None
    assert array.tolist() == list(range(1000))
    del array
    flip(tmp_path / "scores" / "a.scores", at)
    flip(tmp_path / "hidden" / "a.array", at)
    assert store.open_table("scores/a") is None
    assert store.get_array("hidden/a") is None
    assert len(store.store_warnings.texts()) == 1


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17, 500])
def test_a_cut_table_counts_for_nothing(cut: int, tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, "a")
    path = tmp_path / "a.scores"
    path.write_bytes(path.read_bytes()[:cut])
    assert store.open_table("a") is None


KEYS = np.array([f"k{i:03d}".encode() * 4 for i in range(300)], dtype=f"S{KEY_BYTES}")
VECTORS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


def fill(folder: Path) -> Path:
    store = VectorStore(folder)
    for start in range(0, 300, 100):
        store.append(KEYS[start : start + 100], VECTORS[start : start + 100])
    store.close()
    (path,) = folder.glob("*.arrows")
    return path


def damage_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    spot = data.find(VECTORS[150].tobytes())
    data[spot + 2] ^= 1
    path.write_bytes(bytes(data))


def damage_a_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    spot = data.find(VECTORS[110].tobytes())
    data[spot : spot + 2048] = bytes(2048)
    path.write_bytes(bytes(data))


def damage_by_nan(path: Path) -> None:
    data = bytearray(path.read_bytes())
    spot = data.find(VECTORS[150].tobytes())
    data[spot : spot + 4] = np.float32("nan").tobytes()
    path.write_bytes(bytes(data))


def damage_a_key(path: Path) -> None:
    data = bytearray(path.read_bytes())
    spot = data.find(KEYS[150])
    data[spot : spot + 16] = KEYS[10]
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "damage", [damage_one_bit, damage_a_page, damage_by_nan, damage_a_key], ids=lambda d: d.__name__
)
def test_a_changed_batch_of_vectors_counts_for_nothing(damage: object, tmp_path: Path) -> None:
    path = fill(tmp_path)
    damage(path)  # type: ignore[operator]
    store, out = (
        VectorStore(tmp_path, store_warnings=(warnings := StoreWarnings())),
        np.zeros_like(VECTORS),
    )
    is_stored = store.find(KEYS, out)
    assert (out[is_stored] == VECTORS[is_stored]).all()
    assert is_stored[200:].all()
    assert not is_stored[100:200].any()
    assert len(warnings.texts()) == 1
    store.append(KEYS[100:200], VECTORS[100:200])
    store.close()
    again = VectorStore(tmp_path)
    assert again.find(KEYS, out).all()
    assert (out == VECTORS).all()


def test_vectors_without_a_checksum_are_not_taken(tmp_path: Path) -> None:
    path = fill(tmp_path)
    batches = list(pa.ipc.open_stream(path.read_bytes()))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    assert len(VectorStore(tmp_path)) == 0


CONFIG = {
    "scorers": [{"type": "reward_margin"}, {"type": "repetition"}],
    "output": {"report": False},
    "embedder": {"name": "static"},
}


def run_with(folder: Path, store: Path) -> tuple[object, list[str]]:
    write_jsonl(folder / "a.jsonl", trl_rows(60))
    config = {**CONFIG, "input": {"path": str(folder / "a.jsonl")}, "store": str(store)}
    result = Pipeline(config).run()
    return result.scores.to_dict(as_series=False), result.warnings


@pytest.mark.slow
def test_a_run_on_a_damaged_store_gives_the_same_scores_and_says_so(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first, quiet = run_with(tmp_path, store)
    assert quiet == []
    files = [p for p in store.rglob("*") if p.is_file()]
    assert len(files) > 2
    for path in files:
        flip(path, 0.6)
    second, warnings = run_with(tmp_path, store)
    assert second == first
    assert any("store" in text for text in warnings)


@pytest.mark.slow
def test_a_run_on_a_store_that_cannot_be_written_goes_on(tmp_path: Path) -> None:
    first, _ = run_with(tmp_path, tmp_path / "store")
    (tmp_path / "file").write_text("in the way")
    second, warnings = run_with(tmp_path, tmp_path / "file" / "store")
    assert second == first
    assert sum("store cannot be used" in text for text in warnings) == 1


def test_the_store_and_the_cache_command_take_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store(Path("~/x")).root == tmp_path / "x"
    monkeypatch.setenv("CURATE_CACHE", "~/y")
    assert Store().root == tmp_path / "y"
    assert os.environ["CURATE_CACHE"] == "~/y"


@pytest.mark.slow
def test_a_run_on_a_store_whose_disk_is_full_goes_on(tmp_path: Path) -> None:
    first, _ = run_with(tmp_path, tmp_path / "store")
    with mounted(tmp_path / "small", "64k") as disk:
        second, warnings = run_with(tmp_path, disk / "store")
    assert second == first
    assert sum("store cannot be used" in text for text in warnings) == 1
