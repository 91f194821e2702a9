"""Data sets as the command line names them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Data = Annotated[str, typer.Argument(help="File, glob, folder, URL, or hf:owner/name.")]
FormatName = Annotated[str, typer.Option(help="Name of the format.")]
Split = Annotated[str | None, typer.Option(help="Split of a hub or saved data set.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Read at most this many pairs.")]
EmbedderName = Annotated[
    str, typer.Option(help="minilm, static, or a sentence-transformers folder or name.")
]
Noise = Annotated[str, typer.Option(help="Shares of labels to flip, by commas.")]


def read_data(data: str, format: str, split: str | None, limit: int | None, progress: Any) -> Any:
    """The pairs of a data set; malformed rows are left out and counted."""
    from curate.read.pairs import read_pairs

    return read_pairs(
        **place(data),
        format=format,
        split=split,
        limit=limit,
        on_error="skip",
        progress=progress,
    )


def place(data: str) -> dict[str, Any]:
    """A data set of the command line as arguments of `read_pairs`."""
    if data.startswith("hf:"):
        return {"hf": data.removeprefix("hf:").strip()}
    return {"path": data}
