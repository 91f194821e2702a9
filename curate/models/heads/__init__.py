"""Heads on features: fits, folds, noise."""
