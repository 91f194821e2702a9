"""Pictures of all pages for the documentation: `python -m tests.benchmarks.screenshots`.

Runs the commands on the bundled sample, photographs each page in Chromium at 1280 and 390 pixels,
light and dark, and writes one picture a page into docs/images, and README's picture. Results are
kept in --folder, and are not computed again where they are there.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

from curate.sample import SAMPLE_DATA, sample_pipeline
from tests.curate.conftest import chromium
from tests.review_process import ReviewProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SIZES = ((1280, 800), (390, 844))
SCHEMES = ("light", "dark")
_DATA = "preferences.jsonl.gz"
_SCALE, _GAP, _COLOURS = 0.6, 8, 64
"""Size of a part in a picture, pixels between parts, colours: each file stays below 150 kB."""
_MAX_BYTES = 150_000


def commands() -> dict[str, tuple[str, list[str]]]:
    """The page of each command, and its arguments; paths are within the folder of the results."""
    small = ["--limit", "900", "--embedder", "static", "--seeds", "2"]
    return {
        "report": ("curated/report.html", ["run", "pipeline.yaml", "--output", "curated"]),
        "other": ("labels-only/report.html", ["run", "labels.yaml", "--output", "labels-only"]),
        "compare": ("compare.html", ["compare", "curated", "labels-only", "-o", "compare.html"]),
        "audit.json": ("audit.json", ["audit", _DATA, "-o", "audit.json"]),
        "audit": ("audit.html", ["report", "audit.json"]),
        "bench": ("bench/bench.html", ["bench", _DATA, "--noise", "0.2", *small, "-o", "bench"]),
        "worth": ("worth/worth.html", ["worth", _DATA, *small, "-o", "worth"]),
        "explain": ("explained/explanation.html", ["explain", _DATA, "-o", "explained"]),
    }


def copy_sample(folder: Path) -> None:
    """The sample and its pipelines in a folder, so that no page shows a path of this machine."""
    folder.mkdir(exist_ok=True)
    shutil.copy(SAMPLE_DATA, folder / _DATA)
    for name, labels_only in (("pipeline.yaml", False), ("labels.yaml", True)):
        text = sample_pipeline(labels_only).replace(str(SAMPLE_DATA), _DATA)
        (folder / name).write_text(text, encoding="utf-8")


def addresses(folder: Path) -> Iterator[tuple[str, str]]:
    """The address of each page, after its command has run."""
    for name, (file, arguments) in commands().items():
        page = folder / file
        if not page.exists():
            subprocess.run([sys.executable, "-m", "curate", *arguments], check=True, cwd=folder)
        if page.suffix == ".html" and name != "other":
            yield name, page.as_uri()
    server = ReviewProcess(folder / "curated")
    yield "review", server.address
    server.kill()


def photograph(browser: Browser, address: str, size: tuple[int, int], scheme: str) -> Image.Image:
    """The first screen of a page."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_timeout(1000)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, f"{address} scrolls sideways at {size[0]} pixels"
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return picture


def combine(parts: list[list[Image.Image]]) -> Image.Image:
    """The parts in rows, smaller."""
    rows = [[_shrink(part) for part in row] for row in parts]
    width = max(sum(p.width + _GAP for p in row) for row in rows) - _GAP
    height = sum(max(p.height for p in row) + _GAP for row in rows) - _GAP
    picture, top = Image.new("RGB", (width, height), "#888"), 0
    for row in rows:
        offset = 0
        for part in row:
            picture.paste(part, (offset, top))
            offset += part.width + _GAP
        top += max(part.height for part in row) + _GAP
    return picture


def _shrink(part: Image.Image) -> Image.Image:
    return part.resize((round(part.width * _SCALE), round(part.height * _SCALE)))


def save(picture: Image.Image, path: Path) -> None:
    """Write a small PNG."""
    path.parent.mkdir(exist_ok=True)
    # Maximum coverage keeps the few pixels of a thin line in their colour.
    method = Image.Quantize.MAXCOVERAGE
    picture.quantize(_COLOURS, method, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < _MAX_BYTES, f"{path}: {path.stat().st_size} bytes"
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("/tmp/curate-pages"))
    folder = parser.parse_args().folder
    copy_sample(folder)
    flags = ["--no-sandbox", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        for name, address in addresses(folder):
            parts = [[photograph(browser, address, s, scheme) for s in SIZES] for scheme in SCHEMES]
            save(combine(parts), IMAGES / f"{name}.png")
            if name == "report":
                save(parts[0][0], ROOT / "notebooks" / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
