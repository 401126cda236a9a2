"""Where a Zarr hierarchy lies: in a folder, or in a zip archive (.zarr.zip, .ozx), which looks like a folder here."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ACSegLib.errors import FileError

Place = Path | zipfile.Path

_METADATA = (".zattrs", ".zgroup", ".zarray", "zarr.json")
_ZIP = b"PK\x03\x04"
#: Entries of a zip archive that is looked at, and the size that a packed one may have.
_MAX_ENTRIES, _MAX_BYTES = 1 << 22, 1 << 31


def is_zip(head: bytes) -> bool:
    """Whether a file begins as a zip archive does."""
    return head.startswith(_ZIP)


def holds_zarr(place: Place) -> bool:
    """Whether Zarr metadata lie in a folder."""
    return place.is_dir() and any((place / name).is_file() for name in _METADATA)


def root_of(path: Path) -> Place:
    """Give the folder of the hierarchy: the path, the archive's root, or the only folder at its root.

    Raises
    ------
    FileError
        If an archive has absurd entries, which would take the memory when they are unpacked.
    """
    if path.is_dir():
        return path
    archive = zipfile.ZipFile(path)
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES or any(entry.compress_type and entry.file_size > _MAX_BYTES for entry in entries):
        raise FileError(f"{path}: holds packed parts of over 2 GiB; unpack the archive and open its folder.")
    root = zipfile.Path(archive)
    if holds_zarr(root):
        return root
    folders = [item for item in root.iterdir() if item.is_dir() and not item.name.startswith((".", "__MACOSX"))]
    return folders[0] if len(folders) == 1 else root


def is_zipped_zarr(path: Path) -> bool:
    """Whether a zip archive holds a Zarr hierarchy."""
    try:
        return holds_zarr(root_of(path))
    except (zipfile.BadZipFile, OSError, ValueError):
        return path.name.lower().endswith((".zarr.zip", ".ozx"))


def open_node(zarr: Any, place: Place) -> Any:
    """Open the group or array in a folder for reading."""
    if isinstance(place, Path):
        return zarr.open(str(place), mode="r")
    store = zarr.storage.ZipStore(str(place.root.filename), mode="r")
    return zarr.open(store, path=place.at.rstrip("/"), mode="r")


def files_below(place: Place) -> Iterator[Place]:
    """Give the files in a folder and in the folders in it."""
    for item in place.iterdir():
        if item.is_dir():
            yield from files_below(item)
        else:
            yield item


def size_of(file: Place) -> int:
    """Give the bytes of a file."""
    return file.stat().st_size if isinstance(file, Path) else file.root.getinfo(file.at).file_size
