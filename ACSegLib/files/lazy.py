"""Images larger than a limit are not read into memory: plain voxels are mapped, chunked ones read part by part.

Within ``with lazily(limit):`` every reader asks `wanted`. A reader of plain voxels then maps its file, a reader of
packed ones unpacks into a mapped file that vanishes with the array, and Zarr gives a `ChunkedArray`.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from ACSegLib.arrays import is_mapped
from ACSegLib.errors import MemoryLimitError

_BLOCK_BYTES = 64 << 20
#: Windows' error for a paging file that is too small.
_COMMITMENT_LIMIT = 1455
_limit: ContextVar[int | None] = ContextVar("lazy_limit", default=None)


@contextlib.contextmanager
def lazily(limit: int | None) -> Iterator[None]:
    """Let readers within the block leave images of more than `limit` bytes on the disk; None reads all of them."""
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)


def wanted(shape: Sequence[int], dtype: np.dtype) -> bool:
    """Whether an array of this shape and type shall stay on the disk."""
    limit = _limit.get()
    return limit is not None and int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize > limit


def scratch(shape: Sequence[int], dtype: Any, folder: str | os.PathLike[str] | None = None) -> np.ndarray:
    """Give an array of zeros in a file that vanishes with it, in a folder or the system's for temporary files (TMPDIR).

    Raises
    ------
    MemoryLimitError
        If that folder has no room for it.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    require_room(size, folder)
    with tempfile.TemporaryFile(prefix="acseg-", dir=folder) as stream:
        return np.memmap(stream, dtype, "w+", shape=tuple(shape))


def mapped(file: Any, dtype: Any, offset: int, shape: Sequence[int]) -> np.ndarray:
    """Map voxels of a file such that writing changes the array alone.

    Windows reserves memory for all of them. Where it has too little, they are mapped for reading only.
    """
    try:
        return np.memmap(file, dtype, "c", offset, tuple(shape))
    except OSError as error:
        if getattr(error, "winerror", None) != _COMMITMENT_LIMIT:
            raise
        return np.memmap(file, dtype, "r", offset, tuple(shape))


def empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Give an array to be filled: in memory, or where it shall stay on the disk, in a file as `scratch` gives it."""
    return (scratch if wanted(shape, dtype) else np.empty)(tuple(shape), dtype)


def require_room(size: int, folder: str | os.PathLike[str] | None = None) -> None:
    """Raise MemoryLimitError unless a folder, by default the system's for temporary files, has `size` bytes free.

    A mapped file grows as it is written, and a disk that fills meanwhile would end the program without a word.
    """
    import shutil

    folder = folder or tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise MemoryLimitError(
            f"{size / 2**30:.1f} GiB are needed in {folder}, which has {free / 2**30:.1f} GiB free; free some space, "
            "or name another folder in the environment variable TMPDIR."
        )


def blocks(array: Any) -> Iterator[np.ndarray]:
    """Give all of a 3D array in blocks of at most some 64 MiB, or a chunk, each chunk in one block alone."""
    steps = list(getattr(array, "chunks", (1, 1, array.shape[2])))
    itemsize = np.dtype(array.dtype).itemsize
    for axis in (2, 1, 0):  # widen along the fastest axis first
        room = _BLOCK_BYTES // (int(np.prod(steps, dtype=np.int64)) * itemsize)
        steps[axis] = min(steps[axis] * max(1, room), array.shape[axis])
    for corner in itertools.product(*(range(0, n, step) for n, step in zip(array.shape, steps, strict=True))):
        yield array[tuple(slice(a, a + step) for a, step in zip(corner, steps, strict=True))]


def step_to(shape: Sequence[int], voxels: int) -> int:
    """Along each axis, the n of every n-th voxel that gives about so many in all."""
    return max(1, round((math.prod(shape) / voxels) ** (1 / 3)))


def every_nth(array: Any, voxels: int, check: Callable[[], None] = lambda: None) -> np.ndarray:
    """Give every n-th voxel along each axis of a 3D array, about so many in all.

    An array in memory gives a view. Of one on the disk each block is read once, and `check` is called after it, which
    may raise `Cancelled`.
    """
    step = step_to(array.shape, voxels)
    if isinstance(array, np.ndarray) and not is_mapped(array):
        return array[::step, ::step, ::step]
    sample = np.empty([-(-n // step) for n in array.shape], array.dtype)
    corner = [0, 0, 0]
    for block in blocks(array):
        first = [-(-start // step) for start in corner]
        part = block[tuple(slice(f * step - start, None, step) for f, start in zip(first, corner, strict=True))]
        sample[tuple(slice(f, f + n) for f, n in zip(first, part.shape, strict=True))] = part
        check()
        for axis in (2, 1, 0):  # blocks come in this order
            corner[axis] += block.shape[axis]
            if corner[axis] < array.shape[axis]:
                break
            corner[axis] = 0
    return sample


class ChunkedArray:
    """An array on the disk of which parts are read when they are asked for; indexed as numpy arrays are.

    Parameters
    ----------
    data : zarr.Array or alike
        With shape, dtype, chunks and basic indexing.
    fixed : dict of int to int
        Axes of `data` that are left out, and the index taken there.
    order : sequence of int, optional
        Axes of `data` in the order in which they are wanted.
    """

    def __init__(self, data: Any, fixed: dict[int, int] | None = None, order: Sequence[int] | None = None) -> None:
        self._data, self._fixed = data, dict(fixed or {})
        self._order = [n for n in (order or range(len(data.shape))) if n not in self._fixed]
        self.shape = tuple(int(data.shape[n]) for n in self._order)
        self.chunks = tuple(int(data.chunks[n]) for n in self._order)
        self.dtype = np.dtype(data.dtype).newbyteorder("=")
        self.ndim = len(self._order)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.nbytes = self.size * self.dtype.itemsize

    def squeeze(self, axis: int) -> ChunkedArray:
        """Leave out an axis of length one."""
        if self.shape[axis] != 1:
            raise ValueError(f"axis {axis} has length {self.shape[axis]}, not one")
        return ChunkedArray(self._data, {**self._fixed, self._order[axis]: 0}, self._order)

    def transpose(self, order: Sequence[int]) -> ChunkedArray:
        """Put the axes into another order."""
        return ChunkedArray(self._data, self._fixed, [self._order[n] for n in order])

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read a part: whole numbers, slices, and ``...``."""
        parts = list(index) if isinstance(index, tuple) else [index]
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        parts += [slice(None)] * (self.ndim - len(parts))
        wanted = {**self._fixed, **dict(zip(self._order, parts, strict=True))}
        found = np.asarray(self._data[tuple(wanted[n] for n in sorted(wanted))], self.dtype)
        kept = [n for n, part in zip(self._order, parts, strict=True) if isinstance(part, slice)]
        return found.transpose([sorted(kept).index(n) for n in kept]) if kept != sorted(kept) else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read everything."""
        return np.asarray(self[...], dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give plane after plane; each row of chunks is read once."""
        for start in range(0, self.shape[0], self.chunks[0]):
            yield from self[start : start + self.chunks[0]]
