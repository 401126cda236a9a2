"""Touching cells with known truth: simulated ones of several kinds, and the instances of real volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ACSegLib.phantom import simulate, vary_packed

#: Seeds of the phantoms that are scored; the model was fitted on others (700 and above).
SCORED = range(500, 530)
#: A seam counts as visible in the image from this width (voxels) and this contrast (part of that of the cell) on.
VISIBLE_GAP, VISIBLE_SEAM = 0.5, 0.3


@dataclass(frozen=True)
class Case:
    """An image, its cells (0 is background), and the set that it belongs to."""

    group: str
    name: str
    image: np.ndarray
    cells: np.ndarray


def numbered(cells: np.ndarray) -> np.ndarray:
    """The cells numbered from 1 without gaps; uint16."""
    values = np.union1d([0], cells)
    return np.searchsorted(values, cells).astype(np.uint16)


def phantom(seed: int, number: int, side: int) -> Case | None:
    """Packed cells; None where fewer than two are in view."""
    recipe = vary_packed(seed, packing=2 + number % 7)
    made = simulate(side, seed=seed, recipe=recipe)
    cells = numbered(made.cells.labels)
    if cells.max() < 2:
        return None
    visible = recipe.gap >= VISIBLE_GAP and abs(recipe.seam) >= VISIBLE_SEAM
    group = "phantoms, visible seams" if visible else "phantoms, no seam to see"
    return Case(group, f"phantom {seed}", made.volume.array, cells)


def blobs(seed: int) -> Case:
    """Ellipsoids that touch, like nuclei: each with a brightness of its own that fades to its outline."""
    rng = np.random.default_rng(seed)
    side, radius = int(rng.integers(48, 80)), rng.uniform(4, 11)
    shape = (side * 2 // 3, side, side)
    wanted = int(np.prod(shape) / (radius**3 * 4.2) * rng.uniform(0.3, 1.0))
    centres: list[np.ndarray] = []
    for _ in range(30 * wanted):
        point = rng.uniform(-2, np.array(shape) + 2)
        if len(centres) < wanted and all(np.linalg.norm(point - c) > 1.55 * radius for c in centres):
            centres.append(point)
    grid = np.indices(shape).astype(np.float32)
    nearest, cells = np.full(shape, 1e9, np.float32), np.zeros(shape, np.int32)
    for number, centre in enumerate(centres, start=1):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        axes = radius * rng.uniform(0.75, 1.35, 3)
        box = tuple(slice(max(int(c - 1.4 * radius), 0), max(int(c + 1.4 * radius) + 2, 0)) for c in centre)
        turned = np.einsum("ab,b...->a...", turn, grid[(slice(None), *box)] - centre[:, None, None, None])
        away = np.sqrt(((turned / axes[:, None, None, None]) ** 2).sum(axis=0))
        closer = away < nearest[box]
        nearest[box][closer], cells[box][closer] = away[closer], number
    cells[nearest > 1] = 0
    brightness = rng.uniform(0.5, 1.5, len(centres) + 1)
    fading = np.clip(1.15 - nearest**2 * rng.uniform(0.2, 0.9), 0, None) * (cells > 0)
    image = ndimage.gaussian_filter(brightness[cells] * fading, rng.uniform(0.6, 1.6))
    texture = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.7, 2))
    image = image * (1 + 0.3 * rng.uniform(0, 0.5) * texture / texture.std())
    image = image + rng.normal(size=shape) * rng.uniform(0.01, 0.12)
    return Case("blobs", f"blobs {seed}", image.astype(np.float32), numbered(cells))


def membranes(seed: int) -> Case:
    """Cells with bright walls that fill the field of view, or a ball in it."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    side, radius = int(rng.integers(48, 80)), rng.uniform(6, 12)
    shape = (side * 2 // 3, side, side)
    count = max(3, int(np.prod(shape) / (4.2 * radius**3)))
    stretch = rng.uniform(0.6, 1.4, 3)
    places = np.indices(shape).reshape(3, -1).T * stretch
    away, nearest = cKDTree(rng.uniform(0, 1, (count, 3)) * shape * stretch).query(places, k=2)
    cells = (nearest[:, 0] + 1).reshape(shape)
    from_wall = (away[:, 1] - away[:, 0]).reshape(shape) / 2
    strength = rng.uniform(0.3, 1.2, count + 1)[cells]
    image = strength * np.exp(-((from_wall / rng.uniform(0.8, 1.6)) ** 2)) + 0.15
    image = image + ndimage.gaussian_filter(rng.normal(size=shape), 3)
    image = ndimage.gaussian_filter(image, rng.uniform(0.5, 1.3)) + rng.normal(size=shape) * rng.uniform(0.02, 0.15)
    if rng.random() < 0.5:
        k, j, i = (np.indices(shape) / np.array(shape)[:, None, None, None]) - 0.5
        cells = np.where(np.sqrt(k**2 + j**2 + i**2) < rng.uniform(0.35, 0.6), cells, 0)
    return Case("membranes", f"membranes {seed}", image.astype(np.float32), numbered(cells))


def simulated(side: int) -> Iterator[Case]:
    """The simulated cells that are scored."""
    for number, seed in enumerate(SCORED):
        case = phantom(seed, number, side)
        if case is not None:
            yield case
    for seed in range(100, 106):
        yield blobs(seed)
        yield membranes(seed)


def real(folder: Path) -> Iterator[Case]:
    """Instances of real volumes, as far as these are there."""
    from tifffile import imread

    nuclei = folder / "nuclei" / "nuclei.tif"
    if nuclei.exists():
        yield Case("nuclei", "nuclei", imread(nuclei), numbered(imread(folder / "nuclei" / "nuclei_label.tif")))
    stardist = folder / "stardist3d_demo"
    if stardist.exists():
        cells = numbered(imread(stardist / "mask3d.tif"))
        yield Case("stardist3d_demo", "stardist3d_demo", imread(stardist / "img3d.tif"), cells)
    roots = folder / "root_cells" / "sample_patch.h5"
    if roots.exists():
        import h5py

        with h5py.File(roots) as file:
            image, cells = file["raw"][:], file["label"][:]
        cells[31] = cells[30]  # the plane is defective
        yield Case("root_cells", "root_cells", image, numbered(cells))
