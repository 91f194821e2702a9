"""The pair table and functions of it."""
