"""Connected parts of a mask, kept as runs of voxels: numbers, sizes, boxes and single parts in one pass over the mask.

A run is a row's stretch of set voxels. Runs of neighbouring rows that touch are united (He, Chao, Suzuki, "A run-based
two-scan labeling algorithm", IEEE Transactions on Image Processing 17 (2008) 749-756); a mask of 100 million voxels
has a hundredth as many runs, and no array of labels is needed unless it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ACSegLib.distances import as_mask
from ACSegLib.errors import InputError
from ACSegLib.masks import Box
from ACSegLib.threads import chunks_of, in_threads

#: How far two runs may be apart along i and still touch, for the rows (k, j - 1), (k - 1, j - 1), (k - 1, j) and
#: (k - 1, j + 1); -1 where the rows do not count as neighbours.
_SLACK = {6: (0, -1, 0, -1), 18: (1, 0, 1, 0), 26: (1, 1, 1, 1)}


@dataclass(frozen=True)
class Components:
    """The connected parts of a mask, numbered from 0 by their first voxel in the array's order.

    Attributes
    ----------
    shape : (int, int, int)
        Of the mask.
    sizes : ndarray of int64
        Voxels of each part.
    boxes : list of (slice, slice, slice)
        Smallest box (k, j, i) of each part.
    """

    shape: tuple[int, int, int]
    sizes: np.ndarray
    boxes: list[Box]
    _rows: np.ndarray
    _starts: np.ndarray
    _stops: np.ndarray
    _parts: np.ndarray
    #: Runs sorted by part, and where in that order those of each part begin and end.
    _order: np.ndarray
    _bounds: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    def labels(self) -> np.ndarray:
        """Number of each voxel's part, 1 to the number of parts, 0 outside: int32, shape (k, j, i)."""
        from ACSegLib import run_kernels as kernels

        out = np.zeros(self.shape, np.int32)
        kernels.paint_labels(self._rows, self._starts, self._stops, self._parts, out.reshape(-1, self.shape[2]))
        return out

    def holding(self, marks: np.ndarray) -> np.ndarray:
        """Which parts hold a marked voxel; `marks` is bool, (k, j, i)."""
        from ACSegLib import run_kernels as kernels

        held = np.zeros(len(self), bool)
        rows = np.ascontiguousarray(marks).reshape(-1, self.shape[2])
        kernels.find_marked(self._rows, self._starts, self._stops, self._parts, rows, held)
        return held

    def voxels(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Voxels of some parts: the part of each, and its index in the flattened array, in the array's order.

        Parameters
        ----------
        wanted : ndarray of bool, (parts,)
        """
        runs = np.flatnonzero(wanted[self._parts])
        lengths = (self._stops[runs] - self._starts[runs]).astype(np.int64)
        before = np.cumsum(lengths) - lengths
        heads = self._rows[runs] * self.shape[2] + self._starts[runs] - before
        return np.repeat(self._parts[runs], lengths), np.repeat(heads, lengths) + np.arange(lengths.sum())

    def union(self, wanted: np.ndarray) -> np.ndarray:
        """Some parts (`wanted` is bool, (parts,)) as a boolean array of the mask's shape."""
        out = np.zeros(self.shape, bool)
        out.reshape(-1)[self.voxels(wanted)[1]] = True
        return out

    def mask(self, number: int) -> np.ndarray:
        """One part (numbered from 0) as a boolean array of its box's shape."""
        from ACSegLib import run_kernels as kernels

        k, j, i = self.boxes[number]
        out = np.zeros((k.stop - k.start, j.stop - j.start, i.stop - i.start), bool)
        runs = self._order[self._bounds[number] : self._bounds[number + 1]]
        kernels.paint_part(
            self._rows[runs], self._starts[runs], self._stops[runs], self.shape[1], k.start, j.start, i.start, out
        )
        return out


def find_components(mask: np.ndarray, connectivity: int = 26) -> Components:
    """Find the connected parts of a mask.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    connectivity : {6, 18, 26}
        Which neighbours count as connected.

    Returns
    -------
    Components

    Raises
    ------
    InputError
        For another connectivity, or a mask that has not 3 dimensions.
    """
    from ACSegLib import run_kernels as kernels

    if connectivity not in _SLACK:
        raise InputError(f"connectivity must be 6, 18 or 26, not {connectivity!r}.")
    mask = np.ascontiguousarray(as_mask(mask))  # one memory layout, one compiled loop
    planes, height, _ = mask.shape
    chunks = chunks_of(mask)
    counts = np.zeros((planes, height), np.int64)
    in_threads(lambda part: kernels.count_runs(mask[part], counts[part]), chunks)
    first = np.zeros(planes * height + 1, np.int64)
    np.cumsum(counts, out=first[1:])
    total = int(first[-1])
    starts, stops = np.empty(total, np.int32), np.empty(total, np.int32)
    heads = first[:-1].reshape(planes, height)
    in_threads(lambda part: kernels.find_runs(mask[part], heads[part], starts, stops), chunks)
    rows = np.repeat(np.arange(planes * height, dtype=np.int64), counts.ravel())
    parts, number = kernels.unite_runs(first, starts, stops, height, np.array(_SLACK[connectivity]))
    sizes, boxes = kernels.describe_parts(rows, starts, stops, parts, height, number)
    return Components(
        mask.shape,
        sizes,
        [(slice(int(b[0]), int(b[1])), slice(int(b[2]), int(b[3])), slice(int(b[4]), int(b[5]))) for b in boxes],
        rows,
        starts,
        stops,
        parts,
        np.argsort(parts, kind="stable"),
        np.concatenate([[0], np.cumsum(np.bincount(parts, minlength=number))]),
    )


class NumberedCells:
    """Cells that an array numbers, as `Components` are given.

    Parameters
    ----------
    numbers : ndarray of int, shape (k, j, i)
        Number of the cell, from 1; 0 elsewhere.

    Attributes
    ----------
    values : list of int
        The numbers that are there.
    sizes : ndarray of int64
        Voxels of each.
    boxes : list of (slice, slice, slice)
        Smallest box (k, j, i) of each.
    """

    def __init__(self, numbers: np.ndarray) -> None:
        from scipy import ndimage

        self._numbers = numbers
        found = ndimage.find_objects(numbers)
        self.values = [n for n, box in enumerate(found, start=1) if box is not None]
        self.boxes: list[Box] = [box for box in found if box is not None]
        counts = np.bincount(numbers.ravel(), minlength=len(found) + 1)
        self.sizes = counts[self.values].astype(np.int64)

    def mask(self, number: int) -> np.ndarray:
        """One cell (by its place in `values`) as a boolean array of its box's shape."""
        return self._numbers[self.boxes[number]] == self.values[number]
