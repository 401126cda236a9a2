"""Simulated cells that touch, to learn from: tissue with walls, textured nuclei, and masks that are not quite right.

`training_case` gives a case of a kind and seed. The scored cases of `split_cases` have other seeds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from split_cases import Case, blobs, membranes, numbered, phantom

from ACSegLib.phantom import simulate, vary_packed

#: Kinds that are learned from, and the seeds of each.
TRAINED = {
    "phantom": range(700, 780),
    "blobs": range(1000, 1020),
    "membranes": range(1000, 1015),
    "tissue": range(1000, 1030),
    "large tissue": range(2000, 2030),
    "nuclei": range(1000, 1022),
    "few": range(1000, 1030),
}
#: Further phantoms, which the model of drawn outlines learns as well.
MORE = {"phantom": range(780, 1020)}
#: The kind with outlines as networks predict them, which the model of such outlines learns as well.
PREDICTED = {"predicted": range(3000, 3187)}


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], length: float) -> np.ndarray:
    """Random values of mean 0 and standard deviation 1 that change over a length in voxels."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), length, mode="wrap")
    return field / field.std()


def spread_points(rng: np.random.Generator, candidates: np.ndarray, count: int, apart: float) -> np.ndarray:
    """Up to `count` of the candidates that are at least so far apart."""
    points = candidates[:1]
    for point in candidates[1:]:
        if len(points) == count:
            break
        if ((points - point) ** 2).sum(axis=1).min() > apart**2:
            points = np.concatenate([points, point[None]])
    return points


def tissue(seed: int, radii: tuple[float, float] = (7.0, 24.0), widths: tuple[float, float] = (0.7, 2.0)) -> Case:
    """Cells that fill a tissue; walls between them are brighter or darker than they are, and fade in places."""
    rng = np.random.default_rng([seed, 31])
    shape = (int(rng.integers(40, 64)), int(rng.integers(64, 120)), int(rng.integers(64, 120)))
    radius, stretch = rng.uniform(*radii), rng.uniform(0.6, 1.5, 3)
    size = np.array(shape) + 2 * radius
    count = max(4, int(np.prod(size) / (4.2 * radius**3)))
    candidates = (rng.uniform(0, 1, (20 * count, 3)) * size - radius) * stretch
    points = spread_points(rng, candidates, count, rng.uniform(0.3, 1.2) * radius)
    warp = rng.uniform(0, 0.35) * radius
    grid = np.stack([g + warp * smooth_noise(rng, shape, max(3, 0.6 * radius)) for g in np.indices(shape)])
    away, near = cKDTree(points).query(grid.reshape(3, -1).T * stretch, k=2)
    cells = (near[:, 0] + 1).reshape(shape)
    wall = ((away[:, 1] - away[:, 0]) / 2).reshape(shape)
    own = rng.uniform(0, 1, len(points) + 1)
    amount = 1 + rng.uniform(0, 0.6) * smooth_noise(rng, shape, rng.uniform(3, 30))
    of_pair = (near.min(axis=1) * 7919 + near.max(axis=1) * 104729) % 997 / 997
    amount = np.clip(amount * (1 - rng.uniform(0, 0.7) * of_pair.reshape(shape)), 0.05, None)
    walls = amount * np.exp(-((wall / rng.uniform(*widths)) ** 2))
    image = rng.uniform(0, 0.4) * own[cells] * (rng.random() < 0.6)
    image = image + (walls if rng.random() < 0.65 else -walls * rng.uniform(0.3, 1))
    if rng.random() < 0.5:  # a nucleus or a vacuole in some cells
        depth = away[:, 0].reshape(shape) / (radius * rng.uniform(0.25, 0.5, len(own))[cells])
        grey = np.where(rng.random(len(own)) < 0.6, rng.uniform(-0.4, 0.5, len(own)), 0)
        image = image + grey[cells] * np.clip(1.5 - depth, 0, 1)
    image = image + rng.uniform(0, 0.15) * smooth_noise(rng, shape, rng.uniform(8, 25))
    image = image + rng.uniform(0, 0.25) * smooth_noise(rng, shape, rng.uniform(1, 3)) * (0.3 + 0.7 * own[cells])
    image = ndimage.gaussian_filter(image, rng.uniform(0.5, 1.6) * np.array([rng.uniform(1, 2.2), 1, 1]))
    if rng.random() < 0.5:  # noise that grows with the signal
        image = image - image.min()
        image = image + np.sqrt(image + 0.02) * rng.normal(size=shape) * rng.uniform(0.02, 0.2)
    else:
        image = image + rng.normal(size=shape) * rng.uniform(0.01, 0.15)
    if rng.random() < 0.5:  # the tissue ends within the field of view
        cells = np.where(smooth_noise(rng, shape, rng.uniform(8, 20)) + rng.uniform(-0.5, 1.5) > 0, cells, 0)
        if rng.random() < 0.7:
            image = np.where(cells > 0, image, image * rng.uniform(0, 1) + rng.uniform(-0.3, 0.3))
    return Case("tissue", f"tissue {seed}", image.astype(np.float32), numbered(cells))


