"""Proof on the user's own data: noise is injected, and every method has to find it."""
