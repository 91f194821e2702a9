"""The public API for writers of scorers: few names, each documented."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

from curate import scoring

MOST_NAMES = 30
SUB_MODULES = sorted(info.name for info in pkgutil.iter_modules(scoring.__path__))


def is_documented(value: object) -> bool:
    """Return whether a class or function says what it is; values say it where they are defined."""
    return not (inspect.isclass(value) or inspect.isfunction(value)) or bool(inspect.getdoc(value))


def test_there_are_few_names_and_all_resolve() -> None:
    assert len(scoring.__all__) <= MOST_NAMES
    assert sorted(scoring.__all__) == sorted(scoring._HOMES)
    assert all(is_documented(getattr(scoring, name)) for name in scoring.__all__)
    with pytest.raises(AttributeError, match="no attribute 'vote_masks'"):
        scoring.vote_masks  # noqa: B018


@pytest.mark.parametrize("name", SUB_MODULES)
def test_names_of_a_sub_module_are_documented(name: str) -> None:
    module = importlib.import_module(f"curate.scoring.{name}")
    assert name in (scoring.__doc__ or "")
    undocumented = [n for n in module.__all__ if not is_documented(getattr(module, n))]
    assert undocumented == []


def test_texts_do_not_load_torch() -> None:
    code = (
        "import sys; from curate.scoring import messages_text, need; import curate.scoring.texts, "
        "curate.scoring.filtering; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("module", "old_name", "new_name"),
    [
        ("curate.models.heads.head_scorer", "HeadScorer", "HeldOutScorer"),
        ("curate.models.embed.neighbours", "nearest_others", "nearest_neighbours"),
        ("curate.models.lm.answer_logprobs", "STATUS", "MODEL_STATUS"),
    ],
)
def test_old_names_still_work_with_a_warning(module: str, old_name: str, new_name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"is now called curate.scoring.{new_name}"):
        old_value = getattr(importlib.import_module(module), old_name)
    assert old_value is getattr(scoring, new_name)
