"""The work on the disk within seconds, whole or not at all, and found again when the image is opened the next time.

The work on an image is one Zip file in the folder ``.acseg`` of the root folder: ``state.json`` and a deflated plane
of labels (of strokes, of decided voxels, of labels before they were edited) for each z that holds some. Only the
planes that changed are deflated anew, so a stroke costs a few milliseconds whatever the size of the volume. The
uncertainty of a fill is a file of its own, written once. A lock, which the system gives back when the server ends
however it ends, keeps a second server from writing the same file.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import logging
import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ACSegLib.app.contract import FillInfo
from ACSegLib.app.history import Work
from ACSegLib.app.labels import MAX_IN_MEMORY, Labels, new_array
from ACSegLib.app.problems import BusyError
from ACSegLib.app.requests import SpacingRequest
from ACSegLib.errors import FileError
from ACSegLib.files.atomic import atomic_output, may_write_in
from ACSegLib.json_values import Json
from ACSegLib.volume import Segment

_FOLDER, _FORMAT = ".acseg", 1
_LEVEL = 1  # of deflate: labels are runs, and hardly get smaller with more


@dataclass(frozen=True)
class Saved:
    """Work that was found again.

    Attributes
    ----------
    work : Work
    saved_at : float
        Time of the file.
    unsaved : bool
        Whether it holds changes that were not saved as a file of labels.
    image : dict
        What the image was like: "size" and "mtime" of its file.
    box : tuple of int
        The box around the object that strokes mark; () for none.
    voxel_size : SpacingRequest or None
        The voxel size that the user gave, because the file states none or a wrong one.
    """

    work: Work
    saved_at: float
    unsaved: bool
    image: Json
    box: tuple[int, ...] = ()
    voxel_size: SpacingRequest | None = None


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
        self._planes: dict[str, bytes] = {}  # name in the file -> deflated plane
        self._uncertainty: np.ndarray | None = None  # what is in the file of this token
        self._token = ""

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
        self._uncertainty, self._token = None, ""
        return target

    def save(self, work: Work, changed: Iterable[int], state: Json) -> None:
        """Write the work.

        Parameters
        ----------
        work : Work
        changed : iterable of int
            Planes along z that changed since the last time.
        state : dict
            Further values, kept as they are.

        Raises
        ------
        FileError
            If the disk is full, or refuses for another reason.
        """
        labels = work.labels
        changed = list(changed)
        for name, array in (("planes", labels.array), ("strokes", work.strokes), ("decided", work.decided)):
            for k in changed:
                _pack(self._planes, f"{name}/{k:06d}", None if array is None else array[k])
        self._pack_baseline(work, changed)
        self._save_uncertainty(work)
        values = {
            "format": _FORMAT,
            "shape": list(labels.shape),
            "bytes_per_voxel": labels.array.dtype.itemsize,
            "segments": [asdict(segment) for segment in labels.segments],
            "labelled": labels.by_axis(),
            "complete": labels.complete,
            "fill": None if work.fill is None else asdict(work.fill),
            "strokes": work.strokes is not None,
            "decided": work.decided is not None,
            "edited": sorted(work.edited),
            "background": work.background,
            "uncertainty": self._token,
            **state,
        }
        _write(self.path, {"state.json": json.dumps(values).encode(), **dict(sorted(self._planes.items()))})
        for old in self._uncertainty_files():
            if old != self._uncertainty_file(self._token):
                with contextlib.suppress(OSError):  # another program looks at it; the next time it is removed
                    old.unlink()

    def _pack_baseline(self, work: Work, changed: Iterable[int]) -> None:
        """Keep those planes of the labels before the first edit that are others now."""
        for k in changed:
            name, now = f"baseline/{k:06d}", work.labels.array[k]
            if work.baseline is None or np.array_equal(work.baseline[k], now):
                self._planes.pop(name, None)
            else:
                self._planes[name] = _deflated(work.baseline[k].astype(now.dtype, copy=False))

    def _uncertainty_file(self, token: str) -> Path:
        return self.path.with_suffix(f".{token}.uncertainty")

    def _uncertainty_files(self) -> list[Path]:
        return list(self.path.parent.glob(f"{glob.escape(self.path.stem)}.*.uncertainty"))

    def _save_uncertainty(self, work: Work) -> None:
        """Write the uncertainty, if it is another one; the state names the file that belongs to it."""
        if work.uncertainty is self._uncertainty:
            return
        token = ""
        if work.uncertainty is not None:
            token = secrets.token_hex(4)
            planes: dict[str, bytes] = {}
            for k, plane in enumerate(work.uncertainty):
                _pack(planes, f"planes/{k:06d}", plane)
            _write(self._uncertainty_file(token), planes)
        self._uncertainty, self._token = work.uncertainty, token

    def _read(self, shape: tuple[int, int, int]) -> Saved:
        with zipfile.ZipFile(self.path) as archive:
            values = json.loads(archive.read("state.json"))
            if values["format"] != _FORMAT or tuple(values["shape"]) != shape:
                raise ValueError(f"it is for an image of {values['shape']} voxels (z, y, x), not {list(shape)}")
            dtype = np.dtype({1: "u1", 2: "<u2"}[values["bytes_per_voxel"]])
            self._planes = {name: archive.read(name) for name in archive.namelist() if name != "state.json"}
        array = _unpack(self._planes, "planes/", shape, dtype)
        rows = [Segment(**{**row, "colour": tuple(row["colour"])}) for row in values["segments"]]
        labelled = [(axis, int(n)) for axis, numbers in values["labelled"].items() for n in numbers]
        labels = Labels(array, rows, labelled, bool(values["complete"]))
        strokes = _unpack(self._planes, "strokes/", shape, dtype) if values.get("strokes") else None
        decided = _unpack(self._planes, "decided/", shape, np.dtype("u1")) if values.get("decided") else None
        edited = {(str(axis), int(n)) for axis, n in values.get("edited", ())}
        fill = FillInfo(**values["fill"]) if values.get("fill") else None
        self._token = str(values.get("uncertainty", ""))
        self._uncertainty = self._read_uncertainty(shape)
        work = Work(
            labels,
            self._uncertainty,
            fill,
            baseline=self._read_baseline(array) if labels.complete and edited else None,
            edited=edited,
            decided=None if decided is None else decided.view(bool),
            strokes=strokes,
            background=int(values.get("background", 0)),
        )
        box = tuple(int(n) for n in values.get("box", ()))
        size = SpacingRequest(**values["voxel_size"]) if values.get("voxel_size") else None
        unsaved, image = bool(values.get("unsaved", True)), values.get("image", {})
        return Saved(work, self.path.stat().st_mtime, unsaved, image, box, size)

    def _read_baseline(self, array: np.ndarray) -> np.ndarray | None:
        """The labels before the first edit; None where they were not kept."""
        if array.nbytes > MAX_IN_MEMORY:
            return None
        return _unpack_onto(array.copy(), self._planes, "baseline/", array.dtype.newbyteorder("<"))

    def _read_uncertainty(self, shape: tuple[int, int, int]) -> np.ndarray | None:
        """The uncertainty that belongs to the state; None where there is none, or where its file is gone or damaged."""
        if not re.fullmatch(r"[0-9a-f]{8}", self._token):
            return None
        try:
            with zipfile.ZipFile(self._uncertainty_file(self._token)) as archive:
                planes = {name: archive.read(name) for name in archive.namelist()}
            return _unpack(planes, "planes/", shape, np.dtype("u1"))
        except (OSError, ValueError, IndexError, zipfile.BadZipFile, zlib.error) as error:
            logging.getLogger("ACSeg").warning("the saved uncertainty could not be read: %s", error)
            return None


def _pack(planes: dict[str, bytes], name: str, plane: np.ndarray | None) -> None:
    """Keep a plane, deflated; none that is empty."""
    if plane is None or not plane.any():
        planes.pop(name, None)
        return
    planes[name] = _deflated(plane)


def _deflated(plane: np.ndarray) -> bytes:
    little = np.ascontiguousarray(plane).astype(plane.dtype.newbyteorder("<"), copy=False)
    return zlib.compress(little.tobytes(), _LEVEL)


def _unpack(planes: Mapping[str, bytes], prefix: str, shape: tuple[int, int, int], dtype: np.dtype) -> np.ndarray:
    """The array of all planes whose names begin with a prefix."""
    return _unpack_onto(new_array(shape, dtype.newbyteorder("=")), planes, prefix, dtype)


def _unpack_onto(array: np.ndarray, planes: Mapping[str, bytes], prefix: str, dtype: np.dtype) -> np.ndarray:
    """The array with those planes replaced whose names begin with a prefix."""
    for name, data in planes.items():
        if name.startswith(prefix):
            array[int(name[len(prefix) :])] = _plane(data, dtype, array.shape[1:])
    return array


def _write(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a Zip file whole, or not at all."""
    with atomic_output(path) as temporary, open(temporary, "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        stream.flush()
        os.fsync(stream.fileno())


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
            if may_write_in(place):
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
