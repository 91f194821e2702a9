"""Memory that is free within a process, and that the system could use."""

from __future__ import annotations

import os


def prepare() -> None:
    """Say which allocator Arrow takes, before it is loaded; what the user has set stays.

    Its own one keeps what each of its threads has freed, which no other thread can hand back: some
    80 MB of a run over 250,000 pairs, for no time that could be measured.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def give_back() -> None:
    """Hand back to the system what allocators keep of what has been freed.

    They keep it for what is asked for next. A step over millions of pairs may leave as much behind
    as the whole run needs, which no later step asks for in pieces of the same size.
    """
    import pyarrow as pa  # not at the top, where it would come before `prepare`

    # Arrow's own pool, then that of the C library, which numpy and Python use too.
    for pool in (pa.default_memory_pool(), pa.system_memory_pool()):
        pool.release_unused()
