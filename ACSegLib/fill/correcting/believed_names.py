"""Which of many segments of one look each voxel belongs to, by the segmentation and by where slices renamed it.

Where many segments share an appearance group, the image tells cell from background, and something else must tell the
cells apart. A slice drawn right says so where it gives a voxel to another segment. Where it leaves the segment of a
voxel as it was, it says nothing against the voxels around it: they keep theirs. A change reaches as far as it is thick:
a border that is a voxel off is so on the next slice, a cell with the name of another one all over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from ACSegLib.distances import within_distance
from ACSegLib.fill.correcting.reliability import RIM
from ACSegLib.fill.prior.class_priors import nearest_values
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.masks import Box, grown_box, relative_box

#: Reach of a change that is a part of a cell, and not only its rim, as a multiple of its thickness: a cell may be
#: longer than thick. `Testing/Benchmarks/correct_tasks.py`.
PART_FACTOR = 1.5

#: Code of decided voxels that kept their segment; those that went from one to another have the codes after it.
_KEPT = 1


def believed_names(
    before: np.ndarray,
    after: np.ndarray,
    decided: np.ndarray,
    spacing: Sequence[float],
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Class of each voxel of a segment, as far as the segmentation and the decided voxels tell.

    Parameters
    ----------
    before, after : ndarray of int16, shape (K, J, I)
        Classes before and after the corrections; 0 is background.
    decided : ndarray of bool, shape (K, J, I)
        Voxels of slices that were drawn right.
    spacing : sequence of float
        Along (K, J, I), in voxels of the finest axis.
    check : callable, optional
        Called often; may raise `Cancelled`.

    Returns
    -------
    ndarray of int16, shape (K, J, I)
        The class before, or the one that the nearest decided voxel was given instead of that class; `UNKNOWN` where
        background was.
    """
    names = np.where(before > 0, before, np.int16(UNKNOWN))
    places = np.flatnonzero(decided)  # few of all voxels
    pairs = np.stack([before.reshape(-1)[places], after.reshape(-1)[places]])
    renamed = (pairs[0] != pairs[1]) & (pairs > 0).all(axis=0)
    if not renamed.any():
        return names
    kinds, numbers = np.unique(pairs[:, renamed], axis=1, return_inverse=True)
    codes = np.zeros(before.shape, np.int16)
    codes.reshape(-1)[places[pairs[0] > 0]] = _KEPT  # background says nothing of names
    codes.reshape(-1)[places[renamed]] = _KEPT + 1 + numbers.ravel()
    reached = np.zeros(before.shape, bool)
    for code, box in enumerate(ndimage.find_objects(codes)[_KEPT:], start=_KEPT + 1):
        check()
        assert box is not None
        _mark_reached(reached, codes, box, code, spacing)
    nearest = nearest_values(codes, spacing, check)[1]
    old, new = np.concatenate([np.zeros((2, _KEPT + 1), np.int16), kinds], axis=1)
    follows = reached & (nearest > _KEPT) & (old[nearest] == before)
    names[follows] = new[nearest[follows]]
    return names


def _mark_reached(reached: np.ndarray, codes: np.ndarray, box: Box, code: int, spacing: Sequence[float]) -> None:
    """Mark the voxels that the connected changes of one code in a box reach."""
    parts, _ = ndimage.label(codes[box] == code, np.ones((3, 3, 3)))
    for part, inner in enumerate(ndimage.find_objects(parts), start=1):
        place = [slice(a.start + b.start, a.start + b.stop) for a, b in zip(box, inner, strict=True)]
        mask = parts[inner] == part
        reach = _reach(mask, spacing)
        around = grown_box((place[0], place[1], place[2]), reach, spacing, codes.shape)
        change = np.zeros([side.stop - side.start for side in around], bool)
        change[relative_box(place, around)] = mask
        reached[around] |= within_distance(change, spacing, reach)


def _reach(mask: np.ndarray, spacing: Sequence[float]) -> float:
    """How far a change reaches, a mask in its smallest box.

    It is as thick as its middle is far from its end, but not across the axis along which it is flat.
    """
    flat = int(np.argmin(mask.shape))
    section = np.pad(mask.any(axis=flat), 1)
    steps = [h for axis, h in enumerate(spacing) if axis != flat]
    thickness = float(ndimage.distance_transform_edt(section, steps).max())
    return thickness if thickness <= RIM else PART_FACTOR * thickness
