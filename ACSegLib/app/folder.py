"""Files below the root folder: listed, opened, uploaded, and none outside of it."""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from ACSegLib.app.contract import FileEntry
from ACSegLib.app.problems import ForbiddenError, TooLargeError
from ACSegLib.errors import FileError, InputError
from ACSegLib.files.names import (
    DICOM_ENDINGS,
    PICTURE_ENDINGS,
    SEGMENTATION_ENDING,
    TIFF_ENDINGS,
    as_file_name,
    is_image_name,
    is_zarr_folder_name,
    unfit_for_windows,
)

#: Files that are listed at most, and folders below one another that are looked into.
_MAX_ENTRIES, _MAX_DEPTH = 2000, 6
#: Files and folders that are looked at: a home folder has many more.
_MAX_VISITED = 100_000
#: From this many files of these endings on, a folder is one image, of which they are the slices.
_MIN_SLICES, _SLICES = 20, (*TIFF_ENDINGS, *PICTURE_ENDINGS, *DICOM_ENDINGS)
_LABELS = re.compile(r"(^|[^a-z])(seg|segmentation|labels?|masks?|truth|drawn|filled|predicted|reference)([^a-z]|$)")
_MODEL = ".acseg"
_MEGABYTE = 1e6


class Folder:
    """The root folder: the page sees, opens and writes files below it alone.

    Parameters
    ----------
    root : path
    upload_limit : int
        Bytes that an uploaded file may have.
    """

    def __init__(self, root: str | os.PathLike[str], upload_limit: int = 32 << 30) -> None:
        self.root = Path(root).resolve()
        self.upload_limit = upload_limit
        if not self.root.is_dir():
            raise FileError(f"{root}: there is no such folder; create it, or name another one with --root.")

    def path(self, text: str) -> Path:
        """A path below the root folder, links followed.

        Raises
        ------
        ForbiddenError
            If it is absolute, goes up, or leads out of the folder by a link.
        """
        parts = Path(text).parts
        plain = text and "\0" not in text and not Path(text).is_absolute() and ".." not in parts and "\\" not in text
        strange = sys.platform == "win32" and any(map(unfit_for_windows, parts))
        if not plain or not parts or ":" in parts[0] or strange:
            raise ForbiddenError(f"path {text!r} is not a path below the folder {self.root.name}.")
        path = (self.root / text).resolve()
        if not path.is_relative_to(self.root):
            raise ForbiddenError(f"path {text!r} leads out of the folder {self.root.name} by a link.")
        return path

    def name(self, path: str | os.PathLike[str]) -> str:
        """A path as the page gets it: relative to the root folder, with slashes."""
        path = Path(path).resolve()
        if not path.is_relative_to(self.root):
            raise ForbiddenError(f"{path} is not below the folder {self.root}; name a folder of both with --root.")
        return path.relative_to(self.root).as_posix()

    def entries(self) -> list[FileEntry]:
        """Images, labels and models, sorted by path; a folder of slices is one image."""
        found = []
        for path, kind, size in itertools.islice(self._walk(self.root, 0), _MAX_VISITED):
            if kind:
                found.append(FileEntry(path.relative_to(self.root).as_posix(), kind, round(size / _MEGABYTE, 3)))
            if len(found) >= _MAX_ENTRIES:
                break
        return sorted(found, key=lambda entry: entry.path.lower())

    def _walk(self, folder: Path, depth: int) -> Iterator[tuple[Path, str, int]]:
        """What is below a folder: path, kind ("" for other files) and bytes."""
        try:
            items = sorted(os.scandir(folder), key=lambda item: item.name)
        except OSError:  # of somebody else, or behind a link that leads nowhere: it is listed as empty
            return
        slices = [item for item in items if item.name.lower().endswith(_SLICES)]
        if len(slices) >= _MIN_SLICES and depth:
            yield folder, "image", 0
            items = [item for item in items if item not in slices]
        for item in items:
            path = Path(item.path)
            if item.name.startswith(".") or (_may_lead_away(item) and not path.resolve().is_relative_to(self.root)):
                continue
            if not item.is_dir():
                yield path, _kind(path.name), item.stat().st_size if item.is_file() else 0
            elif is_zarr_folder_name(item.name):
                yield path, _kind(path.name), 0
            elif depth < _MAX_DEPTH:
                yield path, "", 0
                yield from self._walk(path, depth + 1)

    def check_size(self, name: str, size: int) -> None:
        """Raise TooLargeError for an upload of more bytes than the limit."""
        if size > self.upload_limit:
            raise TooLargeError(
                f"{_plain_name(name)} is larger than the limit of uploads, {_text(self.upload_limit)}; copy it into "
                f"the folder {self.root.name} instead."
            )

    async def upload(self, name: str, chunks: AsyncIterator[bytes]) -> FileEntry:
        """Write an uploaded file: completely, or not at all; its name is changed if it is in use.

        Raises
        ------
        TooLargeError
            If it is larger than the limit; nothing is left of it.
        """
        from starlette.concurrency import run_in_threadpool

        from ACSegLib.files.atomic import atomic_output

        target = self._free(_plain_name(name))
        size = 0
        with atomic_output(target) as temporary, open(temporary, "wb") as stream:
            async for chunk in chunks:
                size += len(chunk)
                self.check_size(name, size)
                await run_in_threadpool(stream.write, chunk)
        return FileEntry(target.name, _kind(target.name) or "image", round(size / _MEGABYTE, 3))

    def _free(self, name: str) -> Path:
        stem, dot, ending = name.partition(".")
        number = 1
        path = self.root / name
        while path.exists():
            number += 1
            path = self.root / f"{stem}-{number}{dot}{ending}"
        return path


def _plain_name(name: str) -> str:
    """The last part of a name, whatever system it comes from."""
    last = re.split(r"[/\\]", name)[-1].strip().lstrip(".")
    last = "".join(c for c in last if c.isprintable() and c not in ':*?"<>|')
    if not last:
        raise InputError(f"{name!r} is no name of a file; rename the file and upload it again.")
    return as_file_name(last)


def _may_lead_away(item: os.DirEntry[str]) -> bool:
    """Whether an entry may be a link; folders are looked at, since a junction of Windows is no symbolic link."""
    return item.is_symlink() or (sys.platform == "win32" and item.is_dir())


def _kind(name: str) -> str:
    lower = name.lower()
    if lower.endswith(_MODEL):
        return "model"
    if not is_image_name(lower):
        return ""
    return "labels" if lower.endswith(SEGMENTATION_ENDING) or _LABELS.search(lower.partition(".")[0]) else "image"


def _text(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.3g} MiB"
