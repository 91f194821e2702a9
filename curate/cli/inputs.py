"""Data sets as the command line names them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Argument(
        help="File, glob, folder, URL, hf:owner/name, a run's folder, or a pipeline.yaml."
    ),
]
FormatName = Annotated[str, typer.Option(help="Name of the format.")]
Split = Annotated[str | None, typer.Option(help="Split of a hub or saved data set.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Read at most this many pairs.")]
EmbedderName = Annotated[
    str, typer.Option(help="minilm, static, or a sentence-transformers folder or name.")
]
Noise = Annotated[str, typer.Option(help="Shares of labels to flip, by commas.")]


def read_data(data: str, format: str, split: str | None, limit: int | None, progress: Any) -> Any:
    """The pairs of a data set, a run's folder or a pipeline's input.

    Malformed rows are left out and counted. Of a run all pairs are taken, as they were read but for
    labels that its filters flipped.
    """
    from curate.read.pairs import Pairs, read_pairs
    from curate.write.run_files import RunFiles, is_run

    if data.endswith((".yaml", ".yml")):
        from curate.pipeline.run import Pipeline

        return Pipeline(data).read(progress, limit)
    if is_run(data):
        from curate.data.table import PAIR_COLUMNS

        run = RunFiles(data)
        frame = run.all_pairs().select(list(PAIR_COLUMNS))
        read = run.manifest["input"]
        return Pairs(
            frame if limit is None else frame.head(limit),
            run.rejected(),
            format=f"a run of {read['format']}",
            rows_read=read["rows_read"],
        )
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
