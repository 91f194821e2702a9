"""Embedders and Bradley-Terry heads: batched inference and training, shared by scorers."""
