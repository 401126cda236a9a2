"""Whether a volume that lies on the disk fits into the memory, for what needs all of it."""

from __future__ import annotations

from ACSegLib.errors import MemoryLimitError
from ACSegLib.volume import Volume


def require_room(volume: Volume) -> None:
    """Raise MemoryLimitError if a volume cannot be handed over and be worked on in the memory that is free."""
    from ACSegLib.compute import available_memory

    needed, available = volume.array.nbytes * 2, available_memory()
    if needed > available:
        raise MemoryLimitError(
            f"the volume needs {needed / 2**30:.1f} GiB of memory for this, and {available / 2**30:.1f} GiB are free; "
            "crop it, or close other programs."
        )
