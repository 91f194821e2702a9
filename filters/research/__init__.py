"""Filters of papers that gained nothing, or harmed, where measured.

The measurements: docs/explanation/proof.md.
"""
