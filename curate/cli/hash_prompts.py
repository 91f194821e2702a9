"""The command `curate hash-prompts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import OverwriteFile
from curate.errors import CurateError


def hash_prompts(
    files: Annotated[
        list[str], typer.Argument(help="Evaluation sets: jsonl, json, csv, parquet or txt.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(
        "evaluation.ngrams.parquet"
    ),
    column: Annotated[
        str | None, typer.Option(help="Their column of prompts (default: prompt, question, ...).")
    ] = None,
    ngram: Annotated[int, typer.Option(min=1, help="Words in an n-gram.")] = 8,
    overwrite: OverwriteFile = False,
) -> None:
    """Write the n-grams of evaluation prompts as hashes, to find leaks without their texts."""
    from curate.models.text.evaluation_texts import (
        HASHED_SUFFIX,
        hash_texts,
        read_evaluation_texts,
    )
    from curate.write.file_output import check_output_file

    if not output.name.endswith(HASHED_SUFFIX):
        raise CurateError(
            "wrong name of a file of hashed prompts",
            where="--output",
            found=str(output),
            expected=f"a name that ends with {HASHED_SUFFIX}",
        )
    check_output_file(output, overwrite, list(files))
    table = hash_texts(read_evaluation_texts(files, column), ngram)
    try:
        table.write_parquet(output)
    except OSError as error:
        raise CurateError(
            "the file cannot be written", where=str(output), found=str(error)
        ) from None
    typer.echo(
        f"{len(table):,} prompts in {ngram}-grams: {output}; "
        f"use it by {{type: contamination, against: [{output}], ngram: {ngram}}}"
    )
