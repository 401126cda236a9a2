"""The volumes that teach the pretrained model: simulated cells, loose, packed or none, and parts of real tomograms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.phantom import Phantom, Recipe, simulate, vary, vary_packed
from ACSegLib.volume import Segment, Segmentation, Volume

SEGMENTS = (
    Segment("cytoplasm", 1, (0.27, 0.57, 0.82)),
    Segment("bead", 2, (0.95, 0.65, 0.20)),
)
#: Every n-th volume is one loose cell with its neighbours (`vary`), the others are packed cells (`vary_packed`).
EVERY_LOOSE = 3
#: Planes of the real cell in suspension that train; those above are kept back to score.
TRAINED_PLANES = 93


@dataclass(frozen=True)
class Sizes:
    """Mean sides in voxels of what is simulated, and of what the network sees."""

    smallest: int
    largest: int
    working: int


def simulated(part: str, seed: int, sizes: Sizes) -> tuple[Volume, Segmentation]:
    """Simulate one tomogram of a random specimen, size, voxel size, dose and artefacts; with its classes.

    Every cell counts as cytoplasm: a network cannot know which of several touching cells a person would have drawn.

    Parameters
    ----------
    part : str
        "train" and "val" hold loose and packed cells, "hard" what an earlier model found hard, "empty" no cell.
    """
    if part == "empty" and seed % 4 == 3:
        return noise(seed, sizes.working)
    rng = np.random.default_rng([seed, 3])
    side = int(rng.integers(sizes.smallest, sizes.largest + 1))
    if seed % EVERY_LOOSE == 0:
        depth = int(np.clip(side * rng.uniform(0.7, 1.25), min(40, sizes.largest), sizes.largest))
        recipe = vary(seed, neighbour="cytoplasm" if rng.random() < 0.6 else "none")
    else:
        aspect = np.exp(rng.uniform(np.log(0.6), np.log(2.5)))
        depth, side = int(max(32, side * aspect ** (2 / 3))), int(max(32, side * aspect ** (-1 / 3)))
        recipe = vary_packed(seed)
    if part == "empty":
        recipe = empty_recipe(seed)
    elif part == "hard":
        recipe = hard_recipe(seed)
    phantom = simulate((depth, side, side), seed, recipe=recipe, reconstruct=bool(rng.random() < 0.75))
    return disturbed(phantom)


def disturbed(phantom: Phantom) -> tuple[Volume, Segmentation]:
    """Add what files of different origin have: other grey scales, a field of view cut round, cut cells."""
    rng = np.random.default_rng([phantom.seed, 4])
    array, labels = phantom.volume.array.astype(np.float32), phantom.truth.labels.astype(np.uint8)
    if rng.random() < 0.4:  # a crop that cuts through cells
        keep = [slice(int(n * a), int(n * b)) for n, a, b in zip(array.shape, *_crop(rng), strict=True)]
        array, labels = array[tuple(keep)], labels[tuple(keep)]
    if rng.random() < 0.25:  # nothing is reconstructed outside the circle that every view saw
        j, i = (np.arange(n) - (n - 1) / 2 for n in array.shape[1:])
        outside = np.hypot(j[:, None] / array.shape[1], i / array.shape[2]) > 0.5
        array = np.where(outside, np.float32(rng.choice([0.0, float(array.min()), float(np.median(array))])), array)
        labels = np.where(outside, 0, labels).astype(labels.dtype)
    scale = 10.0 ** rng.uniform(-2, 4)
    array = (array * scale + rng.normal() * scale * 0.2).astype(np.float32)
    volume = Volume(array, phantom.volume.geometry, f"varied-{phantom.seed}")
    segments = [replace(segment) for segment in SEGMENTS]
    return volume, Segmentation((np.ascontiguousarray(labels),), segments, phantom.volume.geometry, volume.name)


def _crop(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    start = rng.uniform(0.0, 0.3, 3) * (rng.random(3) < 0.6)
    stop = 1 - rng.uniform(0.0, 0.3, 3) * (rng.random(3) < 0.6)
    return start, stop


def hard_recipe(seed: int) -> Recipe:
    """Draw what an earlier model found hard: beads, thin walls with cells pressed against them, a soft cell."""
    rng = np.random.default_rng([seed, 5])
    kind = ("packed beads", "thin wall", "loose beads", "packed beads", "soft cell")[seed % 5]
    if kind == "thin wall":
        return thin_wall(seed, rng)
    if kind == "soft cell":
        return soft_cell(seed, rng)
    if kind == "loose beads":
        radius = np.exp(rng.uniform(np.log(0.015), np.log(0.08)))
        beads = {"beads": int(rng.integers(2, 10)), "bead_radius": (0.7 * radius, 1.3 * radius)}
        return vary(seed, neighbour="cytoplasm" if rng.random() < 0.4 else "none", **beads)
    recipe = vary_packed(seed)
    radius = np.exp(rng.uniform(np.log(0.015), np.log(0.66 * recipe.capillary)))
    number = int(rng.integers(1, 3)) if radius > 0.1 else int(rng.integers(2, 9))
    filling = min(recipe.filling, 0.8)
    return recipe.changed(beads=number, bead_radius=(0.7 * radius, 1.2 * radius), filling=filling)


def thin_wall(seed: int, rng: np.random.Generator) -> Recipe:
    """Cells pressed flat against a thin wall that is little brighter than they."""
    recipe = vary_packed(
        seed,
        holder="capillary",
        wall=True,
        slab=Recipe().slab,
        missing_wedge=0.0,
        markers=0,
        capillary=rng.uniform(0.3, 0.49),
        wall_thickness=rng.uniform(0.012, 0.035),
        filling=rng.uniform(0.6, 0.97),
        film=0.0,
    )
    return recipe.changed(glass=recipe.cytoplasm * rng.uniform(1.3, 3.2))


def soft_cell(seed: int, rng: np.random.Generator) -> Recipe:
    """One or two cells in suspension, without a wall, blurred; the nucleus is darker, with bright spots."""
    recipe = vary_packed(
        seed,
        holder="capillary",
        wall=False,
        column=False,
        slab=Recipe().slab,
        missing_wedge=0.0,
        markers=0,
        capillary=0.7,
        packing=int(rng.integers(1, 3)),
        cell_size=rng.uniform(0.8, 1.5),
        filling=rng.uniform(0.08, 0.4),
        blur=rng.uniform(1.5, 4.0),
        fringe=rng.uniform(0.0, 0.8),
        glow=0.0,
        beads=int(rng.random() < 0.2),
        bead_radius=(0.02, 0.08),
    )
    contrast = recipe.cytoplasm - recipe.medium
    dark = recipe.cytoplasm - contrast * rng.uniform(0.1, 0.6)
    return recipe.changed(nucleus=dark, nucleolus=recipe.cytoplasm + contrast * rng.uniform(0.2, 1.2))


def empty_recipe(seed: int) -> Recipe:
    """Draw a specimen with a speck of a cell at most: a capillary, beads and debris, or medium that fills the image."""
    nothing = {"filling": 1e-4, "filopodia": 0, "microvilli": 0.0, "column": False, "missing_wedge": 0.0, "markers": 0}
    wall = seed % 4 != 1
    recipe = vary_packed(seed, holder="capillary", wall=wall, slab=Recipe().slab, **nothing)
    return recipe.changed(beads=recipe.beads if seed % 2 else 0, capillary=min(recipe.capillary, 0.49) if wall else 0.7)


def noise(seed: int, side: int) -> tuple[Volume, Segmentation]:
    """Noise, white or smooth, alone or on a slope or a bowl; nothing is labelled."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng([seed, 8])
    shape = tuple(int(side * rng.uniform(0.7, 1.3)) for _ in range(3))
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    array = gaussian_filter(rng.normal(size=shape), rng.uniform(0, 3) * int(rng.random() < 0.7))
    array /= array.std()
    slope, bowl = rng.uniform(0, 4, 2) * (rng.random(2) < 0.4) * rng.choice([-1, 1], 2)
    array = array + slope * grid[0] + bowl * (grid[1] ** 2 + grid[2] ** 2)
    volume = Volume(array.astype(np.float32), name=f"noise-{seed}")
    labels = np.zeros(shape, np.uint8)
    return volume, Segmentation((labels,), [replace(s) for s in SEGMENTS], volume.geometry, volume.name)


