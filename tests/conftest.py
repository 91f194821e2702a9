"""Fixtures for all tests: no test touches the user's store or a network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["COLUMNS"] = "200"

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session", autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["CURATE_CACHE"] = str(tmp_path_factory.mktemp("store"))


@pytest.fixture
def data() -> Path:
    """Slices of real data sets, each beside its licence."""
    return DATA
