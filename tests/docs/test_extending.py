"""The worked examples of the page on extending, each registered as an installed package is."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from curate.read.formats import Format
from curate.read.formats import registry as formats
from curate.steps import discovery, entries, registry
from curate.steps.discovery import Catalogue
from curate.write.exports import Export
from curate.write.exports import registry as exports
from tests.models import tiny_causal

PAGES = Path(__file__).parents[2] / "docs" / "guides" / "extending"
GROUPS = {"Scorer": "curate.scorers", "Filter": "curate.filters"} | {
    "Format": "curate.formats", "Export": "curate.exports",
}  # fmt: skip


def examples() -> dict[str, tuple[str, str]]:
    """Return the module and the script of each example, by its name."""
    text = "".join(page.read_text() for page in sorted(PAGES.glob("*.md")))
    blocks = re.findall(r"<!-- (.+?) -->\n```python\n(.*?)\n```", text, re.S)
    pairs = zip(blocks[::2], blocks[1::2], strict=True)
    assert [head for head, _ in blocks[1::2]] == ["run"] * (len(blocks) // 2)
    return {head.split("/")[1]: (module, script) for (head, module), (_, script) in pairs}


def register(monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> None:
    """Let curate find the class of a module by an entry point, as one that is installed."""
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, name, "exec"), module.__dict__)
    class_name, base = re.findall(
        r"^class (\w+)\(\w*?(Scorer|Filter|Format|Export)\b", source, re.M
    )[0]
    entry = EntryPoint(name, f"{name}:{class_name}", GROUPS[base])
    installed = entries.entry_points_by_name

    def by_name(group: str) -> dict[str, list[EntryPoint]]:
        return installed(group) | ({name: [entry]} if group == entry.group else {})

    for user in (registry, discovery):
        monkeypatch.setattr(user, "entry_points_by_name", by_name)
    first = {group: {n: e[0] for n, e in by_name(group).items()} for group in GROUPS.values()}
    monkeypatch.setattr(registry, "entry_point_by_name", first.__getitem__)
    fresh_formats = Catalogue("input format", "curate.read.formats", entries.FORMATS, Format)
    monkeypatch.setattr(formats, "CATALOGUE", fresh_formats)
    fresh_exports = Catalogue("export format", "curate.write.exports", entries.EXPORTS, Export)
    monkeypatch.setattr(exports, "CATALOGUE", fresh_exports)


def test_there_is_an_example_of_each() -> None:
    text = "".join(module for module, _ in examples().values())
    for base in ("Scorer[", "HeldOutScorer[", "Filter[", "Format)", "Export)", "answer_logprobs"):
        assert base in text


@pytest.mark.slow
@pytest.mark.parametrize("name", list(examples()))
def test_an_example_prints_what_the_page_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module, script = examples()[name]
    register(monkeypatch, name, module)
    if "model = " in script:
        model = tiny_causal(tmp_path / "model")
        script = re.sub(r'model = ".*"', f'model = "{model}"', script)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, name, "exec"), {})
    assert printed.getvalue().strip() == script.rpartition("  # ")[2].strip()
