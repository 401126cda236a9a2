"""Small volumes of many kinds on which the fill's choice of its own settings is judged.

Real ones are crops of at most 96 voxels along each axis. Simulated ones are tomograms of each kind of cell, and volumes
that share only one property each: nested classes with faint borders, membranes without contrast inside, textures,
gradients across the volume, tight cells of one look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fill_cases import Case, drawn_mask, hippocampus, sxt_cell, thinned
from scipy import ndimage

#: Largest side of a crop, in voxels.
SIDE = 96


def _field(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Smooth random field of unit variance."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    return field / field.std()


def _grid(side: int) -> np.ndarray:
    """Coordinates of each voxel from -1 to 1, (3, side, side, side)."""
    line = np.linspace(-1, 1, side)
    return np.stack(np.meshgrid(line, line, line, indexing="ij"))


def _body(rng: np.random.Generator, side: int, radius: float, rough: float, centre: Any = (0, 0, 0)) -> np.ndarray:
    """Signed distance (relative to the half side, positive inside) of a ball with lobes."""
    offset = _grid(side) - np.asarray(centre, float)[:, None, None, None]
    return radius - np.sqrt((offset**2).sum(0)) + rough * _field(rng, (side,) * 3, side / 10)


def nested(seed: int, contrast: float, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Three nested classes whose borders are faint, and strong sheets that mean nothing."""
    rng = np.random.default_rng(seed)
    base = _body(rng, side, 0.78, 0.06)
    truth = np.zeros((side,) * 3, np.uint16)
    for value, depth in enumerate((0.0, 0.22, 0.45), 1):
        truth[base + 0.03 * _field(rng, truth.shape, side / 12) > depth] = value
    image = contrast * truth.astype(float)
    sheets = np.abs(_field(rng, truth.shape, side / 9)) < 0.12
    image += 6 * contrast * sheets
    return ndimage.gaussian_filter(image, 0.7) + rng.normal(0, 1.0, image.shape), truth


