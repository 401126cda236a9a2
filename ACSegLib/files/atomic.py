"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from ACSegLib.errors import FileError

#: Temporary paths of outputs that are being written.
_open: set[Path] = set()
#: Bytes that a file's name may have on every system that ACSeg runs on.
_MAX_NAME_BYTES = 255
#: What NumPy says when a disk is full, and what a person is told.
_PARTLY, _FULL = re.compile(r"\d+ requested and \d+ written"), "the disk took only a part of it"
#: How often the removal of a folder is tried, and the pause between, in seconds: threads may still write to it.
_REMOVALS, _PAUSE = 20, 0.05


def require_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Give the folder of a file to be written; FileError if it is missing or may not be written in."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileError(f"cannot write {path}: the folder {folder} does not exist; create it first.")
    if not os.access(folder, os.W_OK):
        raise FileError(f"cannot write {path}: no permission to write in {folder}; choose another folder.")
    length = len(os.fsencode(Path(path).name))
    if length > _MAX_NAME_BYTES:
        raise FileError(f"cannot write {path}: the name has {length} bytes, and files may have {_MAX_NAME_BYTES}.")
    return folder


def _end_of(name: str) -> str:
    """As much of a name's end as a temporary name has room for."""
    return name if len(os.fsencode(name)) <= _MAX_NAME_BYTES - 16 else name[-48:]


@contextlib.contextmanager
def atomic_output(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the same folder; rename it to `path` when the block ends well, remove it otherwise.

    The temporary name keeps the endings of `path` (".seg.nrrd"), since writers choose the format by them. The block
    may write a file or a folder (OME-Zarr); an existing output is replaced only at the end. A symbolic link stays, and
    what it leads to is written.

    Raises
    ------
    FileError
        If the folder is missing or not writable, or the disk is full.
    """
    target = Path(path)
    place = Path(os.path.realpath(target)) if target.is_symlink() else target
    folder = require_writable_folder(place)
    temporary = folder / f".{uuid.uuid4().hex[:8]}-{_end_of(target.name)}"
    _open.add(temporary)
    try:
        yield temporary
        if not temporary.exists():
            raise FileError(f"cannot write {target}: nothing was written.")
        _replace(temporary, place)
    except FileError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else _PARTLY.sub(_FULL, " ".join(str(error).split()))
        raise FileError(f"cannot write {target}: {reason}; free some space or choose another folder.") from error
    finally:
        _remove(temporary)
        _open.discard(temporary)


@contextlib.contextmanager
def output_folders(*folders: str | os.PathLike[str]) -> Iterator[None]:
    """Make folders for outputs; those that were not there before are removed again if the block leaves them empty.

    Raises
    ------
    FileError
        If a folder cannot be made.
    """
    made = []
    try:
        try:
            for folder in map(Path, folders):
                for path in (*reversed(folder.parents), folder):
                    if not path.is_dir():
                        path.mkdir()
                        made.append(path)
        except FileExistsError as error:
            raise FileError(f"cannot write to {folder}: {error.filename} is a file; choose another folder.") from error
        except OSError as error:
            reason = f"cannot create the folder {error.filename}: {error.strerror}"
            raise FileError(f"{reason}; choose another folder.") from error
        yield
    finally:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # not empty: it holds an output
                path.rmdir()


def discard_open_outputs() -> None:
    """Remove what is half written, from any thread: for a process that has to end at once."""
    for temporary in list(_open):
        with contextlib.suppress(OSError):  # on Windows an open file cannot be removed
            _remove(temporary)


def _replace(temporary: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        if not temporary.is_dir():
            raise FileError(f"cannot write {target}: it is a folder; name a file in it.")
        retired = target.with_name(f".{uuid.uuid4().hex[:8]}-old-{target.name}")
        target.rename(retired)
        temporary.rename(target)
        shutil.rmtree(retired, ignore_errors=True)
    else:
        os.replace(temporary, target)


def _remove(path: Path) -> None:
    for attempt in range(_REMOVALS):  # on a full disk, threads of Zarr may still be writing chunks
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        if attempt:
            time.sleep(_PAUSE)
        shutil.rmtree(path, ignore_errors=True)
