"""Options that several verbs share: one name, one meaning and one help text for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Argument(
        help="File, glob, folder, URL, hf:owner/name, a run's folder, or a pipeline.yaml."
    ),
]
FormatName = Annotated[str, typer.Option("--format", help="Dataset format (see 'curate list').")]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Column mapping, such as 'prompt=ask, first=a, second=b, label=winner'.",
    ),
]
Split = Annotated[str | None, typer.Option("--split", help="Split of a Hub or saved dataset.")]
ConfigName = Annotated[str | None, typer.Option("--config", help="Configuration of a Hub dataset.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Read at most this many pairs.")]
Most = Annotated[
    int,
    typer.Option(
        "--most",
        min=0,
        help="Subsample prompts when there are more pairs than this (0 = use all).",
    ),
]
EmbedderName = Annotated[
    str,
    typer.Option(
        "--embedder", help="auto, minilm, static, or a sentence-transformers folder or name."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed.")]
EndpointUrl = Annotated[
    str | None, typer.Option("--url", help="Endpoint base URL (default: $OPENAI_BASE_URL).")
]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OverwriteFolder = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
OverwriteFile = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file that curate did not write.")
]

_OLD_NAMES = {"out": "output", "folder": "output", "judge-url": "url", "name-url": "url"}


def current_name(option: str) -> str:
    """Return today's name of an option that an earlier release called otherwise."""
    return _OLD_NAMES.get(option, option)