def membranes(seed: int, cells: int, drawn: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Cells that fill the volume, all of one grey value, with bright membranes; some of them are segments."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-1, 1, (cells, 3))
    grid = _grid(side) + 0.04 * np.stack([_field(rng, (side,) * 3, side / 10) for _ in range(3)])
    distances = np.stack([np.sqrt(((grid - c[:, None, None, None]) ** 2).sum(0)) for c in centres])
    order = np.sort(distances, axis=0)
    membrane = np.exp(-((((order[1] - order[0]) * side / 4) / 0.9) ** 2))
    inner = np.argsort((centres**2).sum(1))[:drawn]
    table = np.zeros(cells, np.uint16)
    table[inner] = np.arange(1, drawn + 1)
    return 3 * membrane + rng.normal(0, 0.8, membrane.shape), table[distances.argmin(0)]


def textures(seed: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Two segments and a background of one mean, which differ in the grain of their texture."""
    rng = np.random.default_rng(seed)
    shape = (side,) * 3
    truth = np.zeros(shape, np.uint16)
    truth[_body(rng, side, 0.5, 0.08, (0, -0.35, -0.2)) > 0] = 1
    truth[_body(rng, side, 0.42, 0.08, (0.1, 0.45, 0.35)) > 0] = 2
    grains = [_field(rng, shape, sigma) for sigma in (0.6, 1.4, 2.6)]
    return np.choose(truth, grains) + rng.normal(0, 0.25, shape), truth


def gradient(seed: int, strength: float, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Two segments on a background whose grey value runs across the volume by more than their contrast."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((side,) * 3, np.uint16)
    truth[_body(rng, side, 0.6, 0.1) > 0] = 1
    truth[_body(rng, side, 0.3, 0.06, rng.uniform(-0.15, 0.15, 3)) > 0] = 2
    slope = np.tensordot(rng.normal(size=3), _grid(side), 1)
    image = np.choose(truth, (0.0, 2.0, 3.2)) + strength * slope / np.abs(slope).max()
    return image + rng.normal(0, 0.7, image.shape), truth


def tight(seed: int, drawn: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Three cells of one look, pressed against each other, of which some are segments."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2 * np.pi)
    angles = turn + np.arange(3) * 2 * np.pi / 3
    bodies = np.stack([_body(rng, side, 0.46, 0.05, (0, 0.42 * np.sin(a), 0.42 * np.cos(a))) for a in angles])
    order = np.sort(bodies, axis=0)
    inside = order[-1] > 0
    truth = np.where(inside, bodies.argmax(0) + 1, 0).astype(np.uint16)
    seam = np.exp(-((((order[-1] - order[-2]) * side / 4) / 0.7) ** 2)) * inside
    image = 2.0 * inside - 0.8 * seam + 0.3 * _field(rng, inside.shape, 1.5)
    truth[truth > drawn] = 0
    return ndimage.gaussian_filter(image, 0.7) + rng.normal(0, 0.5, image.shape), truth


def blobs(seed: int, cells: int, side: int = 56) -> tuple[np.ndarray, np.ndarray]:
    """Many bright round cells, some touching, one segment each."""
    rng = np.random.default_rng(seed)
    best = np.full((side,) * 3, 0.0)
    truth = np.zeros((side,) * 3, np.uint16)
    for value in range(1, cells + 1):
        body = _body(rng, side, rng.uniform(0.24, 0.4), 0.02, rng.uniform(-0.85, 0.85, 3))
        truth[body > best] = value
        best = np.maximum(best, body)
    image = 2.0 * (truth > 0) * rng.uniform(0.6, 1.2, cells + 1)[truth]
    return ndimage.gaussian_filter(image, 1.0) + rng.normal(0, 0.5, image.shape), truth


def tissue(seed: int, cells: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Long cells that fill the volume, their membranes in part hardly visible, one segment each."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-1, 1, (cells, 3))
    stretch = np.ones(3)
    stretch[rng.integers(3)] = rng.uniform(1.5, 2.5)
    grid = _grid(side) + 0.05 * np.stack([_field(rng, (side,) * 3, side / 12) for _ in range(3)])
    distances = np.stack([np.sqrt((((grid - c[:, None, None, None]) / stretch[:, None, None, None]) ** 2).sum(0))
                          for c in centres])  # fmt: skip
    order = np.sort(distances, axis=0)
    membrane = np.exp(-((((order[1] - order[0]) * side / 4) / 0.9) ** 2))
    visible = np.clip(0.6 + 0.5 * _field(rng, membrane.shape, side / 8), 0.1, 1.2)
    image = 3 * visible * membrane + 0.3 * _field(rng, membrane.shape, 2.0)
    return image + rng.normal(0, 0.5, image.shape), (distances.argmin(0) + 1).astype(np.uint16)


def rods(seed: int, cells: int, side: int = 56) -> tuple[np.ndarray, np.ndarray]:
    """Bright rods and balls of very different sizes, each turned at random, some touching, one segment each."""
    rng = np.random.default_rng(seed)
    grid = _grid(side)
    best = np.zeros((side,) * 3)
    truth = np.zeros((side,) * 3, np.uint16)
    for value in range(1, cells + 1):
        radius, length = 0.1 * np.exp(rng.normal(0.4, 0.35)), rng.choice([1.0, 2.0, 3.5])
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        offset = grid - rng.uniform(-0.9, 0.9, 3)[:, None, None, None]
        along = np.tensordot(direction, offset, 1)
        across = (offset**2).sum(0) - along**2
        body = 1 - np.sqrt(across / radius**2 + along**2 / (radius * length) ** 2)
        truth[body > best] = value
        best = np.maximum(best, body)
    image = 2.0 * (truth > 0) * rng.uniform(0.6, 1.2, cells + 1)[truth]
    return ndimage.gaussian_filter(image, 1.0) + rng.normal(0, 0.5, image.shape), truth


#: Simulated kinds: name -> (distance of the labelled slices, maker of image and truth from a seed).
SIMULATED: dict[str, tuple[int, Callable[[int], tuple[np.ndarray, np.ndarray]]]] = {
    "nested, faint": (10, lambda seed: nested(seed, 0.45)),
    "nested, fainter": (8, lambda seed: nested(seed, 0.25)),
    "membranes, few": (8, lambda seed: membranes(seed, 24, 4, 56)),
    "membranes, many": (8, lambda seed: membranes(seed, 14, 14, 44)),
    "textures": (8, textures),
    "gradient": (10, lambda seed: gradient(seed, 2.0)),
    "gradient, strong": (10, lambda seed: gradient(seed, 5.0)),
    "tight cells": (10, lambda seed: tight(seed, 3)),
    "tight cells, one drawn": (10, lambda seed: tight(seed, 1)),
    "blobs": (8, lambda seed: blobs(seed, 14, 56)),
}
#: More kinds with many instances, on which the settings were not chosen.
INSTANCES: dict[str, tuple[int, Callable[[int], tuple[np.ndarray, np.ndarray]]]] = {
    "tissue": (8, lambda seed: tissue(seed, 30, 64)),
    "rods": (6, lambda seed: rods(seed, 24, 56)),
}


def simulated(seed: int = 0, instances: bool = False) -> Iterator[Case]:
    """One volume of each simulated kind that is no tomogram; on request of each of `INSTANCES` instead."""
    for name, (every, make) in (INSTANCES if instances else SIMULATED).items():
        image, truth = make(seed)
        yield thinned(f"{name}, seed {seed}", image.astype(np.float32), truth, every)


def unevenly_labelled(seed: int = 0) -> Iterator[Case]:
    """The same volumes with a slice in each quarter, and up to two more: few slices, and wide gaps at the ends."""
    rng = np.random.default_rng(seed)
    for case in simulated(seed):
        more = rng.permutation([1, 3, 5, 7])[: rng.integers(0, 3)]
        yield _labelled_on(case, sorted(int(eighth * len(case.truth)) // 8 for eighth in (2, 4, 6, *more)))


def few_slices(seed: int, count: int) -> Iterator[Case]:
    """The same volumes with so many slices, each in the middle of an equal part."""
    for case in [*simulated(seed), *simulated(seed, instances=True)]:
        yield _labelled_on(case, [(2 * n + 1) * len(case.truth) // (2 * count) for n in range(count)])


def _labelled_on(case: Case, numbers: list[int]) -> Case:
    """The case with other labelled slices along k."""
    slices = {"k": numbers}
    name = f"{case.name}, slices {', '.join(map(str, numbers))}"
    return replace(case, name=name, slices=slices, scored=~drawn_mask(case.truth.shape, slices))


def tomograms(seed: int = 0, side: int = 64) -> Iterator[Case]:
    """Simulated tomograms: each kind of cell, packed cells, and a neighbour that nobody drew."""
    from ACSegLib.phantom import KINDS, simulate, vary_packed

    recipes: dict[str, dict[str, Any]] = {kind: {"kind": kind} for kind in KINDS}
    recipes["neighbour not drawn"] = {"neighbour": "unlabelled"}
    recipes["neighbour drawn"] = {"neighbour": "segment"}
    for name, recipe in recipes.items():
        made = simulate(side, seed=seed, **recipe)
        yield thinned(f"{name}, seed {seed}", made.volume.array, made.truth.labels, 10)
    made = simulate(side, seed=seed, recipe=vary_packed(seed))
    yield thinned(f"packed, seed {seed}", made.volume.array, made.truth.labels, 10)


def _crop(case: Case, corner: tuple[int, int, int], side: int = SIDE) -> Case:
    """A box of a case, with the labelled slices and scored voxels that lie in it."""
    box = tuple(slice(c, min(c + side, n)) for c, n in zip(corner, case.truth.shape, strict=True))
    image, scored = case.image[box], case.scored[box]
    values, inverse = np.unique(case.truth[box], return_inverse=True)
    if values[0]:
        inverse = inverse + 1
    truth = inverse.reshape(image.shape).astype(np.uint16)
    slices = {
        axis: [n - b.start for n in case.slices.get(axis, []) if b.start <= n < b.stop]
        for axis, b in zip("kji", box, strict=True)
    }
    return Case(case.name, image, truth, {a: n for a, n in slices.items() if n}, scored, case.spacing, case.unit)


def real(data: Path, spare: bool = False) -> Iterator[Case]:
    """Crops of the real volumes; `spare` gives other crops and cases, on which nothing was tuned."""
    import fill_cases
    import tifffile

    corners = [(0, 150, 60), (0, 20, 150)] if spare else [(0, 0, 0), (0, 100, 100)]
    for case in (next(fill_cases.nuclei(data)), next(fill_cases.root_cells(data))):
        for corner in corners[1:] if "root" in case.name else corners:
            box = _crop(case, corner, 64)
            box.name = f"{case.name}, at {corner[1]}, {corner[2]}"
            yield box
    nuclei = next(fill_cases.nuclei(data))
    box = _crop(nuclei, corners[0], 64)
    yield Case("nuclei, as one", box.image, (box.truth > 0).astype(np.uint16), box.slices, box.scored)
    shift = int(spare)
    image, truth = nuclei.image[shift::2, shift::2, shift::2], nuclei.truth[shift::2, shift::2, shift::2]
    yield _crop(thinned("nuclei, coarse", image, truth, 5), (0, 20, 20))
    yield from [case for n, case in enumerate(hippocampus(data)) if n in ((2, 5, 9) if spare else (0, 3, 6))]
    planes = list(sxt_cell(data))
    yield from planes[1::2] if spare else planes[::2]
    folder = data / "fibsem_mito_mef"
    image, truth = (tifffile.imread(folder / name) for name in ("m1_8hpi_raw.tif", "m1_8hpi.tif"))
    for start in [200] if spare else [0, 100]:
        case = thinned(f"fibsem mito, at {start}", image, truth, 5)
        yield _crop(case, (0, 0, start))
    folder = data / "stardist3d_demo"
    image, truth = (tifffile.imread(folder / name) for name in ("img3d.tif", "mask3d.tif"))
    yield _crop(thinned("stardist3d demo", image, truth, 4), (0, 0, 0), 40)
    yield from _thresholded(data, 40 if spare else 0)


def _thresholded(data: Path, start: int) -> Iterator[Case]:
    """X-ray CT volumes whose truth is a threshold of the smoothed image."""
    import tifffile
    from skimage.filters import threshold_otsu

    for name in ("xct_round_inclusions", "xct_nerve"):
        path = next(p for p in sorted((data / name).iterdir()) if p.suffix in (".tif", ".tiff"))
        image = tifffile.imread(path)[start : start + 64, :64, :64]
        smooth = ndimage.gaussian_filter(image.astype(float), 1.0)
        truth = smooth < threshold_otsu(smooth)
        yield thinned(name, image, truth.astype(np.uint16), 8)


def all_cases(data: Path | None, seed: int = 0) -> Iterator[Case]:
    """Every kind once; another seed gives volumes that nothing was tuned on."""
    yield from simulated(seed)
    yield from tomograms(seed)
    if data is not None:
        yield from real(data, spare=seed > 0)
