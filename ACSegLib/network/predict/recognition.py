"""Whether there is a cell in what the network labelled: by how sure it is, and by how the image changes.

A network labels something in images without a cell, too: in noise, in a slope of intensity, in a slab of medium.
Four things tell such labels from cells. In noise the network is unsure of what it labels, and of the background as
well; of a cell in strong noise it is unsure at the surface alone. Along a bare capillary, rod or slab the image does
not change, but for noise; a cell ends, and has organelles. A few voxels are no cell. And beside the medium of a
capillary lies the wall alone, beside a cell the medium as well.

The constants belong to the pretrained networks (`ACSegLib.network.predict.estimates.ESTIMATORS`). They were chosen on
48 simulated images without a cell and 49 with cells, down to a contrast of 0.8 times the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.network.predict.estimates import WIDER
from ACSegLib.network.predict.plane_sink import strongest
from ACSegLib.noise import robust_deviation

#: Fewest working voxels of all segments: less is a speck.
MIN_VOXELS = 30
#: Mean probability of what is labelled below which the network is unsure of it, if it is unsure of the background too:
#: mean entropy (nats) away from what is labelled. Cells have 0.68 and more, or 0.05 and less; noise 0.69 and 0.10.
UNSURE, UNSURE_BACKGROUND = 0.75, 0.06
#: Mean probability below which the network is unsure, whatever the background. Cells have 0.60 and more.
HARDLY = 0.58
#: Distance from what is labelled, in working voxels, from which on background is judged.
AWAY = 2
#: Share of the image from which on it is asked whether the image changes: a smaller cell may hide in the noise.
MIN_SHARE = 0.05
#: Change along an axis, in units of what noise makes, below which there is none. Bare specimens have 1 to 16, cells 5.7
#: and more.
UNCHANGING = 5.0
#: Change along an axis, as a share of the largest, below which there is little. It counts if the network is not sure.
LITTLE_CHANGE = 0.25
#: Mean probability and entropy of the background of a network that is not sure, and the share that it then labels.
NOT_SURE, NOT_SURE_BACKGROUND, LARGE_SHARE = 0.91, 0.04, 0.1
#: Mean probability that nearly all cells have. Between 0.75 and this are cells in strong noise or blur, and blobs of a
#: movie.
LIKE_CELLS = 0.89
#: Standard deviation, in working voxels, of what counts as a change; spread beyond which an intensity is clipped.
SCALE, CLIP = 3.0, 3.0
#: Distances from what is labelled, in working voxels, between which it is asked what lies beside it.
BESIDE = (1.5, 3.0)
#: Intensities, vacuum 0 and what is labelled 1: of medium, and from which on of a wall.
OF_MEDIUM, OF_WALL = (0.2, 0.75), 1.15
#: Distance from a wall, in working voxels, at which its blurred flank may look like medium.
OF_FLANK = 1.5
#: Share of what lies beside it that is wall, above which, and share that is medium, below which what is labelled may be
#: the medium itself. Medium called a cell has 0.32 and more of wall, and 0.03 of medium at most, but 0.15 on a gradient
#: of intensity. Cells at walls have 0.15 of medium and more, but less where one fills the bore.
MIN_WALL, MAX_MEDIUM = 0.3, 0.07
#: Voxels that fit the slow trend of an image: every so many.
_EVERY = 7


@dataclass(frozen=True)
class Certainty:
    """How sure a network is.

    Parameters
    ----------
    labelled : float
        Mean probability of the class of the voxels that are labelled.
    background : float
        Mean entropy (nats) of the classes away from them; 0 where there is no background.
    share : float
        Of the image that is labelled.
    voxels : int
        That are labelled.
    """

    labelled: float
    background: float
    share: float
    voxels: int


def certainty_of(probabilities: np.ndarray, check: Callable[[], None] = lambda: None) -> Certainty:
    """How sure the network is, from its probabilities (channels, k, j, i), background first.

    `check` is called often, here and below, and may raise `Cancelled`.
    """
    labelled = strongest(probabilities) > 0
    voxels = int(np.count_nonzero(labelled))
    if not voxels:
        return Certainty(1.0, 0.0, 0.0, 0)
    away = ~within_distance(labelled, (1, 1, 1), AWAY, check=check)
    classes = probabilities[:, away]
    check()
    entropy = -(classes * np.log(np.maximum(classes, 1e-9))).sum(0)
    check()
    background = float(entropy.mean()) if entropy.size else 0.0
    sure = float(probabilities.max(0)[labelled].mean())
    return Certainty(sure, background, voxels / labelled.size, voxels)


def why_no_cell(image: np.ndarray, certainty: Certainty, check: Callable[[], None] = lambda: None) -> str:
    """Why what the network labelled is no cell; nothing if it may be one.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        On the working grid.
    certainty : Certainty
        Of the main network.

    Returns
    -------
    str
        The end of a sentence, for a user.
    """
    if certainty.voxels < MIN_VOXELS:
        return f"the network labels {certainty.voxels} of {image.size} voxels"
    unsure = certainty.labelled < UNSURE and certainty.background > UNSURE_BACKGROUND
    if unsure or certainty.labelled < HARDLY:
        return (
            f"the network is sure neither of what it labels (mean probability {certainty.labelled:.2f}) "
            f"nor of the background (mean entropy {certainty.background:.2f} nats)"
            if unsure
            else f"the network is not sure of what it labels (mean probability {certainty.labelled:.2f})"
        )
    if certainty.share < MIN_SHARE:
        return ""
    changes = [change_along(image, axis, check) for axis in range(3)]
    not_sure = certainty.labelled < NOT_SURE and certainty.background > NOT_SURE_BACKGROUND
    little = not_sure and certainty.share > LARGE_SHARE and min(changes) < LITTLE_CHANGE * max(changes)
    if min(changes) < UNCHANGING or little:
        return "along one axis the image hardly changes, as in a bare capillary or medium"
    return ""


def may_be_medium(image: np.ndarray, labelled: np.ndarray, check: Callable[[], None] = lambda: None) -> bool:
    """Whether a wall lies beside what is labelled, and no medium: as with the medium of a capillary without a cell.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        On the working grid; bright is absorbing.
    labelled : ndarray of bool, shape (k, j, i)
    check : callable
        Raises `Cancelled` when the user asks to stop.
    """
    near, beside = (within_distance(labelled, (1, 1, 1), reach, check=check) for reach in BESIDE)
    beside &= ~near
    inside = labelled & ~within_distance(~labelled, (1, 1, 1), AWAY, check=check)
    if min(np.count_nonzero(inside), np.count_nonzero(beside)) < MIN_VOXELS:
        return False
    vacuum, cell = float(np.percentile(image[~labelled], 5)), float(np.median(image[inside]))
    if cell <= vacuum:
        return False
    scaled = (image - vacuum) / (cell - vacuum)
    wall = (scaled > OF_WALL) & ~labelled
    if np.mean(wall[beside]) < MIN_WALL:
        return False
    medium = (
        (scaled > OF_MEDIUM[0]) & (scaled < OF_MEDIUM[1]) & ~within_distance(wall, (1, 1, 1), OF_FLANK, check=check)
    )
    return bool(np.mean(medium[beside]) < MAX_MEDIUM)


def change_along(image: np.ndarray, axis: int, check: Callable[[], None] = lambda: None) -> float:
    """How much an image changes along an axis, beside a slow trend, relative to what its noise would make.

    The mean along the axis is subtracted, and a quadratic trend. White noise gives about 1. Small bright things, such
    as gold markers, count little.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
    axis : int

    Returns
    -------
    float
        Infinite for an image without noise.
    """
    from scipy.ndimage import gaussian_filter

    rest = image - image.mean(axis=axis, keepdims=True, dtype=np.float64).astype(np.float32)
    spread = _spread(rest)
    if not spread:
        return float("inf")
    check()
    rest = np.clip(rest, -CLIP * spread, CLIP * spread)
    rest = rest - _trend(rest)
    check()
    noise = _spread(np.diff(rest, axis=axis)) / 2**0.5
    if not noise:
        return float("inf")
    check()
    low, high = np.percentile(gaussian_filter(rest, SCALE), (2, 98))
    check()
    of_noise = noise / np.sqrt(8 * np.pi**1.5 * SCALE**3)
    return float(high - low) / (2 * 2.054 * of_noise)  # 2.054: the 98th percentile of a normal distribution


def _spread(values: np.ndarray) -> float:
    """Standard deviation by the median of the absolute deviations."""
    return robust_deviation(values - np.median(values))


def _trend(image: np.ndarray) -> np.ndarray:
    """The quadratic function of the place that fits an image."""
    places = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in image.shape), indexing="ij")
    k, j, i = (place.ravel() for place in places)
    terms = np.stack([np.ones_like(k), k, j, i, k * k, j * j, i * i, k * j, k * i, j * i], axis=1)
    weights = np.linalg.lstsq(terms[::_EVERY], image.ravel()[::_EVERY], rcond=None)[0]
    return (terms @ weights).reshape(image.shape)


def notes_on_uncertainty(certainty: Certainty) -> list[str]:
    """A sentence if the network is less sure of what it labels than it is of cells."""
    if not certainty.voxels or certainty.labelled >= LIKE_CELLS:
        return []
    return [
        f"the network is less sure of what it labels (mean probability {certainty.labelled:.2f}) than it is of cells "
        f"({LIKE_CELLS:g} and more), so there may be no cell; look at the labels before you use them"
    ]


def note_on_medium() -> str:
    """What a user is told where `may_be_medium` holds."""
    return (
        "a wall and no medium lies beside what is labelled, so it may be the medium of a capillary without a cell; its "
        "Dice cannot be told, so look at the labels before you use them"
    )


def note_on_missing_wedge(angle: float, axis: int) -> str:
    """What a user is told of a missing wedge of `angle` degrees about array axis `axis`."""
    return (
        f"the spectrum of the image lacks a wedge of about {angle:.0f} degrees about axis {'kji'[axis]}, so outlines "
        f"across it are not seen; intervals of Dice and volume are {WIDER:g} times as wide as otherwise"
    )


def note_on_no_cell(reason: str, contrast: str = "auto") -> str:
    """What a user is told, with a reason of `why_no_cell`, and the contrast that was asked for."""
    other = "bright" if contrast == "dark" else "dark"
    return (
        f"no cell was recognised, so nothing is labelled: {reason}; if {other} intensities absorb, use --contrast "
        f"{other}, and to see the labels of the network itself, use --refine none"
    )
