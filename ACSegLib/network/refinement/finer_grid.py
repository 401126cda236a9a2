"""The correction of a prediction on a coarse grid by an additive refinement network, on a finer grid.

A model that reduces every image sees a whole specimen, and nothing thinner than its voxels. Its refinement network
looks at regions along the surface on a grid of up to `FINENESS` times the voxels a side. So its time has a bound
whatever the size of the image, and it meets no other scales than in training.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.network.predict.backends import choose_backend, make_backend
from ACSegLib.network.predict.memory import bytes_to_correct
from ACSegLib.network.predict.plane_sink import strongest
from ACSegLib.network.predict.working_grid import WorkingGrid, in_cubes, reduced_shape
from ACSegLib.network.refinement.correction import SCALED_RANGE, correct_regions, scale_to_segment
from ACSegLib.network.refinement.network import require_refinement_network
from ACSegLib.network.refinement.plausible_growth import keep_lesser_segments, keep_plausible
from ACSegLib.network.refinement.regions import surface_regions, surface_tiling

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.settings import PredictionSettings

#: Voxels a side of the finer grid, at most, for each voxel of the model's own.
FINENESS = 2
#: Side of the regions in training and prediction: instance normalisation makes a network expect one size.
FINE_REGION = 48
#: What neighbouring regions share, at least. Twice as much makes twice the regions in a cell of 160 voxels a side, and
#: moves its Dice by 0.0001.
FINE_OVERLAP = 8


def corrects_on_finer_grid(model: Model) -> bool:
    """Whether a model reduces images, and has a refinement network that corrects its result on a finer grid."""
    second = model.spec.refinement
    return second is not None and second.additive and model.preprocessing.mean_side is not None


def finer_grid(grid: WorkingGrid, model: Model) -> WorkingGrid:
    """The grid of the refinement network over the box of a prediction's grid; no finer than its `sides` ask for."""
    own, cubes = model.preprocessing, in_cubes(grid.box_shape, grid.sides)
    wanted = reduced_shape(cubes, replace(own, mean_side=FINENESS * (own.mean_side or 0)))
    return WorkingGrid(grid.start, grid.stop, wanted or cubes, grid.sides)


def bytes_to_correct_surface(voxels: int, model: Model, backend: str, precision: str = "float32") -> int:
    """Bytes that `correct_surface` takes on a grid of so many voxels, estimated."""
    return bytes_to_correct(voxels, FINE_REGION**3, require_refinement_network(model), backend, precision)


def onto(probabilities: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Bring probabilities (channels, k, j, i) to another grid over the same box."""
    coarse = probabilities.shape[1:]
    grid = WorkingGrid((0, 0, 0), shape, (coarse[0], coarse[1], coarse[2]))
    return grid.back(probabilities, 0, 0, shape[0])


def correct_surface(
    image: np.ndarray,
    probabilities: np.ndarray,
    model: Model,
    settings: PredictionSettings,
    progress: Progress,
    finer: bool = True,
) -> tuple[np.ndarray, int]:
    """Let the refinement network correct the surface of a prediction.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        Normalised.
    probabilities : ndarray of float32, shape (channels, k, j, i)
        Of the main network, on the same grid.
    finer : bool
        Whether this grid is finer than that of the main network. If not, segments beside the largest one stay: the
        main network saw the whole of a bead, and a region does not tell it from glass.

    Returns
    -------
    tuple of ndarray and int
        The new probabilities, and how many regions were looked at.
    """
    second = require_refinement_network(model)
    tiling = surface_tiling(image.shape, FINE_REGION, FINE_OVERLAP)
    layers = list(probabilities > 0.5) if model.spec.overlapping else [strongest(probabilities)]
    regions = list(surface_regions(layers, tiling, FINE_OVERLAP))
    new = probabilities.copy()
    stages = progress.stages(scale=3, correct=90, keep=7)
    if regions:
        choice = choose_backend(settings.device, settings.backend)
        backend = make_backend(
            second, tiling.tile, device=choice.device, backend=choice.backend, precision=settings.precision
        )
        stages.scale(0.0, "scaling the image to the contrast of the segments")
        scaled = scale_to_segment(image, layers, stages.scale)

        def in_range(box: tuple[slice, ...]) -> np.ndarray:
            return np.clip(scaled[box], *SCALED_RANGE)

        correct_regions(new, probabilities, in_range, second.spec, backend, tiling, regions, stages.correct)
        keep_plausible(new, probabilities, scaled, second.spec, stages.keep)
        if not finer:
            stages.keep.check()
            keep_lesser_segments(new, probabilities, second.spec)
    return new, len(regions)