def nuclei(seed: int) -> Case:
    """Large ellipsoids with a texture, some of which touch; voxels may be longer along the first axis."""
    rng = np.random.default_rng([seed, 37])
    radius, flat = rng.uniform(8, 20), np.array([rng.uniform(1, 2.2), 1, 1])
    shape = (int(rng.integers(40, 70)), int(rng.integers(72, 120)), int(rng.integers(72, 120)))
    wanted = max(3, int(np.prod(shape) * flat[0] / (radius**3 * 4.2) * rng.uniform(0.3, 0.9)))
    candidates = rng.uniform(-0.5 * radius, np.array(shape) * flat + 0.5 * radius, (40 * wanted, 3))
    centres = spread_points(rng, candidates, wanted, rng.uniform(1.4, 1.9) * radius)
    warp = rng.uniform(0.02, 0.12) * radius
    grid = np.indices(shape).astype(np.float32) * flat[:, None, None, None]
    grid += np.stack([warp * smooth_noise(rng, shape, 0.5 * radius) for _ in range(3)])
    nearest, cells = np.full(shape, 1e9, np.float32), np.zeros(shape, np.int32)
    for number, centre in enumerate(centres, start=1):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        axes = radius * rng.uniform(0.7, 1.35, 3)
        low = np.maximum((centre - 1.6 * radius) / flat, 0).astype(int)
        high = np.maximum(np.ceil((centre + 1.6 * radius) / flat).astype(int) + 1, low)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        turned = np.einsum("ab,b...->a...", turn, grid[(slice(None), *box)] - centre[:, None, None, None])
        away = np.sqrt(((turned / axes[:, None, None, None]) ** 2).sum(axis=0))
        closer = away < nearest[box]
        nearest[box][closer], cells[box][closer] = away[closer], number
    cells[nearest > 1] = 0
    inside = cells > 0
    brightness = rng.uniform(0.5, 1.3, len(centres) + 1)[cells] * inside
    texture = 1 + rng.uniform(0.05, 0.4) * smooth_noise(rng, shape, rng.uniform(1, 3))
    image = brightness * texture * np.clip(1.1 - rng.uniform(-0.4, 0.6) * nearest**2, 0.1, None)
    spots = np.zeros(shape)
    for _ in range(int(rng.integers(0, 4 * len(centres)))):
        spots[tuple(rng.integers(0, shape))] = rng.uniform(-0.8, 1)
    width = rng.uniform(1, 2.5)
    image = image + ndimage.gaussian_filter(spots, width) * 16 * width**3 * inside
    image = ndimage.gaussian_filter(image, rng.uniform(0.5, 1.6) * np.array([rng.uniform(0.7, 1.5), 1, 1]))
    image = image + rng.normal(size=shape) * rng.uniform(0.01, 0.15)
    return Case("nuclei-like", f"nuclei-like {seed}", image.astype(np.float32), numbered(cells))


