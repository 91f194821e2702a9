"""Memory that is free within a process, and that the system could use."""

from __future__ import annotations

import pyarrow as pa


def give_back() -> None:
    """Hand back to the system what allocators keep of what has been freed.

    They keep it for what is asked for next. A step over millions of pairs may leave as much behind
    as the whole run needs, which no later step asks for in pieces of the same size.
    """
    # Arrow's own pool, then that of the C library, which numpy and Python use too.
    for pool in (pa.default_memory_pool(), pa.system_memory_pool()):
        pool.release_unused()
