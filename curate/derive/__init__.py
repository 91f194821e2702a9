"""Pairs that are made from other pairs."""