class RealVolumes:
    """Real cells whose licence lets them train: half of a slice turned about its capillary, a cell in suspension.

    Parameters
    ----------
    data : Path
        Folder with sxt_mef_slices (Apache-2.0) and hl60_odt (CC0).
    """

    def __init__(self, data: Path) -> None:
        import tifffile
        from scipy.ndimage import binary_opening

        slices, suspension = data / "sxt_mef_slices", data / "hl60_odt"
        image = tifffile.imread(slices / "Berkeley_Berkely-4hpi_slice188.tif").astype(np.float32)
        mask = tifffile.imread(slices / "4hpi_cellmask_threshold.tif") > 0
        middle = image.shape[1] // 2  # the capillary's axis; the left half is kept back to score
        self.profile = image[:, middle:]
        self.profile_mask = binary_opening(mask, iterations=3)[:, middle:]
        self.cell = open_volume(suspension / "hl60_ri.nrrd").array.astype(np.float32)[:TRAINED_PLANES]
        self.cell_mask = open_segmentation(suspension / "hl60_otsu_cell.nrrd").labels[:TRAINED_PLANES] > 0

    def draw(self, seed: int) -> tuple[Volume, Segmentation]:
        """Draw a part of either at random, with another grey scale; cytoplasm is labelled."""
        rng = np.random.default_rng([seed, 6])
        image, mask = self._revolved(rng) if seed % 2 else self._cut(rng)
        scale = 10.0 ** rng.uniform(-2, 4)
        array = (image * scale + rng.normal() * scale * 0.2 * float(np.ptp(image))).astype(np.float32)
        volume = Volume(np.ascontiguousarray(array), name=f"real-{seed}")
        labels = np.ascontiguousarray(mask.astype(np.uint8))
        return volume, Segmentation((labels,), [replace(s) for s in SEGMENTS], volume.geometry, volume.name)

    def _cut(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        sizes = [int(n * rng.uniform(0.65, 1.0)) for n in self.cell.shape]
        starts = [int(rng.integers(0, n - size + 1)) for n, size in zip(self.cell.shape, sizes, strict=True)]
        place = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
        return self.cell[place], self.cell_mask[place]

    def _revolved(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Turn a piece of the half slice about its axis, binned at random, bent a little, cut at the sides."""
        from scipy.ndimage import gaussian_filter, map_coordinates

        step = rng.uniform(3.5, 8.0)  # pixels of the slice a voxel
        rows, columns = self.profile.shape
        side = int(2 * columns / step * rng.uniform(0.8, 1.05))
        depth = int(min(rows / step, side * rng.uniform(0.6, 2.2)))
        first = rng.uniform(0, rows - depth * step)
        k, j, i = np.meshgrid(np.arange(depth), np.arange(side), np.arange(side), indexing="ij")
        middle = (side - 1) / 2 + rng.uniform(-0.06, 0.06, 2) * side
        oval = 1 + rng.uniform(-0.06, 0.06)
        away = np.hypot((j - middle[0]) * oval, (i - middle[1]) / oval)
        places = np.array([first + k * step, away * step])
        smooth = gaussian_filter(self.profile, 0.4 * step)
        image = map_coordinates(smooth, places, order=1, mode="nearest")
        mask = map_coordinates(self.profile_mask.astype(np.float32), places, order=1, mode="nearest") > 0.5
        image += rng.normal(0, rng.uniform(0.0, 0.05) * 0.006, image.shape)
        return image.astype(np.float32), mask & (away * step < columns)
