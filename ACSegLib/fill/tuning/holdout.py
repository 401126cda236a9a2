"""Held-out bands: parts of the labelled slices that count as unknown, so that the fill can be judged on them.

A whole slice that is left out is twice as far from the next labelled one as any voxel of the fill. A band is not: it is
as wide as the slices are apart, so its middle is as far from what is known as the middle of a slab is, and like a slab
it has labels on two sides alone. (A square block has them on four: they tell which of two touching cells it lies in,
as nothing does between two slices.) Bands alternate from slice to slice, so that no two of them lie above each other.

A classifier that knows the rest of a slice is better in its bands than on planes of which it saw nothing. One that
knows nothing of it is worse than on planes between two slices that it knows. With few slices the first error is the
larger one. So of few slices the second one is left out of what the classifier of the trials learns, and of all others
with hidden bands what lies in these.

Beyond the outermost slices the volume is known from one side alone. There the outlines are carried on instead of
interpolated, and a prior that is right between slices can be wrong. Where this is much of the volume, or no slice lies
between two others, bands of these slices are hidden as well, in parts that end where the volume does.
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
class Run:
    """A part of the volume with adjacent known slices, and those of which bands are hidden.

    Attributes
    ----------
    first, last : int
        Its planes.
    cuts : list of int
        Its known slices.
    hidden : list of int
        Those of which bands are hidden.
    """

    first: int
    last: int
    cuts: list[int]
    hidden: list[int]

    @property
    def at_end(self) -> bool:
        """Whether nothing is known on the other side of the hidden slice."""
        return len(self.cuts) == 2


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

    def is_unseen(self, k: int) -> bool:
        """Whether nothing at all is learned from slice `k`: it is the second one of few."""
        return self.numbers[k] == 1 and len(self.numbers) <= constants.MAX_FEW_SLICES

    def contains(self, k: int, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Whether voxels of slice `k` lie in a band."""
        across = (row / self.width[0] + column / self.width[1]) / np.sqrt(2)
        hidden: np.ndarray = (np.floor(across).astype(int) + self.numbers[k]) % 2 == 0
        return hidden


def hold_out(evidence: Evidence, pattern: BandPattern, runs: Sequence[Run]) -> list[HeldOutWindow]:
    """Make a window for each run, with bands hidden; those at the ends of the volume are smaller."""
    voxels = int(constants.HELD_OUT_SHARE * evidence.classes.size)
    voxels = int(np.clip(voxels, constants.MIN_HELD_OUT_VOXELS, constants.MAX_HELD_OUT_VOXELS))
    most = voxels // max(1, sum(not run.at_end for run in runs))
    return [_window(evidence, pattern, run, most // constants.END_PART if run.at_end else most) for run in runs]


def runs_of_slices(cuts: list[int], planes: int) -> list[Run]:
    """Runs of known slices whose inner slices are judged: all inner slices, if they are few enough.

    Where much of the volume lies beyond the outermost slices, these are judged, too; of two slices both are.

    Parameters
    ----------
    cuts : list of int
        Known slices, at least two.
    planes : int
        Of the volume.
    """
    last = planes - 1
    ends = [Run(0, cuts[1], cuts[:2], cuts[:1]), Run(cuts[-2], last, cuts[-2:], cuts[-1:])]
    if len(cuts) == 2:
        return ends
    length = constants.MAX_RUN + 2
    starts = np.unique(np.linspace(0, max(0, len(cuts) - length), constants.MAX_RUNS).astype(int))
    inner = [cuts[start : start + length] for start in starts]
    runs = [Run(run[0], run[-1], run, run[1:-1]) for run in inner]
    beyond = cuts[0], last - cuts[-1]
    if sum(beyond) < constants.MIN_END_SHARE * planes:
        return runs
    return runs + [run for run, length in zip(ends, beyond, strict=True) if length]


def without_hidden(samples: Samples, pattern: BandPattern, planes: Sequence[int]) -> Samples:
    """The training voxels that lie in no band of some slices, and not on the one of which nothing is learned.

    They do lie on that one if it alone shows a group.
    """
    keep = np.ones(len(samples.y), bool)
    for k in planes:
        here = samples.plane == k
        keep[here] = ~pattern.contains(k, *samples.place[:, here])
    fewer = keep & ~np.isin(samples.plane, [k for k in planes if pattern.is_unseen(k)])
    if np.isin(samples.y[keep], samples.y[fewer]).all():
        keep = fewer
    return samples.part(keep)


def _window(evidence: Evidence, pattern: BandPattern, run: Run, max_voxels: int) -> HeldOutWindow:
    part, corner = evidence.part(run.cuts, max_voxels, (run.first, run.last))
    rows = corner[1] + np.arange(part.classes.shape[1])[:, None]
    columns = corner[2] + np.arange(part.classes.shape[2])[None, :]
    classes = part.classes.copy()  # it may be a view of the whole
    hidden, truth = {}, {}
    for k in run.hidden:
        plane = k - run.first
        hidden[plane] = pattern.contains(k, rows, columns) & (part.classes[plane] >= 0)
        truth[plane] = np.where(hidden[plane], part.classes[plane], UNKNOWN)
        classes[plane][hidden[plane]] = UNKNOWN
    shape = _without(part.shape, hidden)
    instances = _without(part.instances, hidden) if part.instances else None
    known = [k - run.first for k in run.cuts if k not in run.hidden]
    neighbours = part.neighbours
    if neighbours is not None:
        neighbours = replace(neighbours, outlines=_without(neighbours.outlines, hidden))
    evidence = replace(part, classes=classes, cuts=known, shape=shape, instances=instances, neighbours=neighbours)
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
