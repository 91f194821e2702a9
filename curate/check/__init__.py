"""Finds what would go wrong in a trainer before it trains."""
