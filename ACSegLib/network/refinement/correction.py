"""How a refinement network corrects probabilities: what it is given, and what its output changes.

An additive network (`NetworkSpec.additive`) gives logits that are added to those of the main network. A softmax of
sums is a product of softmaxes, so its own probabilities multiply the main network's. It starts from zero, where it
changes nothing, and learns only what the main network lacks. Any other refinement network gives the new probabilities
themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.predict.backends import Backend
from ACSegLib.network.predict.plane_sink import on_host
from ACSegLib.network.predict.tiling import Tiling
from ACSegLib.network.refinement.network import segment_channels
from ACSegLib.network.refinement.regions import Region, pad_region

#: Distances from the largest segment, in voxels, between which the background around it is measured.
AROUND = (2, 8)
#: Fewest voxels that an intensity is measured on.
MIN_VOXELS = 30
#: Least contrast, in standard deviations of the image, that an image is scaled by.
MIN_CONTRAST = 0.02
#: A network gets scaled intensities clipped to this range: how bright glass is tells it nothing about a cell.
SCALED_RANGE = (-3.0, 4.0)
#: Added to probabilities before their logarithm, so that an additive network can overrule a zero.
FLOOR = 1e-3
#: Log-odds are divided by this, so that they are about as large as a normalised image.
ODDS_SCALE = 4.0


def scale_to_segment(image: np.ndarray, layers: Sequence[np.ndarray], progress: Progress | None = None) -> np.ndarray:
    """Scale an image so that the background around the largest segment is 0, and the segment 1.

    The contrast of a cell may be a hundredth of that of the glass; a network that sees a part of the image cannot know
    which. Dark segments become bright ones.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        Normalised.
    layers : sequence of ndarray, shape (k, j, i)
        Labels of the main network, 0 for background; several layers where segments overlap.
    progress : Progress, optional
        Asked often whether to stop.

    Returns
    -------
    ndarray of float32
        The image itself where segment or background are too small or too alike to measure.
    """
    masks = [layer == value for layer in layers for value in np.unique(layer) if value]
    if not masks:
        return image
    cell = max(masks, key=np.count_nonzero)
    low, high = AROUND
    check = (progress or Progress()).check
    near = within_distance(cell, (1, 1, 1), high, check=check)
    near &= ~within_distance(cell, (1, 1, 1), low, check=check)
    for layer in layers:
        near &= layer == 0
    if min(np.count_nonzero(cell), np.count_nonzero(near)) < MIN_VOXELS:
        return image
    background = float(np.median(image[near]))
    contrast = float(np.median(image[cell])) - background
    if abs(contrast) < MIN_CONTRAST:
        return image
    return (image - np.float32(background)) / np.float32(contrast)


def opinion(before: np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """What a refinement network is told of the main network's probabilities (channels, k, j, i): a channel a segment.

    Parameters
    ----------
    spec : NetworkSpec
        The refinement network's.

    Returns
    -------
    ndarray of float32, shape (segments, k, j, i)
        Scaled log-odds against the background (softmax) or the rest (sigmoid) for an additive network; else the
        probabilities.
    """
    segments = segment_channels(before, spec)
    if not spec.additive:
        return np.asarray(segments, np.float32)
    others = 1 - before if spec.overlapping else before[:1]
    return (np.log(segments + np.float32(FLOOR)) - np.log(others + np.float32(FLOOR))) / np.float32(ODDS_SCALE)


def corrected(before: np.ndarray, output: np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """New probabilities (channels, k, j, i), from those of the main network and the refinement network's output."""
    if not spec.additive:
        return output
    product = (before + np.float32(FLOOR)) * output
    if spec.overlapping:
        return product / (product + (1 - before + np.float32(FLOOR)) * (1 - output))
    return product / product.sum(axis=0)


def correct_regions(
    new: np.ndarray,
    old: np.ndarray,
    image: Callable[[tuple[slice, ...]], np.ndarray],
    spec: NetworkSpec,
    backend: Backend,
    tiling: Tiling,
    regions: Sequence[Region],
    progress: Progress,
) -> None:
    """Blend the refinement network's change of each region into the new probabilities, in place.

    Parameters
    ----------
    new, old : ndarray, shape (channels, k, j, i)
        Probabilities: changed here, and those of the main network.
    image : callable
        Gives the normalised image, float32, of a box of the probabilities' grid.
    spec : NetworkSpec
        The refinement network's.
    """
    windows = [tiling.windows(axis) for axis in range(3)]
    for n, (where, start) in enumerate(regions):
        progress(n / len(regions), f"refining surface region {n + 1} of {len(regions)}")
        box = tuple(slice(s, s + m) for s, m in zip(start, tiling.tile, strict=True))
        before = np.asarray(old[(slice(None), *box)], np.float32)
        size = before.shape[1:]
        inside = tuple(slice(s, s + m) for s, m in zip(start, size, strict=True))
        joined = np.concatenate([image(inside)[None], opinion(before, spec)])
        output = on_host(backend(pad_region(joined, tiling.tile)[None], progress))[0]
        after = corrected(before, output[:, : size[0], : size[1], : size[2]], spec)
        weights = [windows[axis][where[axis]] for axis in range(3)]
        change = (after - before) * (weights[1][:, None] * weights[2])
        change *= weights[0][:, None, None]
        new[(slice(None), *inside)] += change.astype(new.dtype)
