"""Folders for files that are made to be downloaded, or to be read by a job."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from ACSegLib.worker.arrays import make_folder


class Scratch:
    """Makes temporary folders; whoever asked for one removes it, and `close` those that are left at the end.

    What a killed server left is removed when the next one starts.
    """

    def __init__(self) -> None:
        self._folders: list[Path] = []

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder, removed at once if the block raises; after it, by `discard`."""
        folder = make_folder()
        self._folders.append(folder)
        try:
            yield folder
        except BaseException:
            self.discard(folder)
            raise

    def discard(self, folder: Path) -> None:
        """Remove a folder and what is in it."""
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(ValueError):
            self._folders.remove(folder)

    def close(self) -> None:
        """Remove all folders."""
        for folder in list(self._folders):
            self.discard(folder)
