"""Where rows come from: local files, globs, fsspec URLs, `datasets` folders and the hub."""

from curate.read.sources.blocks import Block
from curate.read.sources.locate import Source, find_sources, is_saved_dataset

__all__ = ["Block", "Source", "find_sources", "is_saved_dataset"]
