"""Held-out bands: parts of the labelled slices that count as unknown, so that the fill can be judged on them.

A whole slice that is left out is twice as far from the next labelled one as any voxel of the fill. A band is not: it is
as wide as the slices are apart, so its middle is as far from what is known as the middle of a slab is, and like a slab
it has labels on two sides alone. (A square block has them on four: they tell which of two touching cells it lies in,
as nothing does between two slices.) Bands alternate from slice to slice, so that no two of them lie above each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.fill.prior.shape import Shape
from ACSegLib.fill.seeds import UNKNOWN


@dataclass(frozen=True)
class HeldOutWindow:
    """A part of the volume without the labels of some bands, and what was labelled there.

    Attributes
    ----------
    evidence : Evidence
        Of the part, with the bands unknown.
    truth : dict
        Plane of the part -> classes of its bands, negative elsewhere; int16, (J, I).
    """

    evidence: Evidence
    truth: dict[int, np.ndarray]


@dataclass(frozen=True)
class BandPattern:
    """Where the bands lie: half of each slice, between those of the slice before.

    They are oblique, so that they cross segments that are long in either direction.

    Attributes
    ----------
    numbers : dict
        Slice -> its number among the known slices.
    width : (int, int)
        Of a band, in rows and in columns.
    """

    numbers: dict[int, int]
    width: tuple[int, int]

    @classmethod
    def of(cls, evidence: Evidence) -> BandPattern:
        """Bands as wide as the slices are apart, but at most a third of a slice."""
        along, *across = evidence.features.spacing
        side = float(np.median(np.diff(evidence.cuts))) * along
        sizes = evidence.classes.shape[1:]
        rows, columns = (int(np.clip(round(side / h), 1, max(1, n // 3))) for h, n in zip(across, sizes, strict=True))
        return cls({k: number for number, k in enumerate(evidence.cuts)}, (rows, columns))

    def contains(self, k: int, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Whether voxels of slice `k` lie in a band."""
        across = (row / self.width[0] + column / self.width[1]) / np.sqrt(2)
        hidden: np.ndarray = (np.floor(across).astype(int) + self.numbers[k]) % 2 == 0
        return hidden


def hold_out(evidence: Evidence, pattern: BandPattern, runs: Sequence[Sequence[int]]) -> list[HeldOutWindow]:
    """Make a window for each run of adjacent known slices, with the bands of its inner slices hidden."""
    voxels = int(constants.HELD_OUT_SHARE * evidence.classes.size)
    voxels = int(np.clip(voxels, constants.MIN_HELD_OUT_VOXELS, constants.MAX_HELD_OUT_VOXELS))
    return [_window(evidence, pattern, cuts, voxels // len(runs)) for cuts in runs]


def runs_of_slices(cuts: list[int]) -> list[list[int]]:
    """Runs of adjacent known slices whose inner slices are judged: all slices, if they are few enough."""
    length = constants.MAX_RUN + 2
    if len(cuts) <= length:
        return [cuts]
    starts = np.unique(np.linspace(0, len(cuts) - length, constants.MAX_RUNS).astype(int))
    return [cuts[start : start + length] for start in starts]


def without_bands(samples: Samples, pattern: BandPattern, planes: Sequence[int]) -> Samples:
    """The training voxels that lie in no band of some slices."""
    keep = np.ones(len(samples.y), bool)
    for k in planes:
        here = samples.plane == k
        keep[here] = ~pattern.contains(k, *samples.place[:, here])
    return samples.part(keep)


def _window(evidence: Evidence, pattern: BandPattern, cuts: Sequence[int], max_voxels: int) -> HeldOutWindow:
    part, corner = evidence.part(cuts, max_voxels)
    rows = corner[1] + np.arange(part.classes.shape[1])[:, None]
    columns = corner[2] + np.arange(part.classes.shape[2])[None, :]
    classes = part.classes.copy()  # it may be a view of the whole
    hidden, truth = {}, {}
    for k in cuts[1:-1]:
        plane = k - corner[0]
        hidden[plane] = pattern.contains(k, rows, columns) & (part.classes[plane] >= 0)
        truth[plane] = np.where(hidden[plane], part.classes[plane], UNKNOWN)
        classes[plane][hidden[plane]] = UNKNOWN
    shape = _without(part.shape, hidden)
    instances = _without(part.instances, hidden) if part.instances else None
    ends = [part.cuts[0], part.cuts[-1]]
    neighbours = part.neighbours
    if neighbours is not None:
        neighbours = replace(neighbours, outlines=_without(neighbours.outlines, hidden))
    evidence = replace(part, classes=classes, cuts=ends, shape=shape, instances=instances, neighbours=neighbours)
    return HeldOutWindow(evidence, truth)


def _without(shape: Shape, hidden: dict[int, np.ndarray]) -> Shape:
    """The shape prior as if the bands were not labelled: there the slices on either side are interpolated."""
    distances = dict(shape.distances)
    for k, where in hidden.items():
        changed = distances[k].copy()
        changed[:, where] = shape.planes([k], without=k)[0][:, where]
        distances[k] = changed
    return replace(shape, distances=distances)


def mean_dice(overlap: np.ndarray, by_size: bool = False) -> float:
    """Mean Dice, pooled over slices, of the classes but background that occur in the truth.

    By size, a class counts with the root of its voxels: the Dice of a bead of ten voxels says little.
    """
    occurring = overlap[1:][overlap[1:, 1] > 0]
    if not len(occurring):
        return 1.0
    dice = 2 * occurring[:, 0] / (occurring[:, 1] + occurring[:, 2])
    return float(np.average(dice, weights=np.sqrt(occurring[:, 1]) if by_size else None))
