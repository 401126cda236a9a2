"""Refine a prediction by a random walk that starts from the voxels of which the network is certain.

What the network says with confidence, away from any surface, becomes seeds, background included; the band between is
decided by the random walk on the image itself, at its own resolution. It serves where a network worked on a coarse
grid: the walk finds the edges that the grid could not show. Segments beside the largest one, beads for example, can
look like other things in the image (the glass); they stay where the network saw them, and their small parts as it drew
them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.masks import count_value, grown_box, value_box
from ACSegLib.volume import Volume
from ACSegLib.workflows.walk_band import Band, read_band
from ACSegLib.workflows.walk_seeds import SLAB_VOXELS, confident_seeds, keep_small_parts, lesser_channels

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.inference import Prediction
    from ACSegLib.network.predict.plane_sink import Box as Roi

# The effect of these values on the surface of simulated cells: Testing/Benchmarks/predict_surface.py.

#: Half width of the band that the walk decides, in voxels.
MIN_BAND, MAX_BAND = 2, 12

#: Strength of the prior (gamma): weak, since the network was uncertain in the band.
PRIOR_STRENGTH = 0.05

#: Added to the network's probabilities, so that none excludes what the intensity says.
MIN_PROBABILITY = 0.02

#: Standard deviation of a class's intensities, as a share of the contrast between classes, at least.
MIN_SPREAD = 0.1

#: Difference between neighbours that counts as an edge, in noise levels.
EDGE_SCALE = 2.0

#: Background wins a voxel where it is this many times as likely as any segment. A walk that counts both alike leaves
#: cells 2 to 4 % too small: their deep voxels are brighter than those at their blurred surface.
BACKGROUND_LEAD = 1.5

#: Largest error of a probability.
TOLERANCE = 1e-2

#: Bytes per voxel while the walk is prepared and runs (labels, and seeds or what is free), and once the labels are new.
BYTES_HELD, BYTES_TO_LABEL = 2, 3

#: Bytes per voxel of a slab whose seeds are found, or which is read; and per voxel of the band that was read.
BYTES_OF_SLAB, BYTES_READ = 30, 80

#: Bytes per free voxel of the walk, and those that each class adds.
BYTES_TO_WALK, BYTES_PER_CLASS = 92, 20


def refine_by_walk(
    volume: Volume,
    prediction: Prediction,
    model: Model,
    progress: Progress,
    roi: Roi | None = None,
    memory_limit: int | None = None,
) -> Prediction:
    """Decide the band around the surface by the random walk.

    Parameters
    ----------
    volume : Volume
    prediction : Prediction
        With probabilities, of a model whose segments do not overlap.
    roi : ((k0, k1), (j0, j1), (i0, i1)), optional
        What was predicted, the ends excluded. Outside nothing is known, and nothing is changed.
    memory_limit : int, optional
        Bytes that may be used; None: what is free.

    Returns
    -------
    Prediction
        New labels, the network's probabilities; the report gains ``walk_band_voxels`` and ``walk_unsure_part``.

    Raises
    ------
    InputError
        If the segments may overlap.
    MemoryLimitError
        If seeds or walk do not fit in memory.
    """
    from ACSegLib.network.predict.memory import KEPT_BYTES
    from ACSegLib.network.predict.working_probabilities import InterpolatedChannel, channels_within
    from ACSegLib.postprocess.thin_structures import REACH

    require_exclusive(model)
    known = prediction.interpolated or prediction.probabilities
    assert known is not None
    region = tuple(slice(a, b) for a, b in roi or [(0, n) for n in volume.shape])
    values = [0, *(segment.value for segment in model.segments)]
    labels, probabilities = prediction.segmentation.labels[region], channels_within(known, region)
    require_memory_to_prepare(labels.size, memory_limit)
    stages = progress.stages(seeds=25, read=35, walk=38, restore=2)
    stages.seeds(0.0, "random walk: finding where the network is certain")
    band = _band(volume, prediction)
    seeds = confident_seeds(labels, probabilities, values, band, stages.seeds.check)
    check = progress.check
    check()
    lesser = lesser_channels(labels, values)
    for channel in lesser:
        check()
        keep_small_parts(seeds, labels, values, channel, band)
    check()
    count = count_value(seeds, -1)
    report = replace(prediction.report, walk_band_voxels=band, walk_unsure_part=round(count / seeds.size, 4))
    # background last: `solve_sparse` leaves the last one out, and that of the largest surface takes longest
    present = [channel for channel in (*range(1, len(values)), 0) if any((plane == channel).any() for plane in seeds)]
    check()
    box = value_box(seeds, -1, margin=1)  # and the seeds around it
    check()
    if len(present) < 2 or box is None:
        report.notes = [*report.notes, "no voxel was certain enough to be a seed; the prediction was kept"]
        return replace(prediction, report=report)
    reading = bytes_to_prepare(labels.size) + count * BYTES_READ
    walking = BYTES_HELD * labels.size + count * (BYTES_TO_WALK + BYTES_PER_CLASS * len(present))
    needed = max(reading, walking, BYTES_TO_LABEL * labels.size)
    _require_memory(needed, memory_limit)
    needed += KEPT_BYTES + sum(p.working.nbytes for p in probabilities if isinstance(p, InterpolatedChannel))
    report.estimated_memory_bytes = max(needed, report.estimated_memory_bytes or 0)
    # of an image on the disk no more is read than is walked
    place = tuple(slice(r.start + b.start, r.start + b.stop) for r, b in zip(region, box, strict=True))
    inner = channels_within(probabilities, box)
    check()
    read = read_band(
        volume.array, (place[0], place[1], place[2]), seeds[box], inner, present, stages.read, prediction.padding
    )
    check()
    free = seeds[box] < 0
    del seeds
    reach = {c: _within_reach(labels[box], values[c], band, free) for c in lesser if c in present}
    decided = _walk(read, present, reach, stages.walk)
    result = prediction.segmentation.labels.copy()
    result[place][free] = np.array(values)[decided]
    if report.surface_regions is not None:
        near = grown_box(box, REACH - 1, (1, 1, 1), labels.shape)  # and what tells whether it is thin
        _restore_thin_structures(result[region][near], labels[near], model, stages.restore)
    return replace(prediction, segmentation=prediction.segmentation.with_labels(result), report=report)


def _within_reach(labels: np.ndarray, value: int, band: int, free: np.ndarray) -> np.ndarray:
    """Which of the free voxels, (n,), lie within the band of a value that is there."""
    near = np.zeros(labels.shape, bool)
    box = value_box(labels, value, margin=band)
    assert box is not None
    near[box] = within_distance(labels[box] == value, (1, 1, 1), band)
    return near[free]


def _restore_thin_structures(result: np.ndarray, labels: np.ndarray, model: Model, progress: Progress) -> None:
    """Bring back, in place, what a refinement network found thin: the walk wears it off."""
    from ACSegLib.postprocess.thin_structures import restore_thin_structures

    bulky = model.preprocessing.without_thin or ()
    never_thin = [segment.value for segment in model.segments if segment.name in bulky]
    restore_thin_structures(result, labels, excluded=never_thin, progress=progress)


def require_exclusive(model: Model) -> None:
    """Raise InputError if the model's segments may overlap: a walk ends in one segment alone."""
    if model.spec.overlapping:
        raise InputError("--refine walk needs a model whose segments do not overlap; use --refine network.")


