"""A run: configuration, plan, scores, filters, files."""
