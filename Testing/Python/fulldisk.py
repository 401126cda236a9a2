"""A disk that is full before the last output of a command is whole."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any

import pytest

from ACSegLib.files import atomic


def fill_disk_at(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the output `path` find no room once it is written."""
    whole = atomic.atomic_output

    @contextlib.contextmanager
    def full(target: Any) -> Any:
        with whole(target) as temporary:
            yield temporary
            if Path(target) == path:
                raise OSError(errno.ENOSPC, "No space left on device")

    for module in ("registry", "meshes"):
        patch.setattr(f"ACSegLib.files.{module}.atomic_output", full)
