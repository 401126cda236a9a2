"""What lies around the cells: polystyrene beads, debris and the glass capillary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.phantom.canvas import CODE, Canvas
from ACSegLib.phantom.shapes import Blob, SmoothField, box_around, coverage, random_rotation, whole

_WALL = 0.026  # thickness of the glass, as a fraction of the slice's shorter side
_OBSTACLES = (CODE["bead"], CODE["debris"], CODE["filopodia"])


def _outside_point(
    specimen: Canvas, cells: Sequence[np.ndarray], rng: np.random.Generator, gap: float
) -> np.ndarray | None:
    """A point in the medium, at least `gap` voxels from cells, glass, beads and debris."""
    for _ in range(400):
        point = rng.uniform(0, np.array(specimen.shape) - 1)
        radius = np.hypot(point[1] - specimen.centre[1], point[2] - specimen.centre[2])
        where = tuple(np.rint(point).astype(int))
        if radius + gap > specimen.inner or min(cell[where] for cell in cells) < gap:
            continue
        box = box_around(point, gap, specimen.shape)
        if box is not None and not np.isin(specimen.parts[box], _OBSTACLES).any():
            return point
    return None


def add_beads_and_debris(specimen: Canvas, cells: Sequence[np.ndarray]) -> None:
    """Beads first, then fragments of irregular shape, each where there is room; fewer where there is none.

    `cells` are the distances to the surfaces of cells, in voxels, negative inside.
    """
    recipe, side = specimen.recipe, specimen.side
    rng = specimen.rng("beads")
    for _ in range(recipe.beads):
        radius = rng.uniform(*recipe.bead_radius) * side
        point = _outside_point(specimen, cells, rng, radius + 0.5)
        if point is not None:
            _paint_bead(specimen, point, radius)
    rng = specimen.rng("debris")
    for _ in range(recipe.fragments):
        axes = rng.uniform(0.012, 0.035, 3) * side
        point = _outside_point(specimen, cells, rng, float(axes.max()) + 1)
        if point is not None:
            waves = SmoothField(specimen.shape, max(2.0, 0.03 * side), rng)
            blob = Blob(point, axes, random_rotation(rng), [(0.3 * float(axes.min()), waves)])
            box = box_around(point, blob.reach, specimen.shape)
            if box is not None:
                distance = np.where(specimen.parts[box] == CODE["medium"], blob.distance(box), np.float32(1.0))
                specimen.paint(box, distance, recipe.debris * rng.uniform(0.7, 1.3), "debris")


def _paint_bead(specimen: Canvas, point: np.ndarray, radius: float) -> None:
    """A ball with a dark and, beyond it, a faint bright ring."""
    recipe = specimen.recipe
    width = max(1.2, 0.012 * specimen.side)
    box = box_around(point, radius + 5 * width, specimen.shape)
    if box is None:
        return
    grid = np.ogrid[box]
    distance = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(grid, point, strict=True))) - radius
    distance = distance.astype(np.float32)
    depth = recipe.halo * (recipe.bead - recipe.medium)
    dark = np.exp(-(((distance - 0.9 * width) / (0.7 * width)) ** 2))
    bright = np.exp(-(((distance - 3.0 * width) / (0.8 * width)) ** 2))
    specimen.lac[box] += np.where(distance > 0, depth * (0.3 * bright - dark), 0)
    specimen.paint(box, distance, recipe.bead, "bead")


def add_wall(specimen: Canvas) -> None:
    """The glass tube, and no specimen beyond it."""
    if not specimen.recipe.wall:
        return
    rng = specimen.rng("wall")
    thickness = max(1.2, _WALL * specimen.side)
    lean = rng.uniform(-0.01, 0.01, 2) * specimen.side
    for box in specimen.slabs(whole(specimen.shape)):
        k, j, i = np.ogrid[box]
        along = (k - specimen.centre[0]) / specimen.shape[0]
        radius = np.hypot(j - specimen.centre[1] - lean[0] * along, i - specimen.centre[2] - lean[1] * along)
        ring = (np.abs(radius - specimen.inner - thickness / 2) - thickness / 2).astype(np.float32)
        beyond = coverage((specimen.inner + thickness - radius).astype(np.float32))
        specimen.lac[box] *= 1 - beyond
        specimen.paint(box, ring, specimen.recipe.glass, "wall")
