from __future__ import annotations

import importlib.metadata
import importlib.util
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curate import Context
from curate.benchmark.methods import METHODS, missing_control_notes
from curate.errors import CurateError
from curate.filters.pareto import Pareto
from curate.models.media.decoding import decode_image
from curate.models.text.schema_check import schema_problem
from curate.optional_packages import install_command
from curate.report.thumbnails import make_thumbnail
from curate.scorers.confident_learning import label_quality
from tests.pictures import picture

ROOT = Path(__file__).parents[2]


def pareto() -> object:
    pairs = pl.DataFrame({"a.x": [1.0, 2.0], "a.y": [2.0, 1.0]})
    return Pareto(criteria={"a.x": "max", "a.y": "max"}, fronts=1).apply(pairs, Context())


USES: dict[str, tuple[str, Callable[[], object]]] = {
    "cleanlab": ("methods", lambda: label_quality(np.array([0.9, 0.2]), np.ones(2, dtype=bool))),
    "jsonschema": ("methods", lambda: schema_problem({"type": "object"}, {})),
    "moocore": ("methods", pareto),
    "PIL": ("media", lambda: decode_image(picture())),
}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Hide a package, as if it were not installed."""
    find_spec = importlib.util.find_spec

    def hide(package: str) -> None:
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == package else find_spec(name)
        )

    return hide


@pytest.mark.parametrize("package", USES)
def test_the_error_names_the_extra(package: str, without: Callable[[str], None]) -> None:
    extra, use = USES[package]
    use()
    without(package)
    with pytest.raises(CurateError, match=f"{package} is not installed") as error:
        use()
    assert f"[{extra}]" in str(error.value)


def test_a_report_without_pillow_names_the_extra(without: Callable[[str], None]) -> None:
    medium = {"path": None, "bytes": picture()}
    assert (make_thumbnail(medium, ()).url or "").startswith("data:image/jpeg")
    without("PIL")
    assert "[media]" in (make_thumbnail(medium, ()).problem or "")


ORIGINS = {
    None: 'pip install ".[media]"',
    '{"url": "file:///src/curate", "dir_info": {"editable": true}}': (
        'pip install -e "/src/curate[media]"'
    ),
    '{"url": "https://host/curate.whl", "archive_info": {}}': (
        'pip install "curate-preferences[media] @ https://host/curate.whl"'
    ),
    '{"url": "https://host/curate.git", "vcs_info": {"vcs": "git", "commit_id": "ab"}}': (
        'pip install "curate-preferences[media] @ git+https://host/curate.git"'
    ),
}


@pytest.mark.parametrize("recorded", ORIGINS)
def test_the_command_names_where_the_package_came_from(
    recorded: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata.Distribution, "read_text", lambda *_: recorded)
    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", lambda *_: recorded)
    assert install_command("media") == ORIGINS[recorded]


def test_nothing_sends_readers_to_a_name_on_the_index_that_is_not_ours() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "curate").rglob("*.py")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "pip install curate-preferences" not in text, page
        assert 'pip install "curate-preferences' not in text, page
        assert "pypi.org/project/curate-preferences" not in text, page


def test_at_most_twenty_packages_are_required_and_dev_has_all_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(project["dependencies"]) <= 20
    extras = project["optional-dependencies"]
    # Those of a GPU cannot be installed everywhere; int8 holds what openvino does.
    expected_extras = set(extras) - {"dev", "gpu", "vllm", "openvino"}
    assert expected_extras <= set(extras["dev"][0].partition("[")[2].rstrip("]").split(","))


def test_the_bench_has_all_controls_where_all_is_installed() -> None:
    assert missing_control_notes() == []
    assert "cleanlab (control)" in {method.name for method in METHODS}
