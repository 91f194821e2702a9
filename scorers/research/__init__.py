"""Scorers of papers that gained nothing, or harmed, where we measured them (docs/proof.md)."""
