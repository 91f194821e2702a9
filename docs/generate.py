"""Write the sources of the site to `.site-source`: the pages of this folder, and generated ones.

Run it before `zensical build`. What steps, exports and commands declare becomes pages; none is
committed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import reference_pages
import step_pages

from curate.cli.list_steps import list_of_steps
from curate.steps.registry import filter_class, scorer_class

HERE = Path(__file__).parent
ROOT = HERE.parent
TARGET = ROOT / ".site-source"


def write(place: str, text: str) -> None:
    """Write a page of the site."""
    path = TARGET / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_step_pages() -> None:
    """Write a page for each scorer and filter, with its source, and the two indexes."""
    steps = list_of_steps()
    sections: tuple[tuple[str, dict[str, step_pages.StepDescription], step_pages.Loader], ...] = (
        ("scorers", steps.scorers, scorer_class),
        ("filters", steps.filters, filter_class),
    )
    for section, entries, load in sections:
        intro = (HERE / f"reference/{section}.md").read_text(encoding="utf-8")
        index = step_pages.step_index(entries, section)
        write(f"reference/{section}.md", intro.rstrip() + "\n" + index)
        for name, entry in entries.items():
            step = load(name)
            write(f"reference/{section}/{name}.md", step_pages.step_page(name, entry, step))
            path = step_pages.source_file(step)
            # As text: a browser shows it, where it would save a file of Python.
            source = (ROOT / path).read_text(encoding="utf-8")
            write(f"reference/source/{path.with_suffix('.txt')}", source)
    write("reference/formats.md", reference_pages.formats_page(steps))
    write("reference/columns.md", reference_pages.columns_page(steps))


def write_site_source() -> None:
    """Write all pages, in the place of those of an earlier call."""
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(HERE, TARGET, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    write_step_pages()
    write("reference/trainers/parts.md", reference_pages.feature_support_page())
    write("reference/configuration.md", reference_pages.configuration_page())
    write("reference/commands.md", reference_pages.commands_page())
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    write("changelog.md", changelog.replace("](docs/", "]("))


if __name__ == "__main__":
    write_site_source()
