from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from curate.models.embed.pair_embeddings import text_keys
from curate.store.vectors import VectorStore

TEXTS = [f"text {i}" for i in range(20)]
KEYS = text_keys(TEXTS)
VECTORS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)


def stored_vectors(store: VectorStore) -> tuple[np.ndarray, np.ndarray]:
    out = np.zeros((20, 5), dtype=np.float32)
    return store.find(KEYS, out), out


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_was_appended_is_found_by_the_next(tmp_path: Path, dtype: str) -> None:
    with closing(VectorStore(tmp_path, dtype)) as store:
        assert not stored_vectors(store)[0].any()
        store.append(KEYS[:8], VECTORS[:8])
        store.append(KEYS[8:11], VECTORS[8:11])
    with closing(VectorStore(tmp_path, dtype)) as store:
        is_stored, out = stored_vectors(store)
        assert len(store) == 11
        assert is_stored.tolist() == [True] * 11 + [False] * 9
        np.testing.assert_allclose(out[:11], VECTORS[:11], rtol=1e-3 if dtype == "float16" else 0)
        assert not out[11:].any()


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with closing(VectorStore(tmp_path)) as one, closing(VectorStore(tmp_path)) as two:
        one.append(KEYS[:5], VECTORS[:5])
        two.append(KEYS[3:9], VECTORS[3:9])
        one.append(KEYS[9:12], VECTORS[9:12])
        with closing(VectorStore(tmp_path)) as third:
            is_stored, out = stored_vectors(third)
    assert is_stored.sum() == 12
    np.testing.assert_array_equal(out[:12], VECTORS[:12])


def test_a_file_that_was_cut_off_gives_its_whole_batches(tmp_path: Path) -> None:
    with closing(VectorStore(tmp_path)) as store:
        store.append(KEYS[:6], VECTORS[:6])
        full_size = next(tmp_path.iterdir()).stat().st_size
        store.append(KEYS[6:9], VECTORS[6:9])
    path = next(tmp_path.iterdir())
    for size in (full_size, full_size + 1, full_size + 40, full_size // 2, 0):
        data = path.read_bytes()
        cut = tmp_path.parent / f"cut-{size}"
        cut.mkdir()
        (cut / path.name).write_bytes(data[:size])
        with closing(VectorStore(cut)) as store:
            is_stored, out = stored_vectors(store)
        assert is_stored.sum() == (6 if size >= full_size else 0)
        np.testing.assert_array_equal(out[:6][is_stored[:6]], VECTORS[:6][is_stored[:6]])
