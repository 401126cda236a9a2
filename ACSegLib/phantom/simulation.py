"""From a recipe and a seed to a tomogram with its truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.phantom.canvas import CELL_PARTS, CODE, PARTS
from ACSegLib.phantom.packed import PackedSpecimen
from ACSegLib.phantom.recipe import Recipe
from ACSegLib.phantom.specimen import Specimen
from ACSegLib.phantom.tomography import blur_and_noise, measure_and_reconstruct
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

CELL, BEAD, NEIGHBOUR = 1, 2, 3
#: Which axis of the result each axis of the specimen is.
_ORDERS = {"k": (0, 1, 2), "j": (1, 0, 2), "i": (2, 1, 0)}
_COLOURS = {CELL: (0.27, 0.57, 0.82), BEAD: (0.95, 0.65, 0.20), NEIGHBOUR: (0.60, 0.45, 0.75)}
_PART_COLOURS = (
    (0.27, 0.57, 0.82),
    (0.35, 0.80, 0.90),
    (0.36, 0.33, 0.72),
    (0.20, 0.15, 0.45),
    (0.98, 0.90, 0.35),
    (0.80, 0.35, 0.30),
    (0.90, 0.55, 0.70),
    (0.95, 0.65, 0.20),
    (0.60, 0.45, 0.75),
    (0.75, 0.78, 0.80),
    (0.55, 0.50, 0.45),
)


@dataclass
class Phantom:
    """A simulated tomogram.

    Parameters
    ----------
    volume : Volume
        Float32 LAC in 1/um; spacing in nm.
    truth : Segmentation
        1 "cytoplasm" (the whole cell, filopodia and organelles included), 2 "bead"; 3 "neighbour" where asked for.
    parts : Segmentation
        What each voxel is, the innermost part: "cytoplasm", "filopodia", "nucleus", "nucleolus", "lipid droplets",
        "mitochondria", "granules", "bead", "neighbour", "wall", "debris".
    recipe : Recipe
    seed : int
    cells : Segmentation
        One value a cell, from 1: of packed cells their numbers; else 1 for the cell and 2 for its neighbours.
    """

    volume: Volume
    truth: Segmentation
    parts: Segmentation
    recipe: Recipe
    seed: int
    cells: Segmentation

    def mask(self, part: str) -> np.ndarray:
        """Boolean (k, j, i) array: where a part is."""
        return self.parts.mask(part)


def simulate(
    size: int | Sequence[int] = 128,
    seed: int = 0,
    kind: str | None = None,
    *,
    recipe: Recipe | None = None,
    reconstruct: bool = True,
    progress: Progress | None = None,
    **changes: Any,
) -> Phantom:
    """Simulate a tomogram of a cell in a capillary.

    Parameters
    ----------
    size : int or (k, j, i)
        Voxels a side, or along each axis; 16 or more across a slice. k is the capillary's axis.
    seed : int
        The same seed, size and recipe give the same bits.
    kind : str, optional
        Cell type, a key of `KINDS`: that of the recipe ("t-cell") when left out.
    recipe : Recipe, optional
        What is simulated; see also `vary`.
    reconstruct : bool
        False replaces projection and reconstruction by blur and noise, which is far faster (tests).
    **changes
        Parameters of `Recipe` to change, such as ``photons=2000`` or ``neighbour="unlabelled"``.

    Returns
    -------
    Phantom

    Raises
    ------
    InputError
        For a size, kind or parameter that cannot be used.
    """
    progress = progress or Progress()
    shape = _checked_shape(size)
    recipe = recipe or Recipe()
    recipe = recipe.changed(**({"kind": kind} if kind is not None else {}), **changes)
    order = _ORDERS[recipe.axis]  # the specimen's k is the axis of rotation, wherever the result has it
    shape = (shape[order[0]], shape[order[1]], shape[order[2]])
    specimen = PackedSpecimen(shape, recipe, seed) if recipe.packing else Specimen(shape, recipe, seed)
    stages = progress.stages(build=4, measure=6)
    specimen.build(stages.build)
    voxel_size = recipe.field_of_view / min(shape[1:])
    rng = np.random.default_rng([seed, 1])
    stages.measure(0.0, "measuring")
    if reconstruct:
        array = measure_and_reconstruct(specimen.lac, voxel_size, recipe, rng, stages.measure)
    else:
        array = blur_and_noise(specimen.lac, recipe, rng)
    if recipe.noise > 0:
        strength = np.float32(recipe.noise * abs(recipe.cytoplasm - recipe.medium))
        array += strength * rng.standard_normal(array.shape, dtype=np.float32)
    array, labels, cells = (np.ascontiguousarray(a.transpose(np.argsort(order))) for a in _maps(specimen, array))
    geometry = Geometry(spacing=(1000 * voxel_size,) * 3, unit="nm")
    name = f"{recipe.kind}-{seed}"
    volume = Volume(array, geometry, name, {"quantity": "linear absorption coefficient", "intensity_unit": "1/um"})
    truth = _truth(labels, "cytoplasm" if recipe.packing else recipe.neighbour, geometry, name)
    colours = dict(enumerate(_PART_COLOURS, start=1))
    parts = Segmentation.from_labels(labels, geometry, dict(enumerate(PARTS)), colours, f"{name} parts")
    numbers = {n: f"cell {n}" for n in range(1, int(cells.max()) + 1)}
    progress(1.0, "tomogram simulated")
    return Phantom(volume, truth, parts, recipe, seed, Segmentation.from_labels(cells, geometry, numbers))


def _maps(specimen: Specimen | PackedSpecimen, array: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, parts and numbered cells of a specimen, (k, j, i) with k along the capillary."""
    if isinstance(specimen, PackedSpecimen):
        return array, specimen.parts, specimen.cells
    number = np.zeros(len(PARTS), np.uint8)
    number[[CODE[part] for part in CELL_PARTS]] = 1
    number[CODE["neighbour"]] = 2
    return array, specimen.parts, number[specimen.parts]


def _checked_shape(size: int | Sequence[int]) -> tuple[int, int, int]:
    sizes = (size,) * 3 if isinstance(size, (int, float, np.number)) else tuple(size)
    if len(sizes) != 3 or any(int(n) != n or n < 1 for n in sizes) or min(sizes[1:]) < 16:
        raise InputError(f"size must be one or three whole numbers (k, j, i), j and i at least 16, not {size!r}.")
    k, j, i = (int(n) for n in sizes)
    return k, j, i


def _truth(parts: np.ndarray, neighbour: str, geometry: Geometry, name: str) -> Segmentation:
    value = np.zeros(len(PARTS), np.uint8)
    value[[CODE[part] for part in CELL_PARTS]] = CELL
    value[CODE["bead"]] = BEAD
    value[CODE["neighbour"]] = {"cytoplasm": CELL, "segment": NEIGHBOUR}.get(neighbour, 0)
    names = [(CELL, "cytoplasm"), (BEAD, "bead")] + ([(NEIGHBOUR, "neighbour")] if neighbour == "segment" else [])
    segments = [Segment(text, v, _COLOURS[v]) for v, text in names]
    return Segmentation((value[parts],), segments, geometry, name)
