"""Arrays that travel between two processes: one writes a file, the other maps it and removes its name.

On Linux the files lie in memory (/dev/shm); elsewhere, or where that has no room, in the temporary folder. They are
written with ordinary writes, so that a full disk is an error and never a crash, and mapped only for reading: whoever
changes a received array changes a private copy of the pages.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ACSegLib.errors import DISK_FULL, MemoryLimitError
from ACSegLib.json_values import Json

#: Bytes that `ArrayWriter.step` writes at most: a few milliseconds.
CHUNK = 16 << 20

#: Bytes that stay free in a folder for others.
_RESERVE = 64 << 20

_PREFIX = "acseg-"


@dataclass(frozen=True)
class ArrayFile:
    """An array in a file: its bytes in C order, and what they mean."""

    path: str
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def from_message(cls, message: Json) -> ArrayFile:
        """Give back what `message` took."""
        return cls(str(message["path"]), tuple(int(n) for n in message["shape"]), str(message["dtype"]))

    def message(self) -> Json:
        """Give it as JSON values."""
        return {"path": self.path, "shape": list(self.shape), "dtype": self.dtype}

    def discard(self) -> None:
        """Remove the file, if it is still there."""
        with contextlib.suppress(OSError):  # on Windows a mapped file cannot be removed, until nobody maps it any more
            Path(self.path).unlink(missing_ok=True)

    def take(self) -> np.ndarray:
        """Map the array and remove the file's name; the memory is given back with the array."""
        if 0 in self.shape:
            self.discard()
            return np.empty(self.shape, self.dtype)
        array = np.memmap(self.path, dtype=self.dtype, mode="c", shape=self.shape or (1,))
        self.discard()
        if os.path.exists(self.path):
            weakref.finalize(array._mmap, self.discard)  # type: ignore[attr-defined]
        return np.asarray(array).reshape(self.shape)


def make_folder(place: str | os.PathLike[str] | None = None) -> Path:
    """Make a folder that names this process, by which `remove_abandoned` knows whose it is."""
    return Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=place))


def make_log(place: str | os.PathLike[str] | None = None) -> tuple[int, Path]:
    """Make an empty file for a log, with such a name, and open it; give its number and its path."""
    number, path = tempfile.mkstemp(prefix=f"{_own_prefix()}worker-", suffix=".log", dir=place)
    return number, Path(path)


def _own_prefix() -> str:
    return f"{_PREFIX}{_numbering()}-{os.getpid()}-"


@functools.cache
def _numbering() -> str:
    """Name what numbers the processes, in eight digits: the machine, or a container of it.

    Machines and containers may share a temporary folder. A number that is free in one is another's process.
    """
    try:
        space = os.stat("/proc/self/ns/pid").st_ino if sys.platform == "linux" else 0
    except OSError:  # without /proc
        space = 0
    names = f"{socket.gethostname()} {sys.platform} {space}"
    return hashlib.sha256(names.encode()).hexdigest()[:8]


def make_folders(temporary: str | os.PathLike[str] | None = None) -> list[Path]:
    """Make the folders in which a front end and its worker exchange arrays, the best first.

    Their names begin with "acseg-" and tell this process, so that what a killed one left can be found.
    """
    places = [Path("/dev/shm")] if sys.platform == "linux" and Path("/dev/shm").is_dir() else []
    places.append(Path(temporary or tempfile.gettempdir()))
    made = []
    for place in places:
        with contextlib.suppress(OSError):  # it may not be written in: the next place serves as well
            made.append(make_folder(place))
    if not made:
        raise MemoryLimitError(
            f"arrays cannot be handed to the worker process: {', '.join(map(str, places))} cannot be written in; "
            "set the environment variable TMPDIR to a folder that can."
        )
    return made


