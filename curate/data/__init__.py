"""The pair table and what is asked of it."""