def few(seed: int) -> Case:
    """A smooth body without necks that plain seams divide into one to five cells, on a clean image."""
    rng = np.random.default_rng([seed, 43])
    shape = tuple(int(n) for n in rng.integers(24, 64, 3))
    grid = np.indices(shape).astype(np.float32)
    middle = (np.array(shape) - 1) / 2
    sides = np.array(shape) * rng.uniform(0.35, 0.5, 3)
    power = rng.choice([2.0, 4.0, 12.0])  # an ellipsoid, or nearly a block
    away = (np.abs((grid - middle[:, None, None, None]) / sides[:, None, None, None]) ** power).sum(axis=0)
    body = away + 0.1 * smooth_noise(rng, shape, 6) * (power < 12) < 1
    places = spread_points(
        rng, middle + rng.uniform(-0.8, 0.8, (60, 3)) * sides, int(rng.integers(2, 6)), sides.min() / 2
    )
    warped = np.stack([g + rng.uniform(0, 1.5) * smooth_noise(rng, shape, 6) for g in grid])
    near, cells = cKDTree(places).query(warped.reshape(3, -1).T, k=2)
    wall = ((near[:, 1] - near[:, 0]) / 2).reshape(shape)
    numbers = np.where(body, cells[:, 0].reshape(shape) + 1, 0)
    seam = rng.uniform(0.2, 0.9) * rng.choice([-1, 1]) * np.exp(-((wall / rng.uniform(0.6, 1.6)) ** 2))
    inside = 1 + seam + rng.uniform(0, 0.08) * smooth_noise(rng, shape, rng.uniform(1, 3))
    image = np.where(body, inside, rng.uniform(-0.5, 1.5))
    image = ndimage.gaussian_filter(image, rng.uniform(0, 1)) + rng.normal(size=shape) * rng.uniform(0.01, 0.12)
    return Case("few", f"few {seed}", image.astype(np.float32), numbered(numbers))


def drawn_roughly(case: Case, seed: int) -> Case:
    """The case with a mask as a person or a network gives it: too large or too small, and rough."""
    rng, cells = np.random.default_rng([seed, 41]), case.cells
    if rng.random() < 0.4 or cells.all():
        return case
    distance = ndimage.distance_transform_edt(cells) - ndimage.distance_transform_edt(cells == 0)
    wave = rng.uniform(0, 0.8) * smooth_noise(rng, cells.shape, rng.uniform(1, 4)) + rng.uniform(-1.0, 1.2)
    nearest = ndimage.distance_transform_edt(cells == 0, return_distances=False, return_indices=True)
    return replace(case, cells=numbered(np.where(distance + wave > 0, cells[tuple(nearest)], 0)))


def predicted(seed: int) -> Case:
    """Two to five cells pressed together, within the outlines that the pretrained network predicts.

    Half of them are large cells in a capillary that is full of them. A voxel of the mask that lies outside all cells
    belongs to the nearest.
    """
    from ACSegLib.network.model.pretrained import open_model
    from ACSegLib.workflows import PredictRequest, run

    rng = np.random.default_rng([seed, 47])
    look = {"gap": rng.uniform(0.3, 1.5), "seam": -rng.uniform(0.3, 0.8)}
    full = {"beads": 0, "cell_size": 1.0, "column": False, "holder": "capillary", "wall": True}
    if seed % 2 == 0:
        look |= full | {"capillary": rng.uniform(0.36, 0.46)}
    recipe = vary_packed(seed, packing=int(rng.integers(2, 6)), filling=rng.uniform(0.3, 0.8), **look)
    made = simulate(int(rng.integers(64, 97)), seed=seed, recipe=recipe)
    found = run(PredictRequest(volume=made.volume, model=open_model())).segmentation
    mask, cells = found.mask(found.segments[0]), made.cells.labels
    nearest = ndimage.distance_transform_edt(cells == 0, return_distances=False, return_indices=True)
    return Case("predicted", f"predicted {seed}", made.volume.array, numbered(np.where(mask, cells[tuple(nearest)], 0)))


def training_case(kind: str, seed: int) -> Case | None:
    """A case to learn from; None where fewer than two cells are in view."""
    if kind == "predicted":
        case = predicted(seed)
        return case if case.cells.max() >= 2 else None
    if kind == "phantom":
        case = phantom(seed, seed, int(np.random.default_rng([seed, 3]).integers(56, 84)))
    elif kind == "large tissue":
        case = tissue(seed, (14.0, 30.0), (1.0, 3.0))
    else:
        case = {"blobs": blobs, "membranes": membranes, "tissue": tissue, "nuclei": nuclei, "few": few}[kind](seed)
    return None if case is None or case.cells.max() < 2 else drawn_roughly(case, seed)
