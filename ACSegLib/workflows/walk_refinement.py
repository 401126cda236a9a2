"""Refine a prediction by a random walk that starts from the voxels of which the network is certain.

What the network says with confidence, away from any surface, becomes seeds, background included; the band between is
decided by the random walk on the image itself, at its own resolution. It serves where a network worked on a coarse
grid: the walk finds the edges that the grid could not show. Segments beside the largest one, beads for example, can
look like other things in the image (the glass); they stay where the network saw them, and their small parts as it drew
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.masks import bounding_box
from ACSegLib.volume import Volume

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.inference import Prediction
    from ACSegLib.network.predict.plane_sink import Box as Roi

# The effect of these values on the surface of simulated cells: Testing/Benchmarks/predict_surface.py.

#: Probability from which on a voxel is certain and may become a seed.
CERTAIN = 0.9

#: A component without a certain voxel has those as seeds whose probability is this share of its largest one.
CERTAIN_IN_COMPONENT = 0.95

#: Half width of the band that the walk decides, in voxels.
MIN_BAND, MAX_BAND = 2, 12

#: A part of a lesser segment stays as the network drew it if its inscribed radius is below this multiple of the band.
SMALL_PART = 1.5

#: Voxels this near to such a part, its background, are kept too.
RIM = 1.5

#: Standard deviation, in voxels, of the smoothing of the image before the walk.
IMAGE_SIGMA = 0.5

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
TOLERANCE = 1e-3

#: Bytes per voxel to find the seeds: labels, masks, components, seeds, one class's probability.
BYTES_TO_PREPARE = 20

#: Bytes per voxel of the walk, and those that each class adds.
BYTES_TO_WALK, BYTES_PER_CLASS = 28, 24


def refine_by_walk(
    volume: Volume, prediction: Prediction, model: Model, progress: Progress, roi: Roi | None = None
) -> Prediction:
    """Decide the band around the surface by the random walk.

    Parameters
    ----------
    volume : Volume
    prediction : Prediction
        With probabilities, of a model whose segments do not overlap.
    roi : ((k0, k1), (j0, j1), (i0, i1)), optional
        What was predicted, the ends excluded. Outside nothing is known, and nothing is changed.

    Returns
    -------
    Prediction
        New labels, the network's probabilities; the report gains ``walk_band_voxels`` and ``walk_unsure_part``.

    Raises
    ------
    InputError
        If the segments may overlap.
    """
    require_exclusive(model)
    assert prediction.probabilities is not None
    region = tuple(slice(a, b) for a, b in roi or [(0, n) for n in volume.shape])
    values = np.array([0, *(segment.value for segment in model.segments)])
    labels, probabilities = prediction.segmentation.labels[region], prediction.probabilities[(slice(None), *region)]
    require_memory_to_prepare(labels.size)
    band = _band(volume, prediction)
    seeds = confident_seeds(labels, probabilities, values, band)
    lesser = lesser_channels(labels, values)
    for channel in lesser:
        keep_small_parts(seeds, labels, values, channel, band)
    unsure = seeds < 0
    report = replace(prediction.report, walk_band_voxels=band, walk_unsure_part=round(float(unsure.mean()), 4))
    present = [int(c) for c in np.unique(seeds) if c >= 0]
    box = bounding_box(unsure, margin=1)  # and the seeds around it
    if len(present) < 2 or box is None:
        report.notes = [*report.notes, "no voxel was certain enough to be a seed; the prediction was kept"]
        return replace(prediction, report=report)
    progress(0.0, "random walk: refining the surface")
    # of an image on the disk no more is read than is walked
    place = tuple(slice(r.start + b.start, r.start + b.stop) for r, b in zip(region, box, strict=True))
    reach = {c: within_distance(labels[box] == values[c], (1, 1, 1), band) for c in lesser if c in present}
    decided = _walk(volume.array[place], seeds[box], probabilities[(slice(None), *box)], present, reach, progress)
    result = prediction.segmentation.labels.copy()
    result[place] = np.where(unsure[box], values[decided], labels[box])
    if report.surface_regions is not None:
        _restore_thin_structures(result[region], labels, model)
    return replace(prediction, segmentation=prediction.segmentation.with_labels(result), report=report)


def _restore_thin_structures(result: np.ndarray, labels: np.ndarray, model: Model) -> None:
    """Bring back, in place, what a refinement network found thin: the walk wears it off."""
    from ACSegLib.postprocess.thin_structures import restore_thin_structures

    bulky = model.preprocessing.without_thin or ()
    kept = [segment.value for segment in model.segments if segment.name not in bulky]
    restore_thin_structures(result, np.where(np.isin(labels, kept), labels, 0))


def require_exclusive(model: Model) -> None:
    """Raise InputError if the model's segments may overlap: a walk ends in one segment alone."""
    if model.spec.overlapping:
        raise InputError("--refine walk needs a model whose segments do not overlap; use --refine network.")


def require_memory_to_prepare(voxels: int) -> None:
    """Raise MemoryLimitError if not even the seeds of a walk over so many voxels fit in memory."""
    _require_memory(voxels * BYTES_TO_PREPARE)


def _require_memory(needed: int) -> None:
    from ACSegLib.compute import usable_memory

    if needed > usable_memory():
        raise MemoryLimitError(
            f"the walk needs {needed / 2**30:.1f} GiB and {usable_memory() / 2**30:.1f} GiB are free; use --roi."
        )


