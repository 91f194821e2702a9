"""Reads files, folders, objects and hub datasets into pairs."""
