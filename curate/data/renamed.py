"""Old names that still work for one release."""

from __future__ import annotations

import warnings


def warn_renamed(old_name: str, new_name: str) -> None:
    """Warn the caller of the calling function that a name has changed."""
    message = f"{old_name} is now called {new_name}; the old name goes in version 0.4"
    # 1 is this line, 2 the function that knows both names, 3 the code that uses the old one.
    warnings.warn(message, DeprecationWarning, stacklevel=3)
