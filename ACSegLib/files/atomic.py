"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import contextvars
import errno
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from ACSegLib.errors import FileError
from ACSegLib.files.names import unfit_for_windows

#: Temporary paths of outputs that are being written.
_open: set[Path] = set()
#: Outputs that are whole and wait for others: temporary path, and place. None outside of `all_or_none`.
_waiting: contextvars.ContextVar[list[tuple[Path, Path]] | None] = contextvars.ContextVar("waiting", default=None)
#: Bytes that a file's name may have on every system that ACSeg runs on.
_MAX_NAME_BYTES = 255
#: What NumPy says when a disk is full, and what a person is told.
_PARTLY, _FULL = re.compile(r"\d+ requested and \d+ written"), "the disk took only a part of it"
#: How often a removal or a renaming is tried, and the pause between, in seconds: threads may still write to a folder,
#: and on Windows a virus scanner or a synchronisation looks at what was just written.
_ATTEMPTS, _PAUSE = 20, 0.05
#: Looks in a row that must find a removed folder gone.
_STAYS_GONE = 6
#: Windows' errors for a file that a program has open: access denied, sharing violation, lock, a mapped section.
_IN_USE = frozenset({5, 32, 33, 1224})
#: Characters of a path on Windows, unless longer ones are allowed.
_MAX_WINDOWS_PATH = 259


def require_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Give the folder of a file to be written; FileError if it is missing or may not be written in."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileError(f"cannot write {path}: the folder {folder} does not exist; create it first.")
    if sys.platform == "win32" and (reason := unfit_for_windows(Path(path).name)):
        raise FileError(f"cannot write {path}: {reason}; choose another name.")
    if not may_write_in(folder):
        raise FileError(f"cannot write {path}: no permission to write in {folder}; choose another folder.")
    if sys.platform == "win32" and _is_locked(Path(path)):
        raise FileError(_in_use(path))
    length = len(os.fsencode(Path(path).name))
    if length > _MAX_NAME_BYTES:
        raise FileError(f"cannot write {path}: the name has {length} bytes, and files may have {_MAX_NAME_BYTES}.")
    return folder


def may_write_in(folder: Path) -> bool:
    """Whether files can be made in a folder; Windows tells only when one is."""
    if sys.platform != "win32":
        return os.access(folder, os.W_OK)
    probe = folder / f".{uuid.uuid4().hex[:8]}-probe"
    try:
        probe.touch(exist_ok=False)
    except OSError:
        return False
    with contextlib.suppress(OSError):  # another program looks at it
        probe.unlink()
    return True


def _is_locked(path: Path) -> bool:
    """Whether there is a file that may not be replaced: another program has it open, or it is write-protected."""
    try:
        if path.is_file():
            open(path, "r+b").close()
    except PermissionError:
        return True
    return False


def _in_use(path: str | os.PathLike[str]) -> str:
    return (
        f"cannot write {path}: it is open in another program, or write-protected; close it there, or choose another "
        "name."
    )


def _end_of(name: str) -> str:
    """As much of a name's end as a temporary name has room for, in the characters that every library can use.

    Small letters alone: MetaIO takes a name that ends in .MHA for a header whose voxels go to a file beside it.
    """
    return re.sub(r"[^ -~]", "_", name)[16 - _MAX_NAME_BYTES :].lower()


@contextlib.contextmanager
def atomic_output(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the same folder; rename it to `path` when the block ends well, remove it otherwise.

    The temporary name keeps the endings of `path` (".seg.nrrd"), since writers choose the format by them. The block
    may write a file or a folder (OME-Zarr); an existing output is replaced only at the end, in a block of `all_or_none`
    at the end of that. A symbolic link stays, and what it leads to is written.

    Raises
    ------
    FileError
        If the folder is missing or not writable, or the disk is full.
    """
    target = Path(path)
    place = Path(os.path.realpath(target)) if target.is_symlink() else target
    folder = require_writable_folder(place)
    temporary = folder / f".{uuid.uuid4().hex[:8]}-{_end_of(target.name)}"
    waiting = _waiting.get()
    _open.add(temporary)
    try:
        with _explained(target, temporary):
            yield temporary
            _require_whole(temporary, place)
            if waiting is None:
                _replace(temporary, place)
            else:
                waiting.append((temporary, place))
    finally:
        if not waiting or waiting[-1] != (temporary, place):
            _discard(temporary)


@contextlib.contextmanager
def all_or_none() -> Iterator[None]:
    """Let the outputs that this thread writes in the block appear when it ends well, all of them; otherwise none does.

    Raises
    ------
    FileError
        If the disk refuses.
    """
    waiting: list[tuple[Path, Path]] = []
    token = _waiting.set(waiting)
    try:
        yield
        for temporary, place in waiting:
            with _explained(place, temporary):
                _replace(temporary, place)
    finally:
        _waiting.reset(token)
        for temporary, _ in waiting:
            _discard(temporary)


def _why_not(error: OSError, target: Path, temporary: Path) -> str:
    """The sentence on an output that could not be written."""
    if getattr(error, "winerror", None) in _IN_USE:
        return _in_use(target)
    length = len(os.path.abspath(temporary))
    if sys.platform == "win32" and error.errno == errno.ENOENT and length > _MAX_WINDOWS_PATH:
        return f"cannot write {target}: the path has {length} characters, too many for Windows; choose a shorter one."
    reason = os.strerror(error.errno) if error.errno else _PARTLY.sub(_FULL, " ".join(str(error).split()))
    return f"cannot write {target}: {reason}; free some space or choose another folder."


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


@contextlib.contextmanager
def _explained(target: Path, temporary: Path) -> Iterator[None]:
    """Say in a sentence why an output could not be written."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(_why_not(error, target, temporary)) from error


def _require_whole(temporary: Path, target: Path) -> None:
    """Refuse an output that was not written, or would take the place of a folder."""
    if not temporary.exists():
        raise FileError(f"cannot write {target}: nothing was written.")
    if target.is_dir() and not target.is_symlink() and not temporary.is_dir():
        raise FileError(f"cannot write {target}: it is a folder; name a file in it.")


def _replace(temporary: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        retired = target.with_name(f".{uuid.uuid4().hex[:8]}-old-{target.name}")
        _move(target, retired)
        try:
            _move(temporary, target)
        except OSError:
            _move(retired, target)
            raise
        shutil.rmtree(retired, ignore_errors=True)
    else:
        _move(temporary, target)


def _move(source: Path, target: Path) -> None:
    """Rename a file or folder, and try again while another program looks at one of them."""
    for _ in range(_ATTEMPTS - 1):
        try:
            os.replace(source, target)
            return
        except OSError as error:
            if getattr(error, "winerror", None) not in _IN_USE:
                raise
        time.sleep(_PAUSE)
    os.replace(source, target)


def _discard(temporary: Path) -> None:
    with contextlib.suppress(OSError):  # what went wrong with the output is the news
        _remove(temporary)
    _open.discard(temporary)


def _remove(path: Path) -> None:
    folder, times_gone = path.is_dir(), 0
    for attempt in range(_ATTEMPTS):  # on a full disk, threads of Zarr may still be writing, and make the folder anew
        if attempt > 1:
            time.sleep(_PAUSE)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
            times_gone = 0
            continue
        try:
            path.unlink(missing_ok=True)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _IN_USE or attempt == _ATTEMPTS - 1:
                raise
            continue
        times_gone += 1
        if not folder or times_gone == _STAYS_GONE:
            return
