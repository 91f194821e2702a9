"""Rows and configs on the trainer pages, as the exports write them.

`python -m tests.trainer_rows` fills the blocks after the marks `<!-- row: FORMAT -->` and
`<!-- config: FILE of FORMAT -->`.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

from curate import Pipeline

PAGES = Path(__file__).parents[1] / "docs" / "guides" / "trainers"
EXAMPLE = {"prompt": "Capital of France?", "chosen": "Paris.", "rejected": "Lyon."}
_BLOCK = re.compile(r"(<!-- (row|config): ([^>]+?) -->\n```\w+\n).*?(\n```)", re.S)


@cache
def written_files(form: str) -> dict[str, str]:
    """Return the files that an export writes for one pair, by their names; `row` has the rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        output = {"format": form, "file_type": "jsonl", "report": False}
        Pipeline({"output": output, "store": None}).run([EXAMPLE], output=folder)
        files = {
            path.name: path.read_text().strip()
            for path in folder.glob("*.*")
            if path.suffix in (".yaml", ".json")
        }
        files["row"] = next((folder / "kept").rglob("*.jsonl")).read_text().strip()
    return files


def filled(text: str) -> str:
    """Return a page with the rows and configs of today's exports in its marked blocks."""

    def block(match: re.Match[str]) -> str:
        file, _, form = match[3].rpartition(" of ")
        return match[1] + written_files(form)[file or "row"] + match[4]

    return _BLOCK.sub(block, text)


if __name__ == "__main__":
    for path in sorted(PAGES.glob("*.md")):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
