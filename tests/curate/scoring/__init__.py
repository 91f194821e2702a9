"""Tests of the public API for writers of steps."""