def _walk(
    array: np.ndarray,
    seeds: np.ndarray,
    probabilities: np.ndarray,
    present: list[int],
    reach: dict[int, np.ndarray],
    progress: Progress,
) -> np.ndarray:
    """Classes of all voxels: the random walk, with a prior from network and intensity; some within a reach alone."""
    from scipy.ndimage import gaussian_filter

    from ACSegLib.fill.random_walk import SlabProblem
    from ACSegLib.fill.solvers import choose_solver

    _require_memory(array.size * (BYTES_TO_WALK + BYTES_PER_CLASS * len(present)))
    image = np.nan_to_num(array.astype(np.float32), nan=float(np.nanmedian(array)))
    image = gaussian_filter(image, IMAGE_SIGMA)
    means = np.array([image[seeds == c].mean() for c in present])
    spreads = np.array([max(float(image[seeds == c].std()), 1e-6) for c in present])
    contrast = max(float(np.abs(means[:, None] - means).max()), 1e-6)
    edges = image / np.float32(contrast)
    every = max(1, edges.size // 1_000_000)
    steps = [float(np.median(np.abs(np.diff(edges, axis=axis)).ravel()[::every])) for axis in range(3)]
    noise = max(sum(steps) / 3 / 0.6745, 1e-3)  # over all axes: a result must not depend on their order
    spreads = np.maximum(spreads, MIN_SPREAD * contrast)
    prior = np.stack(
        [
            (np.asarray(probabilities[c], np.float32) + MIN_PROBABILITY) * np.exp(-0.5 * ((image - m) / s) ** 2) / s
            + 1e-6
            for c, m, s in zip(present, means, spreads, strict=True)
        ]
    ).astype(np.float32)
    for channel, near in reach.items():
        prior[present.index(channel)][~near] = 1e-6
    prior /= prior.sum(axis=0)
    problem = SlabProblem(
        np.ascontiguousarray(edges),
        np.ascontiguousarray(seeds),
        np.ones(seeds.shape, bool),
        1 / (2 * (EDGE_SCALE * noise) ** 2),
        PRIOR_STRENGTH,
        np.ones(3, np.float32),
    )
    x, _ = choose_solver("cpu").solve(problem, present, prior, prior.copy(), TOLERANCE, progress)
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


def lesser_channels(labels: np.ndarray, values: np.ndarray) -> list[int]:
    """Channels of the segments that are labelled, without the largest one; channel 0 is the background."""
    sizes = {channel: int(np.count_nonzero(labels == value)) for channel, value in enumerate(values) if channel}
    largest = max(sizes, key=lambda channel: sizes[channel], default=0)
    return [channel for channel, size in sizes.items() if size and channel != largest]


def keep_small_parts(seeds: np.ndarray, labels: np.ndarray, values: np.ndarray, channel: int, band: int) -> None:
    """Make seeds of a segment's small parts and of the rim around them, each as it is labelled, in place.

    A small part has too few certain voxels to tell how the segment looks, and the walk would wear it off.

    Parameters
    ----------
    seeds : ndarray of int16, shape (k, j, i)
        Output channel of each seed, -1 elsewhere.
    labels : ndarray of int, shape (k, j, i)
    values : ndarray of int
        Value in `labels` of each channel.
    channel : int
        The segment's.
    band : int
        Half width of the band, in voxels.
    """
    from scipy.ndimage import label

    mask = labels == values[channel]
    parts, count = label(mask)
    deep = mask & ~within_distance(~mask, (1, 1, 1), SMALL_PART * band, inclusive=False)
    large = np.zeros(count + 1, bool)
    large[parts[deep]] = True
    small = mask & ~large[parts]
    kept = within_distance(small, (1, 1, 1), RIM) if small.any() else small
    order = np.argsort(values)
    seeds[kept] = order[np.searchsorted(values, labels[kept], sorter=order)]


def confident_seeds(labels: np.ndarray, probabilities: np.ndarray, values: Iterable[int], band: int) -> np.ndarray:
    """Output channel where the network is certain and no other class lies within `band` voxels; -1 elsewhere.

    A component too thin to survive keeps its most certain voxels: a seed on its axis is better than none.

    Parameters
    ----------
    labels : ndarray of int, shape (k, j, i)
    probabilities : ndarray, shape (channels, k, j, i)
    values : iterable of int
        Value in `labels` of each channel, 0 (background) first.
    band : int

    Returns
    -------
    ndarray of int16, shape (k, j, i)
    """
    from scipy.ndimage import binary_erosion, label, maximum

    seeds = np.full(labels.shape, -1, np.int16)
    for channel, value in enumerate(values):
        mask = labels == value
        probability = np.asarray(probabilities[channel], np.float32)
        certain = mask & (probability > CERTAIN)
        core = binary_erosion(mask, iterations=band, border_value=1) & certain
        if value:
            parts, count = label(mask)
            reached = np.zeros(count + 1, bool)
            reached[parts[core]] = True
            peaks = np.asarray(maximum(probability, parts, np.arange(count + 1)), np.float32)
            core |= mask & ~reached[parts] & (probability > np.minimum(CERTAIN, CERTAIN_IN_COMPONENT * peaks)[parts])
        seeds[core] = channel
    return seeds
