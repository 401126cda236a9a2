"""The voxels from which regions grow: strokes on the grid of the search, and what of them is typical."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import MIN_DAB
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.masks import Box, bounding_box, outside_of


def pooled(seeds: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Seeds on the coarse grid: a block with seeds of one class has it; one with several is unknown."""
    shape = -(-np.asarray(seeds.shape) // factor)
    places = np.nonzero(seeds >= 0)
    values = seeds[places]
    blocks = tuple(p // f for p, f in zip(places, factor, strict=True))
    lowest, highest = np.full(shape, np.iinfo(np.int16).max), np.full(shape, UNKNOWN)
    np.minimum.at(lowest, blocks, values)
    np.maximum.at(highest, blocks, values)
    return np.where(lowest == highest, highest, UNKNOWN).astype(np.int16)


def widened(strokes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The strokes, as balls where a class has no larger one: single voxels would tell by their noise where it ends."""
    wide = strokes.copy()
    sides = [np.arange(-int(MIN_DAB / s), int(MIN_DAB / s) + 1) for s in steps]
    offsets = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3)
    ball = offsets[((offsets * steps) ** 2).sum(axis=1) <= MIN_DAB**2]
    for number in np.unique(strokes[strokes >= 0]).tolist():
        voxels = np.argwhere(strokes == number)
        if 2 * len(voxels) < len(ball):
            around = (voxels[:, None] + ball).reshape(-1, 3)
            around = around[((around >= 0) & (around < strokes.shape)).all(axis=1)]
            free = around[strokes[tuple(around.T)] == UNKNOWN]
            wide[tuple(free.T)] = number
    return wide


def typical_voxels(strokes: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The half of each stroke that is nearest to its median intensity. A path from an edge crosses it free."""
    typical = np.full_like(strokes, UNKNOWN)
    for c in np.unique(strokes[strokes >= 0]).tolist():
        components, count = ndimage.label(strokes == c, np.ones((3, 3, 3)))
        places = np.nonzero(components)
        numbers = components[places]
        values = image[places].astype(float)
        medians = np.asarray(ndimage.median(values, numbers, np.arange(count + 1)))
        away = np.abs(values - medians[numbers])
        limits = np.asarray(ndimage.median(away, numbers, np.arange(count + 1)))
        kept = away <= limits[numbers]
        typical[tuple(axis[kept] for axis in places)] = c
    return typical


def closed_room(strokes: np.ndarray) -> Box | None:
    """The box around all voxels that background does not cut off from the strokes of segments.

    None if it cuts off nothing beyond that box. The shell around a box prompt cuts off what lies around it.
    """
    parts, _count = ndimage.label(strokes != 0, np.ones((3, 3, 3)))
    room = bounding_box(np.isin(parts, np.unique(parts[strokes > 0])))
    if room is None or not (parts[outside_of(room, strokes.shape)] > 0).any():
        return None
    return room
