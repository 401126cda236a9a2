"""Compiles loops with numba, and keeps the machine code on the disk where that is possible."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ACSegLib.jobs import patiently

#: Sums may be reordered; NaN and infinities keep their meaning where a loop tests for them.
FAST_MATH = frozenset({"reassoc", "contract", "arcp", "nsz"})

#: Age in seconds from which on machine code is not that of a process that is just about to write its index.
_LEFT = 3600

_told = False


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Give a decorator that compiles a function without the interpreter's lock (``numba.njit``).

    A cancel does not wait until it is compiled, which takes seconds: see `jobs.patiently`. The machine code is cached
    beside the source, or in the user's cache folder. Neither exists in a read-only installation for a user without a
    home: the function is then compiled anew in every process, and the log says so.

    Write copies between slices and sums of them as loops: numba takes 5 to 15 seconds longer to compile
    ``out[1:, k, j] = row`` than the loops that do the same.

    Parameters
    ----------
    **options
        Of ``numba.njit``, apart from ``cache`` and ``nogil``.
    """
    numba = patiently(lambda: importlib.import_module("numba"))

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return _patient(_forgiving(_certain(numba.njit(cache=True, nogil=True, **options)(function))))
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            _tell()
            return _patient(numba.njit(nogil=True, **options)(function))

    return decorate


def _certain(loop: Any) -> Any:
    """Let the index of a loop's machine code never lead to that of other types, or of an earlier version.

    Numba counts the files of a loop, 1, 2, ..., and writes the index first. Where two processes compile the loop for
    different types at a time, or one ends in between, its index leads to what another has written, or an update has
    left, under the same number: to code that reads other arrays. So name each file by what it is for, and write it
    before the index. What an update has left is removed.
    """
    files: Any = getattr(getattr(loop, "_cache", None), "_cache_file", None)
    used = ("_source_stamp", "_cache_path", "_index_name", "_data_name", "_save_data", "_load_index", "_save_index")
    if not all(hasattr(files, name) for name in used):  # a numba that keeps machine code in another way
        return loop

    def save(key: Any, code: Any) -> None:
        meant_for = hashlib.sha256(repr((files._source_stamp, key)).encode()).hexdigest()
        name = files._data_name(int(meant_for[:12], 16))
        files._save_data(name, code)
        index = files._load_index()
        files._save_index({**index, key: name})
        if not index:
            for path in Path(files._cache_path).glob(f"{Path(files._index_name).stem}.*.nbc"):
                with contextlib.suppress(OSError):  # another process reads it, or was faster
                    if time.time() - path.stat().st_mtime > _LEFT:
                        path.unlink()

    files.save = save
    return loop


def _forgiving(loop: Any) -> Any:
    """Let a loop go on whose machine code cannot be kept: the disk is full, or the path too long for Windows."""
    keep = getattr(getattr(loop, "_cache", None), "save_overload", None)
    if keep is None:
        return loop

    def save_overload(*arguments: Any) -> None:
        try:
            keep(*arguments)
        except OSError:
            _tell()

    loop._cache.save_overload = save_overload
    return loop


def _patient(loop: Any) -> Any:
    """Let the first call with some types look for a cancel while it compiles: numba asks the attribute to do so."""
    compile_for = getattr(loop, "_compile_for_args", None)
    if compile_for is not None:  # without it, a cancel waits until the loop is compiled
        loop._compile_for_args = lambda *args, **kws: patiently(lambda: compile_for(*args, **kws))
    return loop


def fast_loop(function: Callable[..., Any]) -> Any:
    """Compile an inner loop of a fill: with sums that may be reordered, and without bounds checks."""
    return compiled(fastmath=set(FAST_MATH), boundscheck=False)(function)


def _tell() -> None:
    global _told
    if not _told:
        _told = True
        logging.getLogger("ACSeg").warning(
            "compiled loops cannot be kept on the disk, so that they are compiled anew in every process (about 20 s); "
            "set NUMBA_CACHE_DIR to a folder that you can write to."
        )
