"""The work on the disk within seconds, whole or not at all, and found again when the image is opened the next time.

The work on an image is one Zip file in the folder ``.acseg`` of the root folder: ``state.json`` and a deflated plane of
labels for each z that holds some. Only the planes that changed are deflated anew, so a stroke costs a few milliseconds
whatever the size of the volume. A lock, which the system gives back when the server ends however it ends, keeps a
second server from writing the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ACSegLib.app.labels import Labels, new_array
from ACSegLib.app.problems import BusyError
from ACSegLib.errors import FileError
from ACSegLib.files.atomic import atomic_output
from ACSegLib.json_values import Json
from ACSegLib.volume import Segment

_FOLDER, _FORMAT = ".acseg", 1
_LEVEL = 1  # of deflate: labels are runs, and hardly get smaller with more


@dataclass(frozen=True)
class Saved:
    """Work that was found again.

    Attributes
    ----------
    labels : Labels
    saved_at : float
        Time of the file.
    unsaved : bool
        Whether it holds changes that were not saved as a file of labels.
    image : dict
        What the image was like: "size" and "mtime" of its file.
    """

    labels: Labels
    saved_at: float
    unsaved: bool
    image: Json


class Autosave:
    """The automatically saved work on one image.

    Parameters
    ----------
    root : path
        The root folder; where it cannot be written in, a folder in the user's home is taken.
    name : str
        Path of the image below the root folder.

    Raises
    ------
    BusyError
        If another server has the image open.
    FileError
        If neither folder can be written in.
    """

    def __init__(self, root: Path, name: str) -> None:
        folder = _writable(root)
        safe = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[-60:]
        stem = f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        self.path = folder / f"{stem}.zip"
        self._lock = _locked(folder / f"{stem}.lock", name)
        self._planes: dict[int, bytes] = {}

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def find(self, shape: tuple[int, int, int]) -> Saved | None:
        """The work that was saved for an image of this shape; None where there is none.

        Raises
        ------
        FileError
            If there is some that cannot be used. It is kept under another name.
        """
        if not self.path.exists():
            return None
        try:
            return self._read(shape)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            kept = self.set_aside()
            raise FileError(
                f"the automatically saved work could not be read ({error}); it is kept as {kept.name} in the folder "
                f"{kept.parent.name}."
            ) from error

    def set_aside(self) -> Path:
        """Keep what is there under another name, and begin anew."""
        number = 1
        while (target := self.path.with_suffix(f".{number}.old.zip")).exists():
            number += 1
        if self.path.exists():
            self.path.rename(target)
        self._planes.clear()
        return target

    def save(self, labels: Labels, changed: Iterable[int], state: Json) -> None:
        """Write the work.

        Parameters
        ----------
        labels : Labels
        changed : iterable of int
            Planes along z that changed since the last time.
        state : dict
            Further values, kept as they are.

        Raises
        ------
        FileError
            If the disk is full, or refuses for another reason.
        """
        array = labels.array
        for k in changed:
            plane = np.ascontiguousarray(array[k])
            if plane.any():
                little = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
                self._planes[k] = zlib.compress(little.tobytes(), _LEVEL)
            else:
                self._planes.pop(k, None)
        values = {
            "format": _FORMAT,
            "shape": list(labels.shape),
            "bytes_per_voxel": array.dtype.itemsize,
            "segments": [asdict(segment) for segment in labels.segments],
            "labelled": labels.by_axis(),
            "complete": labels.complete,
            **state,
        }
        with atomic_output(self.path) as temporary, open(temporary, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr("state.json", json.dumps(values))
                for k, data in sorted(self._planes.items()):
                    archive.writestr(f"planes/{k:06d}", data)
            stream.flush()
            os.fsync(stream.fileno())

    def _read(self, shape: tuple[int, int, int]) -> Saved:
        with zipfile.ZipFile(self.path) as archive:
            values = json.loads(archive.read("state.json"))
            if values["format"] != _FORMAT or tuple(values["shape"]) != shape:
                raise ValueError(f"it is for an image of {values['shape']} voxels (z, y, x), not {list(shape)}")
            dtype = np.dtype({1: "u1", 2: "<u2"}[values["bytes_per_voxel"]])
            array = new_array(shape, dtype.newbyteorder("="))
            for name in archive.namelist():
                if name.startswith("planes/"):
                    data = archive.read(name)
                    self._planes[int(name[7:])] = data
                    array[int(name[7:])] = _plane(data, dtype, shape[1:])
        rows = [Segment(**{**row, "colour": tuple(row["colour"])}) for row in values["segments"]]
        labelled = [(axis, int(n)) for axis, numbers in values["labelled"].items() for n in numbers]
        labels = Labels(array, rows, labelled, bool(values["complete"]))
        return Saved(labels, self.path.stat().st_mtime, bool(values.get("unsaved", True)), values.get("image", {}))


def _plane(data: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """A plane of labels; no more is unpacked than a plane has."""
    size = int(np.prod(shape)) * dtype.itemsize
    unpacked = zlib.decompressobj().decompress(data, size + 1)
    if len(unpacked) != size:
        raise ValueError("a plane of it has another size")
    return np.frombuffer(unpacked, dtype).reshape(shape)


def _writable(root: Path) -> Path:
    places = [root / _FOLDER, Path.home() / _FOLDER / hashlib.sha256(str(root).encode()).hexdigest()[:12]]
    for place in places:
        with contextlib.suppress(OSError):  # the next one is tried
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK):
                return place
    raise FileError(f"neither {places[0]} nor {places[1].parent} can be written in, so work cannot be saved there.")


def _locked(path: Path, name: str) -> IO[bytes] | None:
    """The locked file, to be kept open; None where the file system knows no locks."""
    stream = open(path, "ab")  # noqa: SIM115 - it stays open as long as the image is open
    try:
        _lock_file(stream)
    except (BlockingIOError, PermissionError) as error:
        stream.close()
        raise BusyError(f"{name} is open in another ACSeg server; close it there first.") from error
    except OSError:
        stream.close()
        return None
    return stream


def _lock_file(stream: IO[bytes]) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
