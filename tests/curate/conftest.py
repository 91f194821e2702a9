"""A browser to look at pages with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def chromium() -> str | None:
    return next(
        (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))),
        None,
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium of the system."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = chromium()
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=quiet)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose requests and errors are kept: `requests`, `errors`."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    opened.requests_made = []
    opened.errors = []
    opened.on("request", lambda request: opened.requests_made.append(request.url))
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("console", lambda m: opened.errors.append(m.text) if m.type == "error" else None)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core, which finds what people with disabilities can't use."""
    folders = [ROOT / "node_modules"]
    if npm := shutil.which("npm"):
        listed = subprocess.run(
            [npm, "root", "--global"], check=False, capture_output=True, text=True
        )
        folders.append(Path(listed.stdout.strip() or "."))
    paths = (folder / "axe-core" / "axe.min.js" for folder in folders)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        pytest.skip("needs axe-core: npm install --global axe-core")
    return path.read_text(encoding="utf-8")


def axe_findings(page: Any, axe: str) -> list[str]:
    """Return what axe finds on a page in the page's present colours, one line each."""
    page.evaluate(axe)
    violations = page.evaluate("axe.run()")["violations"]
    return [f"{v['id']}: {node['html'][:200]}" for v in violations for node in v["nodes"]]
