"""Seeds that a person set: which cell each of them marks, and which basins they lie in."""

from __future__ import annotations

import numpy as np

from ACSegLib.cells.grid import spread_through
from ACSegLib.errors import InputError
from ACSegLib.special_segments import structures
from ACSegLib.volume import Segmentation, unique_values


def seed_array(seeds: Segmentation) -> tuple[np.ndarray, list[str]]:
    """A number for each seed on its voxels: its segment, or its component where there is one segment.

    Voxels of several seeds mark no cell, nor do segments that are no structures (background, ignored).

    Returns
    -------
    marks : ndarray of int32, shape (k, j, i)
    notes : list of str
        A sentence on segments that were left out.

    Raises
    ------
    InputError
        If there is no seed, or one of which all voxels belong to other seeds as well.
    """
    from scipy import ndimage

    named = seeds.name
    seeds, _, notes = structures(seeds)
    present = [s for s in seeds.segments if seeds.mask(s).any()]
    if not present:
        raise InputError(f"the seeds {named!r} are empty; draw a dab in each cell.")
    if len(present) == 1:
        return ndimage.label(seeds.mask(present[0]), np.ones((3, 3, 3)))[0].astype(np.int32), notes
    marks = np.zeros(seeds.shape, np.int32)
    shared = np.zeros(seeds.shape, bool)
    for number, segment in enumerate(present, start=1):
        mask = seeds.mask(segment)
        shared |= mask & (marks > 0)
        marks[mask] = number
    marks[shared] = 0
    left = set(unique_values(marks).tolist())
    hidden = [s.name for number, s in enumerate(present, start=1) if number not in left]
    if hidden:
        raise InputError(
            f"all voxels of the seed {hidden[0]!r} belong to other seeds, too; draw the dabs of different cells apart."
        )
    return marks, notes


def usable_seeds(seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The seeds within the mask, numbered from 1, and a note on those that lie outside."""
    wanted = [int(v) for v in unique_values(seeds) if v]
    inside = np.where(mask, seeds, 0)
    found = [int(v) for v in unique_values(inside) if v]
    if not found:
        raise InputError("no seed lies in the segment that is to be split; draw a dab in each of its cells.")
    lost = len(wanted) - len(found)
    notes = [f"{lost} of {len(wanted)} seeds lie outside the segment and do not count."] if lost else []
    return np.where(inside, np.searchsorted(found, inside) + 1, 0).astype(np.int32), notes


def divide_by_seeds(basins: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Divide basins that hold several seeds: each voxel goes to the seed that is nearest within its basin."""
    inside = seeds > 0
    pairs = np.unique(np.stack([basins[inside], seeds[inside]]), axis=1)
    shared = np.flatnonzero(np.bincount(pairs[0], minlength=1) > 1)
    if not len(shared):
        return basins
    where = np.isin(basins, shared)
    parts = np.where(where, seeds, 0)
    spread_through(parts, where)
    keys = basins.astype(np.int64) * (int(seeds.max()) + 1) + parts
    numbers = np.unique(keys[basins > 0], return_inverse=True)[1].ravel()
    divided = np.zeros_like(basins)
    divided[basins > 0] = numbers + 1
    return divided


def seed_of_basins(basins: np.ndarray, seeds: np.ndarray | None) -> np.ndarray | None:
    """Which seed each basin holds, 0 for none; None without seeds."""
    if seeds is None:
        return None
    found = np.zeros(int(basins.max()) + 1, np.int64)
    inside = seeds > 0
    found[basins[inside]] = seeds[inside]
    found[0] = 0
    return found
