"""Thin structures of labels, such as filopodia: their voxels need less probability than those of a body.

A voxel at the surface of a filopodium of two voxels is half background. A network that is unsure of each of them drops
the whole filopodium, where it is right about the body's outline; a random walk cuts it where it dips below one half. In
thin structures a segment therefore beats the background from a lower probability on. Whether a voxel lies in a thin
structure is decided with the voxels that would be gained.

For a network the calibration measures how low (`ThinStructureCounts`): so low that predictions have the truth's
surface. What comes back of filopodia adds to it, and so does every bump of noise: on a rough outline as many voxels in
thin structures as in the truth would be too many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ACSegLib.compute import threads
from ACSegLib.distances import as_mask, sampling, within_distance
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.masks import bounding_box, grow_or_shrink
from ACSegLib.threads import in_threads

#: Probabilities that a calibration tries; the first is that of any other voxel.
THRESHOLDS = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1)

#: Dice that a segment may lose by a lower threshold. A choice, not a measurement.
MAX_DICE_LOSS = 0.002

#: A structure is thin if an opening by so many steps removes it, and if it is more than one step away from the rest.
OPENING = 2

#: Planes on either side of a voxel that decide whether it is thin.
REACH = 2 * OPENING + 1

#: To the measures, structures thinner than twice this many nanometres are thin, where voxels are small enough to show
#: it. Filopodia are 100 to 300 nm thick (Mattila and Lappalainen, Nat. Rev. Mol. Cell Biol. 9 (2008) 446).
FILOPODIUM_RADIUS_NM = 250.0

_BLOCK_VOXELS = 1 << 24


def thin_voxels(mask: np.ndarray) -> np.ndarray:
    """The voxels of a bool mask (k, j, i) that lie in thin structures; at the border the mask goes on as it is."""
    opened = grow_or_shrink(grow_or_shrink(mask, False, OPENING), True, REACH - OPENING)
    return mask & ~opened


def default_radius(spacing: Sequence[float], unit: str) -> float:
    """Radius below which a structure is thin: 250 nm and at least 1.5 voxel edges; 3 edges if the unit is unknown."""
    from ACSegLib.volume import UNITS_IN_MM

    edge = max(spacing)
    if unit == "px":
        return 3.0 * edge
    return max(FILOPODIUM_RADIUS_NM * UNITS_IN_MM["nm"] / UNITS_IN_MM[unit], 1.5 * edge)


def thinner_than(
    mask: np.ndarray, spacing: Sequence[float], radius: float, *, check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Mask of the voxels that no ball of `radius` inside the mask covers.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).
    radius : float
        In the unit of `spacing`.

    Returns
    -------
    ndarray of bool, shape (k, j, i)

    Raises
    ------
    InputError
        If the radius is not a positive number.
    """
    mask = as_mask(mask)
    step = sampling(spacing)
    if not 0 < radius < np.inf:
        raise InputError(f"the radius of thin structures must be a positive number, not {radius}.")
    box = bounding_box(mask)
    thin = np.zeros(mask.shape, bool)
    if box is None:
        return thin
    crop = np.pad(mask[box], 1)
    radius = min(radius, float(np.linalg.norm(np.multiply(crop.shape, step))))  # no ball larger than the box fits
    core = ~within_distance(~crop, step, radius, check=check)
    core &= crop
    # A digital ball leaves single voxels of a round body uncovered; one voxel edge of slack takes them in.
    covered = within_distance(core, step, radius + max(step), check=check)
    thin[box] = (crop & ~covered)[1:-1, 1:-1, 1:-1]
    return thin


