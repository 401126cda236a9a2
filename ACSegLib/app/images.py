"""Slices as bytes, intensity windows, and small copies of a volume for 3D."""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ACSegLib.app.contract import AXES
from ACSegLib.arrays import is_mapped
from ACSegLib.errors import InputError
from ACSegLib.padding import intensities

#: Voxels along the longest edge of the copies for 3D, at most: what a graphics card loads in a second. And at least.
MAX_PREVIEW, _MIN_PREVIEW = 256, 16
#: Voxels that the range of intensities is read from.
_MAX_SAMPLE = 1 << 20
#: Percentiles of the intensities that are shown as black and as white.
_WINDOW = (0.5, 99.5)
#: Rows of a mapped volume that one slice along x reads: some seconds on a slow disk.
_MAX_ROWS = 1 << 16
#: NIfTI intent code of label images (NIFTI_INTENT_LABEL).
_INTENT_LABEL = 1002


def axis_number(axis: str) -> int:
    """Number of the array axis "z", "y" or "x"; InputError if it is none."""
    if axis not in AXES:
        raise InputError(f"axis {axis!r} is not one of: x, y, z.")
    return AXES.index(axis)


def take_slice(array: Any, axis: str, index: int) -> np.ndarray:
    """Give a slice of an array that may lie on the disk; InputError if there is no such slice."""
    number = axis_number(axis)
    if not 0 <= index < array.shape[number]:
        raise InputError(f"there is no slice {axis} = {index}; the volume has 0 to {array.shape[number] - 1}.")
    place: list[Any] = [slice(None)] * 3
    place[number] = index
    return np.asarray(array[tuple(place)])


def read_pages_alone(array: Any) -> None:
    """Tell the system not to read on behind each row of a mapped file: a slice along y has rows far apart."""
    part = array
    while part is not None and not isinstance(part, mmap.mmap):
        part = getattr(part, "base", None)
    if part is not None and hasattr(mmap, "MADV_RANDOM"):
        part.madvise(mmap.MADV_RANDOM)


def take_shown_slice(array: Any, axis: str, index: int) -> np.ndarray:
    """A slice to look at: as `take_slice`, but along x of a mapped volume only some rows are read, and repeated.

    Each voxel of such a slice lies on another page of the file, so that all of the file would have to be read.
    """
    plane_rows = array.shape[0] * array.shape[1]
    if axis != "x" or plane_rows <= _MAX_ROWS or not isinstance(array, np.ndarray) or not is_mapped(array):
        return take_slice(array, axis, index)
    step = math.ceil(math.sqrt(plane_rows / _MAX_ROWS))
    coarse = take_slice(array[::step, ::step], axis, index)
    return np.repeat(np.repeat(coarse, step, axis=0), step, axis=1)[: array.shape[0], : array.shape[1]]


def to_window(plane: np.ndarray, low: float, high: float, bits: int = 8) -> np.ndarray:
    """Intensities as whole numbers: 0 for `low` and less, the maximum for `high` and more, 0 for missing values.

    Parameters
    ----------
    plane : ndarray
        Intensities.
    low, high : float
    bits : int
        8 or 16.

    Returns
    -------
    ndarray of uint8 or little-endian uint16
    """
    if bits not in (8, 16):
        raise InputError(f"bits must be 8 or 16, not {bits}.")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"low must be below high, not {low:g} and {high:g}.")
    top = float(2**bits - 1)
    scaled = plane.astype(np.float32)
    scaled -= np.float32(low)
    scaled *= np.float32(top / (high - low))
    np.fmax(scaled, 0.0, out=scaled)  # missing values become 0
    np.minimum(scaled, top, out=scaled)
    return np.rint(scaled, out=scaled).astype("u1" if bits == 8 else "<u2")


