from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.models.embed import shipped_model
from curate.models.embed.embedder import Embedder
from curate.models.embed.shipped_model import (
    PUBLISHED_SHA256,
    check_shipped_model,
    shipped_folder,
)


def test_the_installed_model_is_the_published_one() -> None:
    check_shipped_model(shipped_folder())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The model's checked files, changeable."""
    for name in PUBLISHED_SHA256:
        shutil.copy2(shipped_folder() / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PUBLISHED_SHA256)
def test_one_other_bit_is_an_error_with_the_fix(name: str, copy: Path) -> None:
    check_shipped_model(copy)
    data = bytearray((copy / name).read_bytes())
    data[-1] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(CurateError, match="not the published one") as error:
        check_shipped_model(copy)
    assert "pip install --force-reinstall" in str(error.value)
    (copy / name).unlink()
    with pytest.raises(CurateError, match="no such file"):
        check_shipped_model(copy)


def test_an_unchanged_file_is_read_once(copy: Path) -> None:
    check_shipped_model(copy)
    reads = shipped_model._sha256.cache_info().misses
    check_shipped_model(copy)
    assert shipped_model._sha256.cache_info().misses == reads
    os.utime(copy / "tokenizer.json", ns=(1, 1))
    check_shipped_model(copy)
    assert shipped_model._sha256.cache_info().misses == reads + 1


def test_other_weights_are_not_loaded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "model.safetensors").write_bytes(b"")
    monkeypatch.setattr("curate.models.embed.embedder.shipped_folder", lambda: copy)
    with pytest.raises(CurateError, match="not the published one"):
        Embedder()
