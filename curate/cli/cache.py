"""The command `curate cache`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cache(
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete entries that exceed the limits below.")
    ] = False,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Delete entries unused for this many days.")
    ] = None,
    max_size: Annotated[
        float | None, typer.Option(min=0, help="Shrink the cache to this many GB (0 clears it).")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Cache folder (default: $CURATE_CACHE or ~/.cache/curate).")
    ] = None,
) -> None:
    """Show or prune the cache of embeddings, scores and model values."""
    from curate.cli.show_results import show_cache
    from curate.errors import CurateError
    from curate.store.prune import list_entries
    from curate.store.prune import prune_store as run_prune
    from curate.store.store import Store

    store_to_prune = Store(store)
    if not prune:
        show_cache(store_to_prune.root, list_entries(store_to_prune), [])
        return
    if older_than is None and max_size is None:
        raise CurateError(
            "no limit is given", where="--prune", fix="give --older-than or --max-size"
        )
    max_bytes = None if max_size is None else int(max_size * 1e9)
    removed, remaining = run_prune(store_to_prune, older_than, max_bytes)
    show_cache(store_to_prune.root, remaining, removed)
