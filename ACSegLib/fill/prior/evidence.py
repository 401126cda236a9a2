"""What is known of a volume before its appearance is learned: image features, seeds, and the shape prior.

The volume has the labelled slices along axis 0. Slices that are known whole cut it into slabs that do not depend on
each other: they bound the memory, and an edit of one slice touches two of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.orientation import Orientation
from ACSegLib.fill.prior.features import ImageFeatures, intensity_range, prepare
from ACSegLib.fill.prior.learned_edges import LearnedEdges
from ACSegLib.fill.prior.neighbours import KnownPlanes, Neighbours, share_among_rivals
from ACSegLib.fill.prior.shape import NearestOutlines, ShapePrior
from ACSegLib.fill.prior.walls import Walls
from ACSegLib.fill.seeds import UNKNOWN, Seeds
from ACSegLib.jobs import Progress
from ACSegLib.postprocess.holes import classes_without_holes
from ACSegLib.volume import Volume

#: Voxels whose prior is computed between two checks for a cancel: about a third of a second.
VOXELS_PER_CHECK = 2_000_000


@dataclass(frozen=True)
class Evidence:
    """What is known of a volume with seeds.

    Attributes
    ----------
    features : ImageFeatures
    classes : ndarray of int16, (K, J, I)
        Seeds, with the labelled slices along axis 0; see `ACSegLib.fill.seeds.Seeds`.
    cuts : list of int
        Slices that are known whole.
    count : int
        Number of classes.
    groups : list of list of int
        Appearance groups: classes that the classifier tells apart, background first.
    shape : ShapePrior
        Of the groups but background.
    instances : ShapePrior or None
        Of the single classes of groups that several classes share.
    whole_slices : bool
        Whether slices were labelled as a whole. In scribbles, a voxel without a label says nothing.
    neighbours : Neighbours or None
        Of the look of a segment, that nobody drew.
    rivals : list of list of int
        Families of groups that look alike, so that the outlines decide between them.
    walls : Walls or None
        Walls along which the outlines run, if they do.
    learned_edges : LearnedEdges or None
        What the image looks like at borders, if the labelled slices show any and this was learned.
    orientation : Orientation
        How all these arrays lie in the volume.
    """

    features: ImageFeatures
    classes: np.ndarray
    cuts: list[int]
    count: int
    groups: list[list[int]]
    shape: ShapePrior
    instances: ShapePrior | None
    whole_slices: bool = True
    neighbours: Neighbours | None = None
    rivals: list[list[int]] = field(default_factory=list)
    walls: Walls | None = None
    learned_edges: LearnedEdges | None = None
    orientation: Orientation = field(default_factory=Orientation)

    @property
    def axis_weights(self) -> np.ndarray:
        """1 / h^2 along K, J, I."""
        return (1.0 / np.asarray(self.features.spacing) ** 2).astype(np.float32)

    @property
    def group_of(self) -> np.ndarray:
        """Group of each class; -1 for the two negative values that mean unknown and outside."""
        table = np.full(self.count + 2, -1, np.int64)
        for number, members in enumerate(self.groups):
            table[members] = number
        return table

    @property
    def ends_at_edges(self) -> bool:
        """Whether segments end where the image changes most, at any level of their probability."""
        return False

    @property
    def usual_gap(self) -> int:
        """Usual distance of the slices that are known whole, in planes; 0 for fewer than two."""
        return int(np.median(np.diff(self.cuts))) if len(self.cuts) > 1 else 0

    @cached_property
    def usual_areas(self) -> dict[int, float]:
        """Mean area of each class but background, in pixels, on the slices that are known whole and show it."""
        found = [np.bincount(np.maximum(self.classes[k], 0).ravel(), minlength=self.count)[1:] for k in self.cuts]
        areas = np.reshape(found, (len(found), self.count - 1))
        shown = np.count_nonzero(areas, axis=0)
        return {c + 1: float(areas[:, c].sum() / shown[c]) for c in np.flatnonzero(shown).tolist()}

    @property
    def touching(self) -> float:
        """Part of the borders on the slices that are known whole that runs between two segments, not to background."""
        between = borders = 0
        for plane in (self.classes[k] for k in self.cuts):
            for near, far in ((plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])):
                border = (near != far) & (near >= 0) & (far >= 0)
                borders += int(np.count_nonzero(border))
                between += int(np.count_nonzero(border & (near > 0) & (far > 0)))
        return between / max(borders, 1)

    def classes_without_holes(self) -> tuple[int, ...]:
        """Classes that enclose no background on the slices, of any axis, that are known whole; of strokes, all."""
        if not self.whole_slices:
            return tuple(range(1, self.count))
        across = [np.take(self.classes, n, axis) for axis in (1, 2) for n in self._whole_across(axis)]
        return classes_without_holes([*(self.classes[k] for k in self.cuts), *across])

    def _whole_across(self, axis: int) -> list[int]:
        """Slices across another axis than the first that are known whole; those of a slab tell which to look at."""
        between = next((k for k in range(len(self.classes)) if k not in self.cuts), None)
        if between is None:
            return []
        lines = (self.classes[between] != UNKNOWN).all(axis=2 - axis)
        return [n for n in np.flatnonzero(lines).tolist() if (np.take(self.classes, n, axis) != UNKNOWN).all()]

    def slabs(self) -> list[tuple[int, int]]:
        """First and last plane of each slab; neighbours share the labelled slice between them."""
        ends = sorted({0, len(self.classes) - 1, *self.cuts})
        if len(ends) == 1:
            return [(0, 0)]
        return list(itertools.pairwise(ends))

    def group_probabilities(
        self,
        layers: tuple[np.ndarray, ...],
        first: int,
        slab: tuple[np.ndarray, np.ndarray],
        without: int | None = None,
        known: tuple[bool, bool] = (False, False),
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Probability of each group in a slab, (G, K, J, I) float32, from appearance and shape.

        Parameters
        ----------
        layers : tuple of ndarray
            Of the appearance classifier.
        first : int
            First plane of the slab.
        slab : tuple of ndarray
            Its image and its smoothed image, as `ImageFeatures.slab` gives them.
        without : int, optional
            Compute as if this slice was not labelled.
        known : tuple of bool
            Whether the first and the last plane are known whole; they are left 0.
        """
        from ACSegLib.fill.prior import image_kernels as kernels

        edges, fine = slab
        out = np.zeros((len(self.groups), *edges.shape), np.float32)
        begin, end = int(known[0]), len(edges) - int(known[1])
        step = max(1, VOXELS_PER_CHECK // edges[0].size)
        for start in range(begin, end, step):
            if progress is not None:
                progress.check()
            stop = min(start + step, end)
            distances = self.shape.planes(range(first + start, first + stop), without)
            image = self.features.for_kernels(edges, fine, first)
            kernels.group_probabilities(start, stop, image, (distances, self.shape.margin), layers, out)
        return self._with_places(out, first, without, progress)

    def _with_places(self, out: np.ndarray, first: int, without: int | None, progress: Progress | None) -> np.ndarray:
        """The probabilities of a slab that begins at plane `first`, with what is known of its places."""
        if self.neighbours is not None:
            self.neighbours.share_out(out, self._known_in(first, out.shape[1], without, progress))
        return out

    @property
    def outlines_decide(self) -> bool:
        """Whether the outlines on labelled slices may decide between groups that look alike."""
        return self.whole_slices and bool(self.shape.distances) and self.instances is None

    def share_among_rivals(
        self,
        probabilities: np.ndarray,
        first: int,
        without: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Let the outlines decide between `rivals`, in the probabilities of a slab, in place.

        Groups with neighbours that nobody drew have outlines together with these, so they are left as they are.

        Parameters
        ----------
        probabilities : ndarray of float32, (G, planes, J, I)
        first : int
            First plane of the slab.
        without : int, optional
            As if this slice was not labelled.
        progress : Progress, optional
        """
        if not self.rivals or not self.outlines_decide:
            return
        known = self._known_in(first, probabilities.shape[1], without, progress)
        for family in self.rivals:
            if self.neighbours is None or not set(family) & set(self.neighbours.looks):
                outlines = NearestOutlines.of(self.shape, [g - 1 for g in family])
                share_among_rivals(probabilities, family, outlines, known)

    def _known_in(self, first: int, count: int, without: int | None, progress: Progress | None) -> KnownPlanes:
        """What is known in so many planes from `first` on, as if the slice `without` was not labelled."""
        classes = self.classes[first : first + count].copy()
        if without is not None:
            classes[without - first] = UNKNOWN
        numbers = range(first, first + count)
        edges = self.features.image[first : first + count]
        beta = 1 / (2 * (constants.CONTEST_EDGE * self.features.noise) ** 2)
        return KnownPlanes(
            numbers, classes, self.groups, edges, self.axis_weights, beta, without, progress or Progress()
        )

    def window(self, k: int, max_voxels: int) -> tuple[Evidence, int]:
        """The slab around labelled slice `k`, cut to the part that holds outlines, and the slab's first plane."""
        position = self.cuts.index(k)
        part, corner = self.part(self.cuts[position - 1 : position + 2], max_voxels)
        return replace(part, cuts=[part.cuts[0], part.cuts[-1]]), corner[0]

    def part(
        self, cuts: Sequence[int], max_voxels: int, planes: tuple[int, int] | None = None
    ) -> tuple[Evidence, tuple[int, int, int]]:
        """The slabs between adjacent known slices, cut to the part that holds outlines, and its first voxel.

        `planes` are the first and the last one, if not those of the slices.
        """
        first, last = planes or (cuts[0], cuts[-1])
        labelled: np.ndarray = np.any(self.classes[list(cuts)] > 0, axis=0)
        rows, columns = _box(labelled, max_voxels // (last - first + 1))
        part = replace(
            self,
            features=self.features.cropped(first, last, rows, columns),
            classes=np.ascontiguousarray(self.classes[first : last + 1, rows, columns]),
            cuts=[k - first for k in cuts],
            shape=self.shape.cropped(cuts, first, rows, columns),
            instances=self.instances.cropped(cuts, first, rows, columns) if self.instances else None,
            neighbours=self.neighbours.cropped(cuts, first, rows, columns) if self.neighbours else None,
        )
        return part, (first, rows.start, columns.start)

    def labelled(self, seeds: Seeds) -> list[int]:
        """Labelled slices of the primary axis, as planes of these arrays."""
        return self.orientation.slices(seeds.labelled)

    def after_edit(self, seeds: Seeds, dirty: Sequence[int]) -> Evidence:
        """The evidence with other seeds; the outlines of `dirty` slices are computed anew."""
        classes = np.ascontiguousarray(self.orientation.enter(seeds.classes))
        slices = self.labelled(seeds)
        planes: dict[int, np.ndarray] | np.ndarray = classes
        neighbours = self.neighbours
        if neighbours is not None:
            fresh = [k for k in slices if k in dirty or k not in self.shape.distances]
            planes = {k: neighbours.mark(self.features, classes[k], k) for k in fresh}
            neighbours = replace(neighbours, outlines=neighbours.outlines.updated(planes, slices, dirty))
        return replace(
            self,
            classes=classes,
            cuts=known_slices(classes, slices),
            shape=self.shape.updated(planes, slices, dirty),
            instances=self.instances.updated(classes, slices, dirty) if self.instances else None,
            neighbours=neighbours,
        )


def collect_evidence(
    volume: Volume,
    seeds: Seeds,
    outside: np.ndarray | None,
    whole_slices: bool,
    progress: Progress,
    orientation: Orientation | None = None,
) -> Evidence:
    """Compute image features and shape prior.

    Parameters
    ----------
    outside : ndarray of bool, (k, j, i), optional
        Voxels without an image value.
    orientation : Orientation, optional
        Of the arrays; by default what the labelled slices tell, and of strokes that of the volume.
    """
    axis = seeds.primary
    spacing = [float(h) for h in volume.geometry.spacing[::-1]]
    slices = seeds.labelled
    if orientation is None:
        if whole_slices:
            orientation = Orientation.told_by(axis, seeds.classes, volume.array, slices, spacing)
        else:
            orientation = Orientation.with_first(axis)
    classes, slices = np.ascontiguousarray(orientation.enter(seeds.classes)), orientation.slices(slices)
    image = orientation.enter(volume.array)
    progress.check()
    beyond = None if outside is None else orientation.enter(outside)
    limits = intensity_range(image, classes, beyond)
    progress.check()
    if beyond is not None:
        image = np.where(beyond, np.asarray(limits[0], image.dtype), image)
    features = prepare(image, [spacing[a] for a in orientation.axes], limits, progress)
    groups = group_classes(len(seeds.table))
    progress.check()
    shape = ShapePrior.of_slices(groups[1:], classes, features.spacing, slices, progress.check)
    shared = [[c] for group in groups if len(group) > 1 for c in group]
    instances = None
    if shared and slices:
        instances = ShapePrior.of_slices(shared, classes, features.spacing, slices, progress.check)
    progress.check()
    cuts, count = known_slices(classes, slices), len(seeds.table)
    return Evidence(features, classes, cuts, count, groups, shape, instances, whole_slices, orientation=orientation)


def known_slices(classes: np.ndarray, slices: Sequence[int]) -> list[int]:
    """Labelled slices along the first axis in which every voxel is known: the borders between slabs."""
    return [k for k in slices if not (classes[k] == UNKNOWN).any()]


def group_classes(count: int) -> list[list[int]]:
    """Appearance groups of so many classes, background first."""
    if count - 1 <= constants.MAX_GROUPS:
        return [[c] for c in range(count)]
    return [[0], list(range(1, count))]


def _box(labelled: np.ndarray, max_pixels: int) -> tuple[slice, slice]:
    """Rows and columns around the labels with a margin; a window of at most `max_pixels` with the most outline.

    Without labels it is any window of this size.
    """
    if labelled.size <= max_pixels:
        return slice(0, labelled.shape[0]), slice(0, labelled.shape[1])
    sides = []
    for axis in (1, 0):
        size = labelled.shape[1 - axis]
        used = np.flatnonzero(labelled.any(axis=axis)) if labelled.any() else np.arange(size)
        margin = max(8, len(used) // 4)
        sides.append([max(used[0] - margin, 0), min(used[-1] + 1 + margin, size)])
    lengths = [b - a for a, b in sides]
    if lengths[0] * lengths[1] > max_pixels:
        edge = int(np.sqrt(max_pixels))
        outline = np.abs(np.diff(labelled.astype(np.int8), axis=0, prepend=0))
        for axis, side in enumerate(sides):
            length = min(edge, side[1] - side[0])
            weight = np.cumsum(np.concatenate([[0], outline.sum(axis=1 - axis)]))
            starts = np.arange(side[0], side[1] - length + 1)
            start = int(starts[np.argmax(weight[starts + length] - weight[starts])])
            side[:] = [start, start + length]
    return slice(*map(int, sides[0])), slice(*map(int, sides[1]))
