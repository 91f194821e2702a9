"""The generated pages of the site, and its versions."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import curate
from curate import Pipeline
from curate.cli.list_steps import StepDescription, list_of_steps
from curate.steps.registry import filter_class, scorer_class

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def steps() -> list[tuple[str, StepDescription, type]]:
    listing = list_of_steps()
    scorers = [(name, entry, scorer_class(name)) for name, entry in listing.scorers.items()]
    filters = [(name, entry, filter_class(name)) for name, entry in listing.filters.items()]
    return [*scorers, *filters]


def test_each_step_page_has_a_valid_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    step_pages: ModuleType = importlib.import_module("step_pages")
    for name, entry, step in steps():
        page = step_pages.step_page(name, entry, step)
        body = page.partition("```yaml\n")[2].partition("\n```")[0]
        Pipeline(yaml.safe_load(body))
        assert "## What it computes" in page
        assert (ROOT / step_pages.source_file(step)).is_file()


def test_the_index_begins_with_label_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    step_pages: ModuleType = importlib.import_module("step_pages")
    listing = list_of_steps()
    scorers = step_pages.step_index(listing.scorers, "scorers")
    filters = step_pages.step_index(listing.filters, "filters")
    assert scorers.lstrip().startswith("## Label noise")
    assert filters.lstrip().startswith("## Keep or drop by label noise")


def test_versions_are_published_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    publish = importlib.import_module("publish").publish
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("a page")
    for version in ("0.9", "0.10", "0.9"):
        publish(version, tmp_path / "pages", site)
    listing = json.loads((tmp_path / "pages" / "versions.json").read_text())
    assert [entry["version"] for entry in listing] == ["0.10", "0.9"]
    assert (tmp_path / "pages" / "0.9" / "index.html").read_text() == "a page"
    assert "url=0.10/" in (tmp_path / "pages" / "index.html").read_text()


def test_pages_show_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert config["copyright"].startswith(f"curate {project['version']}")


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    pages = (path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert [page for page in pages if page not in text] == []


def test_pages_are_short() -> None:
    lengths = {page.name: len(page.read_text().splitlines()) for page in DOCS.rglob("*.md")}
    assert [name for name, count in lengths.items() if count >= 150] == []


def test_notebooks_are_five_with_results_and_charts() -> None:
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert 0 < len(paths) <= 5
    for path in paths:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        assert not [output for output in outputs if output["output_type"] == "error"], path.name
        assert any("plotly" in key for output in outputs for key in output.get("data", {}))
        assert "/tmp/" not in path.read_text(encoding="utf-8"), path.name


def test_the_reference_of_python_has_every_public_name() -> None:
    text = (DOCS / "reference" / "python.md").read_text()
    listed = set(re.findall(r"^::: curate\.[\w.]*?(\w+)$", text, re.M))
    assert set(curate.__all__) <= listed
