"""Enclosed holes: filling them, and learning which segments have none.

A network that takes a dark organelle for medium leaves a hole in its cell. Whether a segment may have holes is learned
from the labels: a segment that has none in the labels should have none in predictions, as long as most of what the
predictions enclose was labelled as the segment (nnU-Net also decides on its post-processing on validation data:
Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ACSegLib.components import find_components
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box, bounding_box, listed_masks
from ACSegLib.postprocess.components import Amount, class_boxes

#: Fraction of a segment that holes may have in labels that count as without holes. A choice, not a measurement: labels
#: made by hand miss single voxels.
MAX_HOLE_FRACTION = 1e-3

#: Labelled slices that have to show a segment before they prove that it has no holes.
MIN_SLICES = 3


def fill_holes(
    labels: np.ndarray,
    sizes: Mapping[int, Amount],
    known: np.ndarray | None = None,
    changed: np.ndarray | None = None,
    progress: Progress | None = None,
) -> int:
    """Fill enclosed regions in place, the smallest first; see `ACSegLib.postprocess.rules.FillHoles`.

    Where one segment encloses another, each fills its own holes.

    Returns
    -------
    int
        Voxels changed.
    """
    progress, count = progress or Progress(), 0
    progress(0.0, "filling holes")
    holes: list[tuple[int, int, np.ndarray]] = []
    for value, amount, box in class_boxes(labels, sizes, progress):
        holes += [(size, value, voxels) for size, voxels in _holes(labels, value, amount, box, known)]
        progress.check()
    for _, value, voxels in sorted(holes, key=lambda hole: hole[:2]):
        places = np.unravel_index(voxels, labels.shape)
        empty = labels[places] == 0
        places = tuple(place[empty] for place in places)
        labels[places] = value
        count += int(np.count_nonzero(empty))
        if changed is not None:
            changed[places] = True
    return count


def _holes(
    labels: np.ndarray, value: int, amount: Amount, box: Box, known: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Size of each hole of a class, other classes in it included, and the flat indices of its background."""
    part = labels[box]
    inside = part == value
    limit = amount if amount >= 1 else amount * np.count_nonzero(inside)
    regions = find_components(~inside, 6)
    sizes = regions.sizes
    # The world outside the box is one region: what reaches a face of the box is not enclosed.
    faces = np.array([[(side.start, side.stop) for side in region] for region in regions.boxes]).reshape(-1, 3, 2)
    enclosed = (sizes <= limit) & (faces[..., 0] > 0).all(axis=1) & (faces[..., 1] < part.shape).all(axis=1)
    if known is not None:
        enclosed &= ~regions.holding(known[box] & (part == 0))
    owner, inner = regions.voxels(enclosed)
    places = np.unravel_index(inner, part.shape)
    background = part[places] == 0
    owner, places = owner[background], tuple(place[background] for place in places)
    outer = tuple(place + side.start for place, side in zip(places, box, strict=True))
    voxels = np.ravel_multi_index(outer, labels.shape)
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    for number, hole in zip(owner[order][starts], np.split(voxels[order], starts[1:]), strict=False):
        yield int(sizes[number]), hole


def classes_without_holes(slices: Iterable[np.ndarray]) -> tuple[int, ...]:
    """Classes that enclose no background on any labelled slice, among those that enough slices show.

    Parameters
    ----------
    slices : iterable of ndarray of int, shape (j, i)
        Classes, 0 for background; negative where unknown.
    """
    from scipy import ndimage

    shown, voxels, enclosed = Counter[int](), Counter[int](), Counter[int]()
    for plane in slices:
        for c, box in enumerate(ndimage.find_objects(np.maximum(plane, 0)), start=1):
            if box is None:
                continue
            part = np.pad(plane[box], 1)
            regions, _ = ndimage.label(part != c)
            shown[c] += 1
            voxels[c] += int(np.count_nonzero(part == c))
            enclosed[c] += int(np.count_nonzero((regions > 0) & (regions != regions[0, 0]) & (part == 0)))
    return tuple(c for c in sorted(shown) if shown[c] >= MIN_SLICES and enclosed[c] <= MAX_HOLE_FRACTION * voxels[c])


def new_holes(classes: np.ndarray, before: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Where a change takes background out of the inside of a class: what becomes of it encloses the new background.

    A hole that reaches background which did not change was wanted, or was there before.

    Parameters
    ----------
    classes, before : ndarray of int, shape (k, j, i)
        Classes after and before the change, 0 for background.
    changed : ndarray of bool, shape (k, j, i)
        Where `classes` counts; elsewhere the classes are those before.

    Returns
    -------
    ndarray of bool, shape (k, j, i)
    """
    from scipy import ndimage

    holes = np.zeros(changed.shape, bool)
    places = np.flatnonzero(changed)
    was = before.reshape(-1)[places]
    lost = (classes.reshape(-1)[places] == 0) & (was > 0)
    for c, box, part in listed_masks(places[lost], was[lost], changed.shape):
        numbers = find_components(part, 6).labels()
        result = np.where(changed[box], classes[box], before[box])
        others = ndimage.binary_dilation((result != c) & ~part)
        enclosed = np.arange(numbers.max() + 1) > 0
        enclosed[np.unique(numbers[others & part])] = False
        for axis in range(3):  # at the border of the volume a hole is open
            for face in (0, -1):
                enclosed[np.unique(np.take(numbers, face, axis))] = False
        holes[box] |= enclosed[numbers]
    return holes


class HoleCounts:
    """Counts, over volumes, the enclosed holes of predictions and labels."""

    def __init__(self, segments: int) -> None:
        #: One row per segment: voxels of holes in the result, those of them that the truth has as the segment, voxels
        #: of holes in the truth, voxels of the truth.
        self.counts = np.zeros((segments, 4), np.int64)

    def add(self, classes: np.ndarray, truth: np.ndarray) -> None:
        """Count one volume: classes of the result and of the truth, uint8, shape (k, j, i), 0 for background."""
        for n in range(len(self.counts)):
            holes = _enclosed(classes, n + 1)
            segment = truth == n + 1
            masks = (holes, holes & segment, _enclosed(truth, n + 1), segment)
            self.counts[n] += [np.count_nonzero(mask) for mask in masks]

    def choose(self) -> list[bool]:
        """Whether each segment should have no holes; one that occurs nowhere may have them."""
        enclosed, right, true, size = self.counts.T
        return ((2 * right >= enclosed) & (true <= MAX_HOLE_FRACTION * size) & (size > 0)).tolist()


def _enclosed(classes: np.ndarray, number: int) -> np.ndarray:
    """Background (bool) that a class encloses."""
    from scipy import ndimage

    holes = np.zeros(classes.shape, bool)
    mask = classes == number
    box = bounding_box(mask)
    if box is not None:
        holes[box] = ndimage.binary_fill_holes(mask[box]) & (classes[box] == 0)
    return holes
