"""What follows from a change: the same change, in one component with it.

A person points at errors. An error of the same kind (from the same class to the same class) may lie elsewhere as well,
but nobody pointed at it, and where the image misleads the walk, it changes what is right. Where slices drawn right
prove that it does not mislead, other parts count as well, but no specks, and where the error on a slice is local, none
that is thin beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ACSegLib.components import find_components
from ACSegLib.distances import capped_distance, within_distance
from ACSegLib.fill.correcting.decisions import Classes
from ACSegLib.fill.correcting.opened import MAX_REACH
from ACSegLib.masks import listed_masks

#: Diameter of a ball up to whose volume a part is a speck, in voxels of the finest axis: as wide as a gap that joins.
#: `Testing/Benchmarks/correct.py`.
SPECK = 4.0

#: Share of its thickness at a change below which an error is thin. `Testing/Benchmarks/correct_tasks.py`.
THIN = 0.5

#: Voxels of a change up to which it may be a slip of the brush.
SLIP = 4


def joined_to(
    changes: np.ndarray,
    classes: Classes,
    best: np.ndarray,
    where: np.ndarray,
    spacing: Sequence[float],
    seen: float | None = None,
) -> np.ndarray:
    """Voxels whose change is one component with that of a person, over faces, edges and corners.

    A stroke lies in the middle of an error. Where the image shows little, the whole surface around it may move by a
    voxel or two, and nothing says so. So what is thin beside the place of the stroke follows only near what is thick.

    Parameters
    ----------
    changes : ndarray of bool, shape (k, j, i)
        Voxels that the person changed.
    classes : Classes
        Before and after these changes.
    best : ndarray of int, shape (k, j, i)
        What the classes of `where` would become.
    where : ndarray of bool, shape (k, j, i)
    spacing : sequence of float
        Along (k, j, i), in voxels of the finest axis.
    seen : float, optional
        How well the image shows what strokes mended, 0 to 1; None for slices drawn right.

    Returns
    -------
    ndarray of bool, shape (k, j, i)
    """
    joined = np.zeros(where.shape, bool)
    places, becomes = _changing(changes, classes, best, where)
    kinds = becomes + len(classes.table) * classes.before.reshape(-1)[places].astype(np.int32)
    wanted = np.isin(kinds, kinds[changes.reshape(-1)[places]])
    for _, box, mask in listed_masks(places[wanted], kinds[wanted], where.shape):
        drawn = changes[box]
        components = find_components(mask, 26)
        own = components.union(components.holding(drawn))
        joined[box] |= own if seen is None else _without_thin_parts(own, own & drawn, spacing, seen)
    return joined & where


def _changing(
    changes: np.ndarray, classes: Classes, best: np.ndarray, where: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The voxels that change, as positions in the flattened box, and what they become; see `joined_to`."""
    places = np.flatnonzero(where | changes)  # few of all voxels
    follows, likeliest, drawn = (a.reshape(-1)[places] for a in (where, best, classes.after))
    return places, np.where(follows, likeliest, drawn)


def _without_thin_parts(error: np.ndarray, strokes: np.ndarray, spacing: Sequence[float], seen: float) -> np.ndarray:
    """What is about as thick as at the strokes, and as near to that as the strokes are deep; bool, (k, j, i).

    Nothing thin is cut off where the image shows all (`seen` is 1).
    """
    depth = capped_distance(~error, spacing, MAX_REACH)
    parts = find_components(strokes, 26)
    deepest = np.array([depth[box][parts.mask(n)].max() for n, box in enumerate(parts.boxes)])
    steps = np.floor(2 * np.log2(deepest))  # strokes that are about as deep are looked at together
    kept = strokes.copy()
    for step in np.unique(steps):
        alike = steps == step
        least = float(deepest[alike].min())
        thick = find_components(depth >= THIN * least, 26)
        core = thick.union(thick.holding(parts.union(alike)))
        kept |= within_distance(core, spacing, min(least / max(1 - seen, 1e-6), _diagonal(error.shape, spacing)))
    return kept & error


def _diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    return float(np.linalg.norm(np.multiply(shape, spacing)))


def without_specks(where: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The connected parts, over faces, edges and corners, that are larger than a speck; bool, (k, j, i).

    `spacing` is along (k, j, i), in voxels of the finest axis.
    """
    components = find_components(where, 26)
    return components.union(components.sizes * float(np.prod(spacing)) > np.pi / 6 * SPECK**3)


def as_thick(others: np.ndarray, joined: np.ndarray, changes: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The connected parts that are not thin beside the error at the changes of a person; bool, (k, j, i).

    Where a slice has one local error, all else on it is right. So what is thin elsewhere is no such error.

    Parameters
    ----------
    others : ndarray of bool, shape (k, j, i)
        What would follow apart from the changes.
    joined : ndarray of bool, shape (k, j, i)
        What follows in one component with them.
    changes : ndarray of bool, shape (k, j, i)
        Voxels that the person changed.
    spacing : sequence of float
        Along (k, j, i), in voxels of the finest axis.
    """
    if not others.any():
        return others
    error = capped_distance(~(joined | changes), spacing, MAX_REACH)[changes].max(initial=0)
    components = find_components(others, 26)
    return components.union(components.holding(capped_distance(~others, spacing, MAX_REACH) >= THIN * error))


def grown_slips(changes: np.ndarray, classes: Classes, best: np.ndarray, where: np.ndarray) -> list[tuple[int, int]]:
    """Changes that may be slips, and from which something followed: their voxels, and those that followed.

    A slip has a few voxels, and with what followed it touches no other voxel of its class. A click on a small object
    looks the same, so that only a person can tell.

    Parameters are those of `joined_to`; `where` is what follows in the end.
    """
    found = []
    for value, box, mask in listed_masks(*_changing(changes, classes, best, where), where.shape):
        components = find_components(mask, 26)
        numbers = components.labels()
        drawn = np.bincount(numbers[changes[box]], minlength=len(components) + 1)[1:]
        for c in np.flatnonzero((drawn > 0) & (drawn <= SLIP) & (components.sizes > drawn)).tolist():
            own = numbers == c + 1
            beside = ndimage.binary_dilation(own, np.ones((3, 3, 3))) & ~own
            result = np.where(where[box], best[box], classes.after[box])
            if not (result[beside] == value).any():
                found.append((int(drawn[c]), int(components.sizes[c] - drawn[c])))
    return found
