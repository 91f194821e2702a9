"""One file for each filter or ranker."""
