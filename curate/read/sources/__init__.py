"""Where rows come from: local files, globs, fsspec URLs, `datasets` folders and the hub."""

from curate.read.sources.blocks import RowBlock
from curate.read.sources.find_files import RowSource, find_sources, is_saved_dataset

__all__ = ["RowBlock", "RowSource", "find_sources", "is_saved_dataset"]
