"""What is said of a file or folder that no format recognises."""

from __future__ import annotations

from pathlib import Path

from ACSegLib.errors import FileError
from ACSegLib.files import dicom, zarr_places

_LISTED = 8


def unknown(path: Path, head: bytes, known: list[str]) -> FileError:
    """Give the error for a file of no known format: what it is, and what to do."""
    if path.name.lower().endswith((".img", ".img.gz")):
        return FileError(f"{path}: holds voxels alone; put the .hdr file of the same name into the same folder.")
    if path.is_dir() and (below := dicom.folders_below(path)):
        more = f" and {len(below) - _LISTED} more" if len(below) > _LISTED else ""
        return FileError(
            f"{path}: holds DICOM files in folders below; give one of them: {', '.join(below[:_LISTED])}{more}."
        )
    if path.is_dir():
        return FileError(f"{path}: is a folder, but not of slices, DICOM files or Zarr; name a file in it.")
    if zarr_places.is_zip(head):
        return FileError(f"{path}: is an archive without a Zarr image; unpack it, and open what lies in it.")
    return FileError(f"{path}: is not in a format that ACSeg can read; known formats are: {', '.join(known)}.")
