"""Class priors of one slab: the probabilities of the appearance groups, given to the classes that the slab can hold.

    P(class) = sum over groups of P(group given appearance and shape) x P(class given group, this slab)

The second factor depends on which classes the labelled slices of the slab show:

- A group of one class belongs to it. Where no slice of the slab shows the class, but one shows a class of another
  group that looks alike, a share of the group belongs to that class: where the image cannot tell two cells apart, the
  one that was labelled around here is meant, since of the other's shape the slab knows nothing.
- A group of several classes (instances) is shared out among those that the slab shows, by the distance to their
  interpolated outlines; in scribbles, which have no outlines, by the nearest seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import INSTANCE_WIDTH
from ACSegLib.fill.prior.appearance import AppearanceClassifier
from ACSegLib.fill.prior.shape import ShapePrior
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box, bounding_box, grow_or_shrink
from ACSegLib.threads import chunks_of, in_threads, look_up

#: All of a slab, as a box.
WHOLE: Box = (slice(None), slice(None), slice(None))

#: A box of a slab, or places in a list of its voxels, or all.
Part = Box | np.ndarray | EllipsisType


class ClassPriors:
    """Priors of single classes in one slab.

    All arrays may be of a list of its voxels as well: (G, N) and (N,).

    Parameters
    ----------
    probabilities : ndarray of float32, (G, K, J, I)
        Of the groups; see `ACSegLib.fill.prior.evidence.Evidence.group_probabilities`.
    groups : list of list of int
        The classes of each group, background first.
    present : set of int
        Classes but background that the seeds of the slab show.
    inherited : mapping
        Group -> (group that takes a share of it here, share); see `shares_of_absent_groups`.
    instances : mapping
        Class -> its share of its group at each voxel, (K, J, I); see `shares_of_instances`.
    nearest : ndarray of int16, (K, J, I), or None
        Instead of `instances`, the class that has all of its group at each voxel; see `classes_of_nearest_seeds`.
    """

    def __init__(
        self,
        probabilities: np.ndarray,
        groups: Sequence[Sequence[int]],
        present: set[int],
        inherited: Mapping[int, tuple[int, float]],
        instances: Mapping[int, np.ndarray],
        nearest: np.ndarray | None = None,
    ) -> None:
        self._probabilities, self._groups, self._present = probabilities, groups, present
        self._inherited, self._instances, self._nearest = inherited, instances, nearest
        self._group_of = {c: g for g, members in enumerate(groups) for c in members}

    def of(self, c: int, box: Part = ...) -> np.ndarray:
        """Prior of a class in a box of the slab, or at some of the listed voxels, float32."""
        group = self._group_of[c]
        prior = self._of_group(group, box)
        if len(self._groups[group]) == 1:
            return prior
        if self._nearest is not None:
            return prior * (self._nearest[box] == c)
        return prior * self._instances[c][box] if c in self._instances else np.zeros_like(prior)

    def _of_group(self, group: int, box: Part) -> np.ndarray:
        prior = self._probabilities[group][box]
        if group in self._inherited:
            prior = prior * np.float32(1 - self._inherited[group][1])
        for absent, (heir, share) in self._inherited.items():
            if heir == group:
                prior = prior + np.float32(share) * self._probabilities[absent][box]
        return prior

    def boxes(self, seeds: np.ndarray, least: float, check: Callable[[], None] = lambda: None) -> dict[int, Box | None]:
        """Boxes around all that a class of a shared group starts from; empty without such a group.

        This is a prior of more than `least` where the answer is sought (`seeds`, (K, J, I), is negative), and seeds
        beside such voxels. A class without any has None. `check` may raise `Cancelled`.
        """
        shared = [group for group, members in enumerate(self._groups) if len(members) > 1]
        if not shared:
            return {}
        free = seeds == UNKNOWN
        starts = np.where((seeds > 0) & grow_or_shrink(free, True), seeds, 0)
        if self._nearest is not None:
            for group in shared:
                likely = free & (self._of_group(group, ...) > least)
                np.copyto(starts, self._nearest, where=likely)
        found: list[Box | None] = [*ndimage.find_objects(starts), *([None] * max(self._group_of))]
        boxes = {c: found[c - 1] for group in shared for c in self._groups[group] if c}
        own = [c for c in boxes if c in self._instances]
        places = in_threads(lambda c: bounding_box((starts == c) | (free & (self.of(c) > least))), own, check)
        return boxes | dict(zip(own, places, strict=True))

    def is_alone(self, c: int) -> bool:
        """Whether a class has its group alone."""
        return len(self._groups[self._group_of[c]]) == 1

    def likely(self, least: float) -> np.ndarray:
        """Class of a shared group whose prior is more than `least` at each voxel, int16; 0 where there is none.

        All classes of such groups are shared out by the nearest seed.
        """
        shared = [group for group, members in enumerate(self._groups) if len(members) > 1]
        found = np.zeros(self._probabilities.shape[1:], np.int16)
        if self._nearest is not None:
            for group in shared:
                np.copyto(found, self._nearest, where=self._of_group(group, ...) > least)
        return found

    def worth_solving(self, tolerance: float, progress: Progress) -> list[int]:
        """Classes that may come out anywhere in the slab, background (what is left) not among them."""
        wanted = []
        for group in self._groups:
            progress.check()
            for c in group:
                shared = len(group) > 1
                if c and (c in self._present or (not shared and float(self.of(c).max()) > tolerance)):
                    wanted.append(c)
        return wanted


def shares_of_absent_groups(
    classifier: AppearanceClassifier, groups: Sequence[Sequence[int]], present: set[int]
) -> dict[int, tuple[int, float]]:
    """For each group that the slab does not show: the group that looks most alike and is shown, and its share."""
    seen = [bool(present.intersection(members)) for members in groups]
    confusion = classifier.confusion
    shares = {}
    for absent in range(1, len(groups)):
        heirs = [] if seen[absent] else [g for g in classifier.confused_with(absent) if seen[g]]
        if heirs:
            heir = max(heirs, key=lambda g: confusion[g, absent])
            # of what looks like the absent group, so much is the other one, if the two are as frequent
            shares[absent] = heir, min(1.0, confusion[heir, absent] / max(confusion[absent, absent], 1e-6))
    return shares


def shares_of_instances(
    outlines: ShapePrior,
    planes: Sequence[int],
    present: set[int],
    without: int | None = None,
    progress: Progress | None = None,
) -> dict[int, np.ndarray]:
    """Shares of the classes of a group by the distance to their outlines: near two of them, both have a part."""
    if not present:
        return {}
    progress = progress or Progress()
    place_of = {members[0]: place for place, members in enumerate(outlines.groups)}

    def closeness(c: int) -> np.ndarray:
        distances = outlines.single(place_of[c]).planes(planes, without)[:, 0]
        distances /= np.float32(INSTANCE_WIDTH)
        return np.exp(distances, out=distances)

    order = sorted(present)
    shares = dict(zip(order, in_threads(closeness, order, progress.check), strict=True))
    total = np.full((len(planes), *outlines.size), 1e-12, np.float32)
    for close in shares.values():
        progress.check()
        total += close
    for close in shares.values():
        progress.check()
        close /= total
    return shares


def classes_of_nearest_seeds(
    seeds: np.ndarray,
    groups: Sequence[Sequence[int]],
    spacing: Sequence[float],
    check: Callable[[], None] = lambda: None,
) -> np.ndarray | None:
    """Class of the nearest seed of a group that several classes share, (K, J, I) int16; None without such a group.

    `check` may raise `Cancelled`.
    """
    shared = [c for group in groups if len(group) > 1 for c in group]
    table = np.zeros(2 + max(max(group) for group in groups) + 1, np.int16)
    table[shared] = shared
    known = look_up(table, seeds, check)  # the two negative values, unknown and outside, are the end of the table
    return nearest_values(known, spacing, check)[1] if known.any() else None


def nearest_values(
    known: np.ndarray, spacing: Sequence[float], check: Callable[[], None] = lambda: None
) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance (float32) of each voxel to the nearest one that is not 0, and the value there.

    Parameters
    ----------
    known : ndarray of int16, shape (K, J, I)
    spacing : sequence of float
        Along (K, J, I).
    check : callable, optional
        Called often; may raise `Cancelled`.
    """
    from ACSegLib.fill.prior import nearest_kernels as kernels

    step_k, step_j, step_i = (float(h) for h in spacing)
    squared, nearest = np.empty(known.shape, np.float32), np.empty(known.shape, np.int16)

    def within_planes(part: slice) -> None:
        kernels.within_planes(known, step_j, step_i, part.start, part.stop, squared, nearest)

    def across_planes(part: slice) -> None:
        kernels.across_planes(squared, nearest, step_k, part.start, part.stop)

    in_threads(within_planes, chunks_of(known), check)
    in_threads(across_planes, chunks_of(known.swapaxes(0, 1)), check)
    return squared, nearest
