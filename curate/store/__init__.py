"""The store of results between runs, and a run's scratch space."""
