"""Blank slices: slices within an image that hold one value alone, or none, as missing or lost ones do.

To a random walk they are walls, and to the appearance another material, so that a fill would break off there, or cover
them whole. What the slices before and behind show is put in their place.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np

from ACSegLib.axes import AXES, both_names
from ACSegLib.padding import MAX_SHARE_BESIDE, has_value
from ACSegLib.volume import Volume

#: Most blank slices that follow each other; more are no longer known from what lies before and behind.
MAX_RUN = 8
#: Voxels a side of the sample in which slices are looked at first.
_SIDE = 32


def without_blank_slices(volume: Volume) -> tuple[Volume, list[str]]:
    """Replace blank slices by what the nearest ones before and behind show, in proportion to their distance.

    Returns
    -------
    volume : Volume
        The same one where it has no blank slices; else a copy.
    notes : list of str
    """
    if volume.array.dtype.kind not in "iuf":
        return volume, []
    array, notes = volume.array, []
    for axis, name in enumerate(AXES):
        runs = _runs(np.moveaxis(array, axis, 0))
        if not runs:
            continue
        array = array.copy() if array is volume.array else array
        planes = np.moveaxis(array, axis, 0)
        for first, last in runs:
            _interpolate(planes, first, last)
        listed = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in runs)
        notes.append(
            f"slices of the image that hold one value alone, as missing ones do ({listed} on axis {both_names(name)}, "
            "slices count from 0), were replaced by what those before and behind show; check the fill there."
        )
    return (volume, []) if not notes else (replace(volume, array=array), notes)


def _runs(planes: np.ndarray) -> list[tuple[int, int]]:
    """The first and the last slice of each run of blank ones that others enclose."""
    steps = tuple(slice(None, None, max(1, size // _SIDE)) for size in planes.shape[1:])
    sample = planes[(slice(None), *steps)].reshape(len(planes), -1)
    maybe = [_is_blank(row) for row in sample]
    runs = []
    for blank, numbers in groupby(range(len(planes)), lambda n: maybe[n] and _is_blank(planes[n])):
        run = list(numbers)
        first, last = run[0], run[-1]
        if blank and first > 0 and last < len(planes) - 1 and len(run) <= MAX_RUN:
            value = planes[first].flat[0]
            if all(np.mean(has_value(planes[n], value)) < MAX_SHARE_BESIDE for n in (first - 1, last + 1)):
                runs.append((first, last))
    return runs


def _is_blank(plane: np.ndarray) -> bool:
    return bool(has_value(plane, plane.flat[0]).all())


def _interpolate(planes: np.ndarray, first: int, last: int) -> None:
    before, behind = (planes[n].astype(np.float64) for n in (first - 1, last + 1))
    total = last - first + 2
    for n in range(first, last + 1):
        plane = (before * (last + 1 - n) + behind * (n - first + 1)) / total  # so that a mirrored run is the same
        planes[n] = np.rint(plane) if planes.dtype.kind in "iu" else plane
