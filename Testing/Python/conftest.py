"""What holds for all tests."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Hide what collecting made from the garbage collector: it is kept to the end, and large to look through."""
    gc.collect()
    gc.freeze()
