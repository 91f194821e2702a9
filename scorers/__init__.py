"""One file for each scoring method."""
