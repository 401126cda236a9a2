"""Simulated strokes and dabs: what a person draws to tell a structure from its surroundings, from the ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ACSegLib.errors import InputError

#: Values of the arrays that the functions return; 0 is not labelled.
INSIDE, OUTSIDE = 1, 2

#: Points along a stroke.
_POINTS = 400


def draw_strokes(truth: np.ndarray, slices: Sequence[int], radius: float = 1.0, seed: int = 0) -> np.ndarray:
    """Draw one stroke inside and one outside of a structure on each slice along k that shows it.

    The inner stroke is a bent line across the structure. The outer one is an arc that follows its outline at a
    distance, for a third to two thirds of the way around it.

    Parameters
    ----------
    truth : ndarray of bool, shape (k, j, i)
    slices : sequence of int
    radius : float
        Of the brush, voxels.
    seed : int

    Returns
    -------
    ndarray of uint8, shape (k, j, i)
        `INSIDE`, `OUTSIDE`, or 0.
    """
    strokes = np.zeros(truth.shape, np.uint8)
    for k in slices:
        if not 0 <= k < len(truth):
            raise InputError(f"slice {k} does not exist: the truth has slices 0 to {len(truth) - 1}.")
        rng = np.random.default_rng([seed, int(k)])
        if truth[k].any():
            strokes[k][_inner_stroke(truth[k], radius, rng)] = INSIDE
            strokes[k][_outer_stroke(truth[k], radius, rng)] = OUTSIDE
    return strokes


def draw_dabs(truth: np.ndarray, radius: float = 2.0, seed: int = 0) -> np.ndarray:
    """Draw one dab (a small ball) inside and one outside of a structure; values as those of `draw_strokes`.

    The inner one lies anywhere in the inner half of the structure, the outer one a few radii from its surface.
    """
    rng = np.random.default_rng([seed, 77])
    inside = ndimage.distance_transform_edt(truth)
    outside = ndimage.distance_transform_edt(~truth)
    dabs = np.zeros(truth.shape, np.uint8)
    deep = max(inside.max() / 2, min(radius + 1, inside.max()))
    dabs[ball_at(_any_of(inside >= deep, rng), radius, truth.shape) & truth] = INSIDE
    near = (outside > radius + 1) & (outside <= 4 * radius + 2)
    dabs[ball_at(_any_of(near, rng), radius, truth.shape) & ~truth] = OUTSIDE
    return dabs


def next_dab(truth: np.ndarray, labels: np.ndarray, radius: float = 2.0, known: np.ndarray | None = None) -> np.ndarray:
    """Draw a dab where a segmentation is most wrong: in the middle of the largest region of errors.

    Parameters
    ----------
    truth, labels : ndarray of bool, shape (k, j, i)
    known : ndarray of bool, shape (k, j, i), optional
        Where the truth is known; everywhere by default.

    Returns
    -------
    ndarray of uint8, shape (k, j, i)
        All 0 where nothing is wrong.
    """
    dab = np.zeros(truth.shape, np.uint8)
    known = np.ones(truth.shape, bool) if known is None else known
    wrong = (truth != labels) & known
    components, count = ndimage.label(wrong)
    if not count:
        return dab
    inner = np.pad(wrong | ~known, 1)  # the rest of an error on a single known slice is not known
    depth = ndimage.distance_transform_edt(inner)[1:-1, 1:-1, 1:-1]
    largest = 1 + int(np.argmax(ndimage.sum_labels(wrong, components, np.arange(1, count + 1))))
    middle = np.unravel_index(int(np.argmax(np.where(components == largest, depth, 0))), truth.shape)
    inside = bool(truth[middle])
    dab[ball_at(np.array(middle), radius, truth.shape) & (truth == inside) & known] = INSIDE if inside else OUTSIDE
    return dab


def ball_at(centre: np.ndarray, radius: float, shape: tuple[int, ...]) -> np.ndarray:
    """Voxels within `radius` of a voxel, bool."""
    squared = np.zeros(shape, np.float32)
    for axis, (c, n) in enumerate(zip(centre, shape, strict=True)):
        squared += ((np.arange(n) - float(c)) ** 2).reshape([-1 if a == axis else 1 for a in range(3)])
    return squared <= radius * radius


def _any_of(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The index of a random voxel of a mask."""
    flat = np.flatnonzero(mask)
    return np.array(np.unravel_index(int(rng.choice(flat)), mask.shape))


def _painted(points: np.ndarray, allowed: np.ndarray, radius: float) -> np.ndarray:
    """Pixels within `radius` of points (N, 2), where they are allowed."""
    line = np.zeros(allowed.shape, bool)
    pixels = np.rint(points).astype(int)
    rows, columns = pixels[:, 0], pixels[:, 1]
    height, width = allowed.shape
    within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    line[rows[within], columns[within]] = True
    if not line.any():
        return line
    return (ndimage.distance_transform_edt(~line) <= radius) & allowed


def _inner_stroke(mask: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    safe = depth >= min(radius + 2, depth.max())
    regions, _ = ndimage.label(safe)
    safe = regions == regions[np.unravel_index(int(np.argmax(depth)), depth.shape)]
    candidates = np.argwhere(safe)
    ends = candidates[rng.choice(len(candidates), (12, 2))]
    start, end = ends[int(np.argmax(np.abs(ends[:, 0] - ends[:, 1]).sum(1)))]
    middle = candidates[rng.choice(len(candidates))]
    t = np.linspace(0, 1, _POINTS)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    pixels = np.rint(curve).astype(int)
    return _painted(curve[safe[pixels[:, 0], pixels[:, 1]]], mask, radius)


def _outer_stroke(mask: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    away = ndimage.distance_transform_edt(~mask)
    distance = rng.uniform(radius + 2, radius + 6)
    ring = np.argwhere((away >= distance) & (away < distance + 1))
    if not len(ring):
        return np.zeros(mask.shape, bool)
    centre = np.argwhere(mask).mean(0)
    angle = np.arctan2(*(ring - centre).T)
    turn = (angle - rng.uniform(-np.pi, np.pi)) % (2 * np.pi)
    return _painted(ring[turn < rng.uniform(2 / 3, 4 / 3) * np.pi], ~mask, radius)
