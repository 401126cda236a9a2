"""Runs compiled loops on all cores: one loop, dealt out in ranges to a pool of threads.

The loops release the GIL. Compared with numba's own threading this compiles in a fifth of the time, leaves no spinning
threads behind (a viewer shares the cores), and may be used from several threads at once.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_pool: ThreadPoolExecutor | None = None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(loop: Callable[..., Any], count: int, *arguments: Any) -> None:
    """Call ``loop(begin, end, *arguments)`` on ranges that make up 0..count, at the same time."""
    global _pool
    workers = min(cores(), count)
    if workers <= 1:
        loop(0, count, *arguments)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(cores(), "acseg-fill")
    ends = [count * n // workers for n in range(workers + 1)]
    futures = [_pool.submit(loop, a, b, *arguments) for a, b in itertools.pairwise(ends[1:])]
    loop(0, ends[1], *arguments)
    for future in futures:
        future.result()
