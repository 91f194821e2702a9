"""Whole pairs through every export and back: what comes out is compared with what went in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import polars as pl

from curate.data.attachments import ATTACHMENTS
from curate.data.table import messages_text
from curate.errors import CurateError
from curate.read.pairs import read_pairs
from curate.write.export import ExportTarget, export_pairs
from curate.write.exports import export_names, get_export

Outcome = Literal["same", "rendered alike", "refused", "lost"]
_URL = re.compile(r'"image_url":\{"url":"([^"]+)"')
REWRITING = {
    *("llamafactory", "llamafactory_kto", "swift", "swift_kto", "trl_text", "torchtune"),
    *("openai_dpo", "azure_dpo", "nemo_rl"),
}
"""Forms with parts that are written in another spelling; see `Export.rewrites`."""
TURNS = ("prompt", "chosen", "rejected")
FILE_TYPES = ("jsonl", "parquet")


def forms() -> list[str]:
    """The forms for pairs; what writes other rows has tests of its own."""
    pair_forms = [name for name in export_names() if get_export(name).pairs]
    return [name for name in pair_forms if name not in ("sft_chosen", "rationales")]


def text_forms() -> list[str]:
    """The forms for pairs of texts."""
    exports = {name: get_export(name) for name in forms()}
    return [name for name, export in exports.items() if export.general and export.pairs]


def outcome(source: Path, form: str, file_type: str, folder: Path) -> tuple[Outcome, str]:
    """What became of the pairs of a file in a form, and why."""
    pairs = read_pairs(str(source)).frame
    try:
        export_pairs(str(source), folder, ExportTarget(form, file_type))
    except CurateError as error:
        return "refused", error.problem + "; found " + str(error.found)
    back = read_pairs(str(folder / "kept")).frame
    if comparable_rows(back) == comparable_rows(pairs):
        return "same", ""
    if rendered(back, form) == rendered(pairs, form):
        return "rendered alike", ""
    return "lost", f"{comparable_rows(pairs)}\n{comparable_rows(back)}"


def comparable_rows(pairs: pl.DataFrame) -> list[dict[str, Any]]:
    """Everything that a pair holds, in one order."""
    rows = pairs.select(*TURNS, *ATTACHMENTS).to_dicts()
    return sorted(rows, key=lambda row: str(row["prompt"]))


def rendered(pairs: pl.DataFrame, form: str) -> list[Any]:
    """What text scorers see, tools and media; of the text form the texts alone."""
    if form == "trl_text":
        return sorted(pairs.select(messages_text(c).alias(c) for c in TURNS).rows())
    rows = []
    for row in comparable_rows(pairs):
        turns = {c: [(m["role"], m["content"]) for m in row[c]] for c in TURNS}
        if form.startswith("llamafactory"):  # which wants a mark for each medium, and gets one
            turns = {c: [(r, text.lstrip("<image>\n")) for r, text in t] for c, t in turns.items()}
        parts = {c: row[c] for c in ATTACHMENTS if c != "images"}
        rows.append((turns, parts, images(row)))
    return rows


def images(row: dict[str, Any]) -> list[Any]:
    """Paths and URLs of a row's images, also those that stand in the messages."""
    listed = [(image["path"], image["bytes"]) for image in row["images"] or ()]
    urls = [url for turns in TURNS for m in row[turns] for url in _URL.findall(m["more"] or "")]
    return [*listed, *((url, None) for url in urls)]
