"""The command `curate derive`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.inputs import Columns, ConfigName, Data, FormatName, Given, Limit, Split

_MARK = "derive.json"


def derive(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    instructions: Annotated[
        int, typer.Option(min=1, max=8, help="Instructions that each prompt gains.")
    ] = 2,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(min=0, help="Of words and choices.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace what was made before.")] = False,
) -> None:
    """Make multi-instruction pairs: one answer under two prompts, following one (MAPL)."""
    from curate.cli.progress import console_progress
    from curate.derive.instructions import derive as run_derive
    from curate.errors import CurateError
    from curate.write.run_folder import check_free, staged
    from curate.write.shards import write_json, write_shards

    check_free(out, overwrite, _MARK)
    given = Given(data, format, columns, split, config, limit)
    with console_progress() as progress:
        pairs = given.read(progress)
        made = run_derive(pairs.frame, instructions, seed)
    if not len(made.pairs):
        raise CurateError(
            "no pair can be made",
            where=data,
            found="; ".join(f"{count}: {why}" for why, count in made.left_out.items()),
        )
    facts = {"data": data, "pairs_read": len(pairs), "pairs_made": len(made.pairs)}
    with staged(out, overwrite, _MARK) as stage:
        write_shards([made.pairs], stage / "pairs", "parquet", 100_000)
        write_json(
            facts | {"instructions": instructions, "seed": seed, "left_out": made.left_out},
            stage / _MARK,
        )
    for why, count in made.left_out.items():
        typer.echo(f"{count:,} pairs gave none: {why}")
    typer.echo(f"{len(made.pairs):,} pairs: {out / 'pairs'}")
