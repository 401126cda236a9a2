"""HDF5 files opened, and their data in other files: external links, external storage, parts of virtual data sets.

The HDF5 library gives zeros for a part that is missing, and looks for external storage in the current folder. Here, all
files are looked for beside the file that names them, and a missing one is an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ACSegLib.errors import FileError
from ACSegLib.files.content import beside

_MAX_DEPTH = 8
_HERE = b"${ORIGIN}"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading; FileError where a program has it open for writing, or did not close it."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if "unable to lock file" in str(error):
            raise FileError(
                f"{path}: is open for writing in another program; close it there, and try again."
            ) from error
        if "already open for write" in str(error):
            raise FileError(
                f"{path}: is open for writing in another program, or was not closed by it; close it there, or repair "
                "it with h5clear -s."
            ) from error
        raise
    with file:
        yield file


def check_links(file: Any, name: str, path: Path) -> None:
    """Refuse a name that leads through an external link to a file that is missing, or that may not be read."""
    import h5py

    place, group = path, file
    for word in filter(None, name.split("/")):
        link = group.get(word, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return
        if isinstance(link, h5py.ExternalLink):
            place = beside(place, link.filename)
        group = group.get(word)


def external_links(file: Any, path: Path) -> tuple[list[tuple[str, Any]], list[FileError]]:
    """Data sets behind external links, which HDF5's own listing passes over, and why others are not followed."""
    import h5py

    groups, found, problems = [file], list[tuple[str, Any]](), list[FileError]()
    file.visititems(lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None)
    for group in groups:
        for key in group:
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.ExternalLink):
                continue
            try:
                beside(path, link.filename)
                data = group.get(key)
            except FileError as error:
                problems.append(error)
                continue
            if isinstance(data, h5py.Dataset):
                found.append((f"{group.name.rstrip('/')}/{key}".lstrip("/"), data))
    return found, problems


def open_checked(file: Any, name: str, path: Path) -> Any:
    """Open a data set after a check that all files with its voxels are there and may be read.

    Raises
    ------
    FileError
        If a file, or a part of a virtual data set, is missing or lies outside the folder (see `content.beside`).
    """
    import h5py

    data = file[name]
    origin = Path(data.file.filename) if data.file.filename != file.filename else path
    _check_sources(data, origin, _MAX_DEPTH)
    if not data.external:
        return data
    holder, name = data.file.id, data.name.encode()
    data.id.close()  # HDF5 opens a data set with one prefix at a time
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(_HERE)  # else HDF5 reads what has this name in the current folder
    return h5py.Dataset(h5py.h5d.open(holder, name, access))


def note_of_holes(data: Any) -> list[str]:
    """Give the note on parts of a data set that were never written, as where a program ended too early.

    HDF5 gives the fill value for them. Labels may leave out parts on purpose, and an image does not.
    """
    if data.is_virtual or data.external or not data.size:
        return []
    if data.chunks is None:
        held, parts = int(data.id.get_storage_size() > 0), 1
    else:
        held = data.id.get_num_chunks()
        parts = math.prod(-(-size // step) for size, step in zip(data.shape, data.chunks, strict=True))
    if held >= parts:
        return []
    what = "nothing of its" if not held else f"only {held} of {parts} chunks of its"
    return [f"{what} data set {data.name} was written; all other voxels are {float(data.fillvalue):g}."]


def _check_sources(data: Any, path: Path, depth: int) -> None:
    """Check external storage and the parts of a virtual data set, which may be virtual as well."""
    if depth == 0:
        raise FileError(f"{path}: its data set {data.name} is made of parts of parts; copy it into one file.")
    for part in data.external or []:
        beside(path, str(part[0]))
    if data.is_virtual:
        for source in data.virtual_sources():
            _check_source(data, source, path, depth)


def _check_source(data: Any, source: Any, path: Path, depth: int) -> None:
    import h5py

    missing = FileError(f"{path}: data set {source.dset_name!r} of {source.file_name}, a part of it, is missing.")
    if source.file_name == ".":  # the file itself
        if source.dset_name not in data.file:
            raise missing
        _check_sources(data.file[source.dset_name], path, depth - 1)
        return
    other = beside(path, source.file_name)
    with h5py.File(other, "r") as file:
        check_links(file, source.dset_name, other)
        if source.dset_name not in file:
            raise missing
        part = file[source.dset_name]
        if part.external:
            raise FileError(
                f"{path}: {other.name}, a part of it, keeps its voxels in a file of their own; copy it into one file."
            )
        _check_sources(part, other, depth - 1)
