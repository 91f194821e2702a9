"""Pages to look at: the report of a run, the comparison of two, and the review of pairs."""
