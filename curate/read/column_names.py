"""Names of columns that mean the same in whichever set they stand."""

SYSTEM = ("system", "system_prompt", "system_message")
"""Columns of a system text, which stands before the prompt."""