def remove_folders(folders: Sequence[str | os.PathLike[str]]) -> None:
    """Remove the folders and what is in them."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(folders: Sequence[str | os.PathLike[str]]) -> None:
    """Remove what front ends left beside these folders that no longer run (killed, or the machine went down).

    These are folders of arrays, or of files that were made for a page, and the logs of worker processes. What other
    machines and containers left in a folder that they share stays.
    """
    import psutil

    prefix = f"{_PREFIX}{_numbering()}-"
    for place in {Path(folder).parent for folder in folders}:
        for found in place.glob(f"{prefix}*-*"):
            number = found.name.removeprefix(prefix).partition("-")[0]
            if not number.isdigit() or psutil.pid_exists(int(number)):
                continue
            if found.is_dir():
                shutil.rmtree(found, ignore_errors=True)
            elif found.suffix == ".log":
                with contextlib.suppress(OSError):  # of somebody else
                    found.unlink()


class ArrayWriter:
    """Writes arrays a chunk at a time, so that an event loop in between never stands still for long.

    Parameters
    ----------
    arrays : mapping
        Name -> array.
    folders : sequence of path
        Where to write, the best first.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], folders: Sequence[str | os.PathLike[str]]) -> None:
        self.files: dict[str, ArrayFile] = {}
        self._waiting = list(arrays.items())
        self._folders = [Path(folder) for folder in folders]
        self._choice = 0
        self._stream: BinaryIO | None = None
        self._total = sum(array.nbytes for array in arrays.values())
        self._done = self._written = 0

    @property
    def fraction(self) -> float:
        """How much is written, 0 to 1."""
        return (self._done + self._written) / max(self._total, 1)

    def step(self) -> bool:
        """Write a chunk; True once everything is written.

        Raises
        ------
        MemoryLimitError
            If no folder has room.
        """
        if not self._waiting:
            return True
        name, array = self._waiting[0]
        try:
            stream = self._stream or self._open(array)
            self._write_chunk(stream, array)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            self._next_folder(array)
            return False
        if self._written >= array.nbytes:
            stream.close()
            self.files[name] = ArrayFile(stream.name, array.shape, array.dtype.str)
            self._done += array.nbytes
            self._stream, self._written = None, 0
            self._waiting.pop(0)
        return not self._waiting

    def write_all(self) -> dict[str, ArrayFile]:
        """Write everything at once."""
        while not self.step():
            pass
        return self.files

    def discard(self) -> None:
        """Remove what was written."""
        self._drop_stream()
        self._waiting = []
        for file in self.files.values():
            file.discard()

    def _open(self, array: np.ndarray) -> BinaryIO:
        while shutil.disk_usage(self._folders[self._choice]).free < array.nbytes + _RESERVE:
            self._next_folder(array)
        number, path = tempfile.mkstemp(suffix=".array", dir=self._folders[self._choice])
        os.close(number)
        self._stream = open(path, "wb", buffering=0)  # noqa: SIM115 - it stays open from step to step
        return self._stream

    def _write_chunk(self, stream: BinaryIO, array: np.ndarray) -> None:
        if array.flags.c_contiguous:
            data = array.reshape(-1).view(np.uint8)[self._written : self._written + CHUNK]
            self._written += stream.write(data.data)
            return
        rows = max(1, CHUNK // max(array[:1].nbytes, 1))
        first = self._written // array[:1].nbytes
        left = np.ascontiguousarray(array[first : first + rows]).reshape(-1).view(np.uint8).data
        while left:
            count = stream.write(left)
            self._written += count
            left = left[count:]

    def _next_folder(self, array: np.ndarray) -> None:
        self._drop_stream()
        self._choice += 1
        if self._choice >= len(self._folders):
            self._choice = 0
            places = " and ".join(str(folder.parent) for folder in self._folders)
            raise MemoryLimitError(
                f"{array.nbytes / 2**30:.1f} GiB cannot be handed to another process: {places} have no room for it; "
                "free some space there, or set the environment variable TMPDIR to a folder with more."
            )

    def _drop_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            Path(self._stream.name).unlink(missing_ok=True)
        self._stream, self._written = None, 0
