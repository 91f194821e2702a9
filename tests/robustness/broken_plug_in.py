"""A plug-in that fails when it is imported."""

X = 1 // 0
