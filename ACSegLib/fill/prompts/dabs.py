"""Dabs and strokes one by one: whether a region explains each of them, and what the others change.

A person who corrects puts a dab in the middle of what is wrong. So its depth, its distance from what has its class,
tells how far the error reaches: about as far again. A dab of the right class, or near the surface, is explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import REACH
from ACSegLib.fill.prompts.path_costs import PathCosts
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.masks import Box

#: A stroke is longer than this number of times the side of a cube of its voxels (a ball has 1.2, a quarter of one 2.0,
#: two in a row 2.5), or its centre of gravity lies so many voxels away from it.
MIN_LENGTH, MAX_HOLLOW = 2.55, 2.0

#: Half the side of the window in which the nearest voxel of a class is searched first.
_FIRST_WINDOW = 4


@dataclass(frozen=True)
class Dab:
    """A connected stroke of one class.

    Attributes
    ----------
    number : int
        Class; 0 is background.
    places : tuple of ndarray
        Indices of its voxels along each axis.
    """

    number: int
    places: tuple[np.ndarray, ...]

    @cached_property
    def centre(self) -> np.ndarray:
        """Its voxel that is nearest to its centre of gravity."""
        voxels = np.stack(self.places, axis=1)
        return voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))]

    @cached_property
    def is_stroke(self) -> bool:
        """Whether it is long, flat or hollow, so that it says of a place more than its middle."""
        sides = [int(p.max()) - int(p.min()) + 1 for p in self.places]
        away = self.centre - np.mean(self.places, axis=1)
        return max(sides) > MIN_LENGTH * len(self.places[0]) ** (1 / 3) or float(np.linalg.norm(away)) > MAX_HOLLOW

    @property
    def section(self) -> float:
        """Mean area across its longest side, in voxels: two dabs in a row have that of one, half a dab has half."""
        return len(self.places[0]) / max(int(p.max()) - int(p.min()) + 1 for p in self.places)

    def depth(self, classes: np.ndarray) -> float:
        """Distance of its centre from what has its class, in voxels; 0 if most of its voxels have it."""
        if np.mean(classes[self.places] == self.number) >= 0.5:
            return 0.0
        window = _FIRST_WINDOW
        while True:
            low = np.maximum(self.centre - window, 0)
            part = classes[tuple(slice(a, c + window + 1) for a, c in zip(low, self.centre, strict=True))]
            found = np.argwhere(part == self.number)
            if len(found):
                nearest = float(np.sqrt(((found + low - self.centre) ** 2).sum(axis=1).min()))
                if nearest <= window:
                    return nearest
            if window > max(classes.shape):
                return float(np.linalg.norm(classes.shape))
            window *= 2

    def box(self, margin: int) -> Box:
        """Box around it, so many voxels wider on each side."""
        sides = [slice(max(int(p.min()) - margin, 0), int(p.max()) + margin + 1) for p in self.places]
        return sides[0], sides[1], sides[2]


def find_dabs(strokes: np.ndarray) -> list[Dab]:
    """The connected strokes of each class; negative voxels are none."""
    dabs = []
    for number in np.unique(strokes[strokes >= 0]).tolist():
        components, _count = ndimage.label(strokes == number, np.ones((3, 3, 3)))
        places = np.nonzero(components)
        which = components[places]
        order = np.argsort(which, kind="stable")
        ends = np.flatnonzero(np.diff(which[order])) + 1
        dabs += [Dab(number, tuple(axis[part] for axis in places)) for part in np.split(order, ends)]
    return dabs


def correct_around_dabs(classes: np.ndarray, dabs: Sequence[Dab], costs: PathCosts, lengths: np.ndarray) -> np.ndarray:
    """Give each dab what is nearer to it than to all else, along paths, as far as its error reaches.

    The deepest error comes first. What is beyond its reach stays as it is, so that no dab can change all of a region
    that the others explain.
    """
    classes = classes.copy()
    waiting = list(dabs)
    while waiting:
        depths = [dab.depth(classes) for dab in waiting]
        deepest = int(np.argmax(depths))
        if depths[deepest] == 0:
            break
        dab = waiting.pop(deepest)
        reach = REACH * depths[deepest] + 1
        box = dab.box(int(reach) + 2)
        strokes = np.full(classes[box].shape, UNKNOWN, np.int16)
        for other in dabs:
            inside = _in_box(other, box)
            strokes[inside] = other.number
        itself = np.zeros(strokes.shape, bool)
        itself[_in_box(dab, box)] = True
        beyond = ndimage.distance_transform_edt(~itself) > reach
        strokes[beyond] = classes[box][beyond]
        classes[box], _distances = costs.part(box).spread(strokes, lengths)
    return classes


def _in_box(dab: Dab, box: Box) -> tuple[np.ndarray, ...]:
    """Indices of its voxels that lie in a box, from the corner of the box."""
    kept = np.logical_and.reduce([(p >= s.start) & (p < s.stop) for p, s in zip(dab.places, box, strict=True)])
    return tuple(p[kept] - s.start for p, s in zip(dab.places, box, strict=True))
