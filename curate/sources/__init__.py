"""Where rows come from: local files, globs, fsspec URLs, `datasets` folders and the hub."""

from curate.sources.blocks import Block
from curate.sources.locate import Source, find_sources, is_saved_dataset

__all__ = ["Block", "Source", "find_sources", "is_saved_dataset"]