def intensity_range(array: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Smallest and largest intensity, and the window to begin with, from a sample of slices and voxels.

    The window leaves out padding.

    Returns
    -------
    tuple of two tuples of float
        Range, and window; each ascending, also for a volume of one intensity.
    """
    sample = _sample(array)
    finite = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    if not finite.size:
        return (0.0, 1.0), (0.0, 1.0)
    full = _ascending(float(finite.min()), float(finite.max()))
    low, high = (float(v) for v in np.percentile(intensities(sample), _WINDOW))
    return full, (low, high) if high > low else full


def _sample(array: Any) -> np.ndarray:
    """Voxels of up to 32 slices, evenly spaced, and on them every n-th voxel."""
    count = min(array.shape[0], 32)
    slices = np.unique(np.linspace(0, array.shape[0] - 1, count).round().astype(int))
    step = max(1, math.ceil(math.sqrt(array.shape[1] * array.shape[2] * len(slices) / _MAX_SAMPLE)))
    return np.stack([np.asarray(array[int(k)])[::step, ::step] for k in slices])


def _ascending(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + max(1.0, abs(low)))


def preview_steps(shape: Sequence[int], size: int = MAX_PREVIEW) -> tuple[int, int, int]:
    """Voxels (z, y, x) of the volume that make one voxel of its copy for 3D.

    Parameters
    ----------
    shape : sequence of int
        (z, y, x).
    size : int
        Voxels of the copy along each axis, at most.

    Raises
    ------
    InputError
        If a copy of this size is not made.
    """
    if not _MIN_PREVIEW <= size <= MAX_PREVIEW:
        raise InputError(f"size must be between {_MIN_PREVIEW} and {MAX_PREVIEW} voxels, not {size}.")
    z, y, x = (math.ceil(n / size) for n in shape)
    return z, y, x


def preview_spacing(shape: Sequence[int], spacing: Sequence[float], size: int = MAX_PREVIEW) -> list[float]:
    """Voxel size (x, y, z) of the copy for 3D of a volume of this shape (z, y, x) and voxel size (x, y, z)."""
    return [edge * step for edge, step in zip(spacing, preview_steps(shape, size)[::-1], strict=True)]


def image_preview(array: Any, window: tuple[float, float], lazy: bool, size: int = MAX_PREVIEW) -> np.ndarray:
    """A small copy of an image: means of blocks of voxels; of a volume on the disk, means of every n-th row.

    Returns
    -------
    ndarray of uint8, shape (z, y, x), at most `size` along each axis
    """
    steps = preview_steps(array.shape, size)
    small = [math.ceil(n / step) for n, step in zip(array.shape, steps, strict=True)]
    preview = np.empty(small, np.uint8)
    for k, first in enumerate(range(0, array.shape[0], steps[0])):
        rows = 1 if lazy else steps[1]
        block = np.asarray(array[first : first + 1, :: steps[1]] if lazy else array[first : first + steps[0]])
        sums = np.zeros(small[1:], np.float32)
        for plane in block:
            _add_blocks(to_window(plane, *window), sums, rows, steps[2])
        np.rint(sums / (len(block) * rows * steps[2]), out=sums)
        preview[k] = sums
    return preview


def _add_blocks(plane: np.ndarray, sums: np.ndarray, rows: int, columns: int) -> None:
    """Add the sums of blocks of a plane; blocks at its ends go on with their last row and column."""
    ends = [n * step - have for n, step, have in zip(sums.shape, (rows, columns), plane.shape, strict=True)]
    if any(ends):
        plane = np.pad(plane, [(0, ends[0]), (0, ends[1])], mode="edge")
    for row in range(rows):
        for column in range(columns):
            sums += plane[row::rows, column::columns]


def labels_preview(array: Any, size: int = MAX_PREVIEW) -> np.ndarray:
    """Labels (or uncertainty) on the grid of `image_preview`: the voxel in the middle of each block, as uint8."""
    steps = preview_steps(array.shape, size)
    planes, rows, columns = (_middles(n, step) for n, step in zip(array.shape, steps, strict=True))
    sampled = np.stack([np.asarray(array[int(k)])[np.ix_(rows, columns)] for k in planes])
    if sampled.dtype == np.uint8:
        return sampled
    return np.where(sampled > 255, (sampled - 1) % 255 + 1, sampled).astype(np.uint8)  # 0 alone is background


def _middles(length: int, step: int) -> np.ndarray:
    """Indices in the middle of each block of `step`; the last block may be shorter."""
    return np.minimum(np.arange(0, length, step) + step // 2, length - 1)


def nifti(array: np.ndarray, spacing: Sequence[float], labels: bool = False) -> bytes:
    """A NIfTI-1 file of uint8 voxels on a grid without rotation, the smallest voxel edge 1 mm.

    Parameters
    ----------
    array : ndarray of uint8, shape (z, y, x)
    spacing : sequence of float
        Along x, y, z, in any unit.
    labels : bool
        Whether the file says that it holds labels.
    """
    edges = [float(v) / min(spacing) for v in spacing]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, array.shape[2], array.shape[1], array.shape[0], 1, 1, 1, 1)
    struct.pack_into("<3h", header, 68, _INTENT_LABEL if labels else 0, 2, 8)  # intent, uint8, 8 bits
    struct.pack_into("<8f", header, 76, 1.0, *edges, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352.0, 1.0, 0.0)  # where the voxels begin; slope and intercept
    header[123] = 2  # millimetres
    struct.pack_into("<2h", header, 252, 0, 1)  # the matrix alone says where the grid lies
    for row, values in enumerate(((-edges[0], 0, 0, 0), (0, -edges[1], 0, 0), (0, 0, edges[2], 0))):
        struct.pack_into("<4f", header, 280 + 16 * row, *values)
    header[344:348] = b"n+1\0"
    return bytes(header) + np.ascontiguousarray(array, np.uint8).tobytes()
