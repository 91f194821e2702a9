"""A local page to judge pairs by eye, and what becomes of the verdicts."""