def restore_thin_structures(
    labels: np.ndarray,
    candidates: np.ndarray,
    *,
    probability: np.ndarray | None = None,
    threshold: float = 0.0,
    excluded: Sequence[int] = (),
    known: np.ndarray | None = None,
    changed: np.ndarray | None = None,
    progress: Progress | None = None,
) -> int:
    """Give background voxels of thin structures their candidate's class, in place, a few planes at a time.

    Parameters
    ----------
    labels : ndarray of int, shape (k, j, i)
        Class of each voxel, 0 for background; changed in place. May be mapped.
    candidates : ndarray of int, shape (k, j, i)
        Class that a background voxel may have, 0 for none.
    probability : ndarray of float, shape (k, j, i), optional
        Probability of the candidate; candidates of `threshold` or less do not count.
    threshold : float
    excluded : sequence of int
        Classes that do not count as candidates.
    known : ndarray of bool, shape (k, j, i), optional
        Voxels that do not change.
    changed : ndarray of bool, shape (k, j, i), optional
        Marked where labels change.

    Returns
    -------
    int
        Voxels changed.
    """
    planes = max(4 * REACH, _BLOCK_VOXELS // max(1, threads() * labels[0].size))

    def look(block: tuple[np.ndarray, int, int, int]) -> np.ndarray | None:
        """What is restored from plane `first` to `last`; `old` are the labels from plane `low` on."""
        old, low, first, last = block
        part = slice(low, low + len(old))
        gain = (old == 0) & (candidates[part] > 0)
        if probability is not None:
            gain &= probability[part] > threshold
        for value in excluded:
            gain &= candidates[part] != value
        inner = slice(first - low, last - low)
        if not gain[inner].any():
            return None
        restored = _thin_part_of(gain, (old > 0) | gain)[inner]
        if known is not None:
            restored &= ~known[first:last]
        return restored

    count = 0
    before = labels[:0].copy()  # planes as they were before the blocks above changed them
    together = planes * threads()
    for start in range(0, len(labels), together):
        if progress is not None:
            progress.check()
        low, stop = start - len(before), min(start + together, len(labels))
        old = np.concatenate([before, labels[start : stop + REACH]])
        blocks = [(first, min(first + planes, stop)) for first in range(start, stop, planes)]
        parts = []
        for first, last in blocks:
            begin = max(first - REACH, 0)
            parts.append((old[begin - low : last + REACH - low], begin, first, last))
        before = old[max(0, stop - REACH - low) : stop - low].copy()
        for (first, last), restored in zip(blocks, in_threads(look, parts), strict=True):
            if restored is None:
                continue
            np.copyto(labels[first:last], candidates[first:last], where=restored, casting="same_kind")
            if changed is not None:
                changed[first:last] |= restored
            count += int(np.count_nonzero(restored))
    return count


def _thin_part_of(gain: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Voxels of `gain` that lie in thin structures of a mask, which holds `gain`."""
    box = bounding_box(mask, margin=1)
    assert box is not None  # `gain` is not empty
    thin = np.zeros(mask.shape, bool)
    thin[box] = gain[box] & thin_voxels(mask[box])
    return thin


def outer_faces(mask: np.ndarray) -> int:
    """Faces between voxels of a mask (bool, 3D) and what lies around it, enclosed holes not counted.

    That is its surface in voxels, too large by a factor that is about the same for result and truth.
    """
    from scipy import ndimage

    solid = ndimage.binary_fill_holes(mask)
    return sum(int(np.count_nonzero(np.diff(solid, axis=axis))) for axis in range(3))


class ThinStructureCounts:
    """Counts, over volumes, what each threshold would give.

    Parameters
    ----------
    segments : int
    excluded : sequence of bool, optional
        Segments that keep the threshold of any other voxel.
    """

    def __init__(self, segments: int, excluded: Sequence[bool] = ()) -> None:
        #: One row per threshold: faces of the result's outer surface; then voxels right, and of the result, by segment.
        self.counts = np.zeros((len(THRESHOLDS), 1 + 2 * segments), np.int64)
        #: Faces of the truth's outer surface; then its voxels by segment.
        self.truth = np.zeros(1 + segments, np.int64)
        self._allowed = np.array([True, *(not out for out in excluded or [False] * segments)])

    def add(self, probabilities: np.ndarray, truth: np.ndarray, inside: tuple[slice, ...] = ()) -> None:
        """Count one volume.

        Parameters
        ----------
        probabilities : ndarray of float32, shape (C, k, j, i)
            Background first.
        truth : ndarray of uint8, shape (k, j, i)
            Classes.
        inside : tuple of slice, optional
            The part of the probabilities that the truth covers.
        """
        segments = len(self.truth) - 1
        classes = probabilities.argmax(0).astype(np.uint8)
        likeliest = (1 + probabilities[1:].argmax(0)).astype(np.uint8)
        likeliest *= self._allowed[likeliest]
        probability = probabilities[1:].max(0)
        self.truth += [outer_faces(truth > 0), *_voxels_of(truth, segments)]
        for n, threshold in enumerate(THRESHOLDS):
            result = classes.copy()
            if n:
                restore_thin_structures(result, likeliest, probability=probability, threshold=threshold)
            result = result[inside]
            right = _voxels_of(result[result == truth], segments)
            self.counts[n] += [outer_faces(result > 0), *right, *_voxels_of(result, segments)]

    def harmed(self) -> list[bool]:
        """The segments that already lose Dice by the first threshold below that of any other voxel.

        Such are compact and small: what comes back of them is a shell of noise, as with beads.
        """
        dice = self._dice()
        return (dice[1] < dice[0] - MAX_DICE_LOSS).tolist()

    def choose(self) -> float:
        """The threshold whose results come nearest to the truth's surface; 0.5 if that costs any segment Dice."""
        dice = self._dice()
        allowed = (dice >= dice[0] - MAX_DICE_LOSS).all(axis=1)
        distance = np.where(allowed, np.abs(self.counts[:, 0] - self.truth[0]), np.iinfo(np.int64).max)
        return THRESHOLDS[int(distance.argmin())]

    def _dice(self) -> np.ndarray:
        """By threshold and segment; 1 where neither truth nor result has it."""
        _, right, found = np.split(self.counts, [1, len(self.truth)], axis=1)
        total = found + self.truth[1:]
        return np.where(total > 0, 2 * right / np.maximum(total, 1), 1.0)


def _voxels_of(classes: np.ndarray, segments: int) -> np.ndarray:
    """Number of voxels of each segment, 1 to `segments`, in an array of classes (uint8)."""
    return np.bincount(classes.ravel(), minlength=segments + 1)[1 : segments + 1]
