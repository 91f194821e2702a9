"""The command `curate derive`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.inputs import Columns, ConfigName, Data, FormatName, Given, Limit, Split

if TYPE_CHECKING:
    import polars as pl

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
    from curate.derive.instructions import derive_parts
    from curate.errors import CurateError
    from curate.write.run_folder import check_free, staged
    from curate.write.shards import write_json, write_shards

    check_free(out, overwrite, _MARK)
    given = Given(data, format, columns, split, config, limit)
    counts, left_out = Counter[str](), Counter[str]()
    with console_progress() as progress, TemporaryDirectory() as room:

        def frames() -> Iterator[pl.DataFrame]:
            for part in given.parts(progress, Path(room)):
                counts["read"] += len(part)
                yield part.frame

        def made() -> Iterator[pl.DataFrame]:
            for found in derive_parts(frames(), instructions, seed):
                counts["made"] += len(found.pairs)
                left_out.update(found.left_out)
                yield found.pairs

        with staged(out, overwrite, _MARK) as stage:
            write_shards(made(), stage / "pairs", "parquet", 100_000)
            if not counts["made"]:
                told = "; ".join(f"{count}: {why}" for why, count in left_out.items())
                raise CurateError("no pair can be made", where=data, found=told)
            facts = {"data": data, "pairs_read": counts["read"], "pairs_made": counts["made"]}
            facts |= {"instructions": instructions, "seed": seed, "left_out": dict(left_out)}
            write_json(facts, stage / _MARK)
    for why, count in left_out.items():
        typer.echo(f"{count:,} pairs gave none: {why}")
    typer.echo(f"{counts['made']:,} pairs: {out / 'pairs'}")