def require_memory_to_prepare(voxels: int, limit: int | None = None) -> None:
    """Raise MemoryLimitError if not even the seeds of a walk over so many voxels fit in memory."""
    _require_memory(bytes_to_prepare(voxels), limit)


def bytes_to_prepare(voxels: int) -> int:
    """Bytes to find the seeds of a walk, and to read the image along the surface."""
    return BYTES_HELD * voxels + BYTES_OF_SLAB * min(voxels, SLAB_VOXELS)


def _require_memory(needed: int, limit: int | None) -> None:
    from ACSegLib.network.predict.memory import budget

    allowed = budget(limit)
    if needed > allowed:
        raise MemoryLimitError(
            f"the walk needs {needed / 2**30:.1f} GiB and {allowed / 2**30:.1f} GiB may be used; use --roi."
        )


def _walk(band: Band, present: list[int], reach: dict[int, np.ndarray], progress: Progress) -> np.ndarray:
    """Channels (n,) of the free voxels: the random walk, with a prior from network and intensity.

    Some channels are possible within a reach alone.
    """
    from ACSegLib.fill.walk.sparse_system import SparseProblem, solve_sparse

    progress(0.0, "random walk: refining the surface")
    contrast = max(float(np.abs(band.means[:, None] - band.means).max()), 1e-6)
    noise = max(band.difference / contrast, 1e-3)
    spreads = np.maximum(np.maximum(band.spreads, 1e-6), MIN_SPREAD * contrast)
    prior = band.probabilities
    for row, mean, spread in zip(prior, band.means, spreads, strict=True):
        progress.check()
        row += np.float32(MIN_PROBABILITY)
        row *= np.exp(-0.5 * ((band.image - np.float32(mean)) / np.float32(spread)) ** 2) / np.float32(spread)
        row += np.float32(1e-6)
    for channel, near in reach.items():
        prior[present.index(channel)][~near] = 1e-6
    prior /= prior.sum(axis=0)
    beta = 1 / (2 * (EDGE_SCALE * noise) ** 2) / contrast**2
    problem = SparseProblem.of(band.differences, band.neighbours, beta, PRIOR_STRENGTH)
    x = solve_sparse(problem, prior, TOLERANCE, progress)
    if 0 in present:
        x[present.index(0)] /= BACKGROUND_LEAD
    for channel, near in reach.items():
        x[present.index(channel)][~near] = -1
    return np.array(present)[x.argmax(axis=0)]


def _band(volume: Volume, prediction: Prediction) -> int:
    """Half width of the band in voxels: what a working voxel covers, and one more for its neighbour."""
    seen = prediction.report.region_shape or volume.shape
    working = prediction.report.working_shape or seen
    coarseness = max(n / m for n, m in zip(seen, working, strict=True))
    return int(min(MAX_BAND, max(MIN_BAND, math.ceil(coarseness) + 1)))
