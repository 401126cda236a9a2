"""Sections: areas of a segment on a plane that background surrounds closely, such as what an outline encloses.

Strokes and dabs say where a segment is. A section says where it ends, too. So the cost of paths at which its region
should end is known, and which of edges and walls end it: those whose paths from the core of the section tell it from
what surrounds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import CORE_DEPTH, MIN_SECTION_DEPTH, MIN_SURROUNDED, SECTION_GAP
from ACSegLib.fill.prompts.dabs import Dab
from ACSegLib.fill.seeds import UNKNOWN

#: Voxels of an oblique section lie no farther from its plane, in voxels of the finest axis (root mean square).
_FLAT = 0.75
#: Fewer voxels are no section.
_LEAST = (2 * MIN_SECTION_DEPTH) ** 2


@dataclass(frozen=True)
class Section:
    """An area on a plane that background surrounds.

    Attributes
    ----------
    number : int
        Class.
    places, around : tuple of ndarray
        Indices of its voxels along each axis, and of the background near it on its plane.
    depths : ndarray of float
        Distance of each of its voxels from its border, in voxels of the finest axis.
    """

    number: int
    places: tuple[np.ndarray, ...]
    around: tuple[np.ndarray, ...]
    depths: np.ndarray

    @property
    def core(self) -> tuple[np.ndarray, ...]:
        """Indices of its voxels that lie deepest."""
        deep = self.depths >= CORE_DEPTH * self.depths.max()
        return tuple(p[deep] for p in self.places)


def find_sections(dabs: Sequence[Dab], steps: Sequence[float]) -> list[Section]:
    """The sections among strokes: on planes along the axes, or on the plane of a flat oblique stroke.

    Parameters
    ----------
    dabs : sequence of Dab
    steps : sequence of float
        Size of a voxel along k, j, i; the finest is 1.
    """
    background = [np.stack(dab.places, axis=1) for dab in dabs if dab.number == 0]
    if not background:
        return []
    around = np.concatenate(background)
    return [section for dab in dabs if dab.number for section in _sections_of(dab, around, np.asarray(steps))]


def misfit(sections: Sequence[Section], classes: np.ndarray) -> float:
    """Share of sections that has another class, and share of what surrounds them that has theirs; 2 at most."""
    missed = np.concatenate([classes[section.places] != section.number for section in sections])
    return float(missed.mean()) + taken(sections, classes)


def taken(sections: Sequence[Section], classes: np.ndarray) -> float:
    """Share of what surrounds sections that has their class."""
    return float(np.concatenate([classes[section.around] == section.number for section in sections]).mean())


def section_level(sections: Sequence[Section], distances: np.ndarray) -> float:
    """The cost that best tells sections from what surrounds them; that in the middle, of several.

    Parameters
    ----------
    sections : sequence of Section
        Of one class.
    distances : ndarray of int32, (K, J, I)
        Cost of the paths from their cores.
    """
    inside = np.sort(np.concatenate([distances[section.places] for section in sections]))
    outside = np.sort(np.concatenate([distances[section.around] for section in sections]))
    levels = np.unique(np.concatenate([inside, outside]))
    missed = 1 - np.searchsorted(inside, levels, side="right") / len(inside)
    wrong = missed + np.searchsorted(outside, levels, side="right") / len(outside)
    best = np.flatnonzero(wrong <= wrong.min() + 1e-9)
    return float((levels[best[0]] + levels[min(best[-1] + 1, len(levels) - 1)]) / 2)


def cores(sections: Sequence[Section], strokes: np.ndarray) -> np.ndarray:
    """Strokes, int16 (K, J, I), but of the classes with sections only what lies deep in these."""
    marked = strokes.copy()
    marked[np.isin(marked, [section.number for section in sections])] = UNKNOWN
    for section in sections:
        marked[section.core] = section.number
    return marked


def _sections_of(dab: Dab, background: np.ndarray, steps: np.ndarray) -> list[Section]:
    voxels = np.stack(dab.places, axis=1)
    if len(voxels) < _LEAST:
        return []
    found = [section for axis in range(3) for section in _across(axis, dab.number, voxels, background, steps)]
    return found or _on_oblique_plane(dab.number, voxels, background, steps)


def _across(axis: int, number: int, voxels: np.ndarray, background: np.ndarray, steps: np.ndarray) -> Iterator[Section]:
    """Sections on slices of an axis."""
    others = [other for other in range(3) if other != axis]
    slices, counts = np.unique(voxels[:, axis], return_counts=True)
    for n in slices[counts >= _LEAST / np.prod(steps[others])].tolist():
        own, near = voxels[voxels[:, axis] == n], background[background[:, axis] == n]
        section = _section(number, (own, own[:, others]), (near, near[:, others]), steps[others])
        if section is not None:
            yield section


def _on_oblique_plane(number: int, voxels: np.ndarray, background: np.ndarray, steps: np.ndarray) -> list[Section]:
    """The section on the plane of a flat stroke."""
    places = voxels * steps
    centre = places.mean(axis=0)
    _u, spread, axes = np.linalg.svd(places - centre, full_matrices=False)
    if spread[2] > _FLAT * np.sqrt(len(voxels)) or spread[1] < 3 * spread[2]:
        return []
    near = background[np.abs((background * steps - centre) @ axes[2]) <= 1.0]
    own_flat, near_flat = (np.rint((part * steps - centre) @ axes[:2].T).astype(int) for part in (voxels, near))
    section = _section(number, (voxels, own_flat), (near, near_flat), np.ones(2))
    return [] if section is None else [section]


def _section(
    number: int, own: tuple[np.ndarray, np.ndarray], near: tuple[np.ndarray, np.ndarray], steps: np.ndarray
) -> Section | None:
    """The section of voxels (N, 3) with places on a plane (N, 2), if the background on this plane surrounds it."""
    (voxels, places), (background, beside) = own, near
    low = places.min(axis=0) - SECTION_GAP - 1
    shape = places.max(axis=0) + SECTION_GAP + 2 - low
    kept = ((beside >= low) & (beside < low + shape)).all(axis=1)
    if not kept.any():
        return None
    drawn, near_it = tuple((places - low).T), tuple((beside[kept] - low).T)
    area, outside = np.zeros(shape, bool), np.zeros(shape, bool)
    area[drawn] = True
    outside[near_it] = True
    area = ndimage.binary_closing(area) & ~outside
    depth = ndimage.distance_transform_edt(area, sampling=steps)
    if depth.max() < MIN_SECTION_DEPTH:
        return None
    border = area & ~ndimage.binary_erosion(area)
    away = ndimage.distance_transform_edt(~outside, sampling=steps)
    if np.mean(away[border] <= SECTION_GAP) < MIN_SURROUNDED:
        return None
    close = ndimage.distance_transform_edt(~area, sampling=steps)[near_it] <= 2 * SECTION_GAP
    return Section(number, tuple(voxels.T), tuple(background[kept][close].T), depth[drawn])
