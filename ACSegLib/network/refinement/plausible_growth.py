"""Keep the correction of a surface out of walls and of bare medium, by what the whole image tells.

A refinement network sees regions of a few dozen voxels. Where a cell is pressed against glass it cannot know which of
the two bright things is the cell, and of real borders it has seen few. But nothing that belongs to a cell, such as a
microvillus, is brighter than the inside of the cell, or nearly as dark as the medium. So a voxel that the main network
left unlabelled may be gained only if its intensity lies in between. Bright voxels of a segment that are joined to
bright unlabelled ones are a wall, and are given back near the surface.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.predict.plane_sink import strongest

#: Percentile of the intensities inside a segment from which on a voxel is bright.
BRIGHTEST = 99.5
#: Share of the contrast between background and inside below which a voxel is not gained.
FAINTEST = 0.25
#: Distance from the surface, in voxels, of what counts as inside.
DEPTH = 2
#: Fewest voxels inside that tell a limit.
MIN_VOXELS = 30
#: Distance from the surface, in voxels, up to which a segment gives bright voxels back to a wall.
REACH = 4
#: Distance from a wall, in voxels, up to which no thin structure of a segment is restored: a wall is blurred.
RIM = 1


@dataclass(frozen=True)
class _Limits:
    """Between which intensities a segment may gain a voxel."""

    faintest: float = -np.inf
    brightest: float = np.inf


def keep_plausible(
    new: np.ndarray, old: np.ndarray, scaled: np.ndarray, spec: NetworkSpec, progress: Progress | None = None
) -> int:
    """Take the probability of a segment away, in place, where its intensity speaks against a gain.

    Parameters
    ----------
    new, old : ndarray of float32, shape (channels, k, j, i)
        Corrected probabilities, changed here, and those of the main network.
    scaled : ndarray of float32, shape (k, j, i)
        Image in which the background around segments is 0, and segments are brighter
        (`ACSegLib.network.refinement.correction.scale_to_segment`).
    spec : NetworkSpec
        Of either network: whether segments overlap.
    progress : Progress, optional

    Returns
    -------
    int
        Voxels whose label changed.
    """
    progress = progress or Progress()
    progress(0.0, "comparing intensities with those inside the segments")
    before = _masks(old, spec)
    progress.check()
    after = _masks(new, spec)
    progress.check()
    unlabelled = ~np.logical_or.reduce(before)
    count = 0
    for n, (was, now) in enumerate(zip(before, after, strict=True)):
        progress(n / len(before), "comparing intensities with those inside the segments")
        limits = _limits_of(scaled, was, progress.check)
        refused = _walls(scaled > limits.brightest, was, now, unlabelled, progress.check)
        refused |= (scaled < limits.faintest) & unlabelled
        progress.check()
        channel = n if spec.overlapping else n + 1
        if not spec.overlapping:
            new[0][refused] += new[channel][refused]
        new[channel][refused] = 0
        progress.check()
        count += int(np.count_nonzero(refused & now))
    return count


def keep_lesser_segments(new: np.ndarray, old: np.ndarray, spec: NetworkSpec) -> None:
    """Undo, in place, what changed of the segments beside the largest one.

    Parameters
    ----------
    new, old : ndarray of float32, shape (channels, k, j, i)
        Corrected probabilities, changed here, and those of the main network.
    spec : NetworkSpec
        Of either network: whether segments overlap.
    """
    before, after = _masks(old, spec), _masks(new, spec)
    largest = int(np.argmax([np.count_nonzero(mask) for mask in before]))
    for n, (was, now) in enumerate(zip(before, after, strict=True)):
        if n == largest:
            continue
        if spec.overlapping:
            new[n] = old[n]
        else:
            np.copyto(new, old, where=was | now)


def _masks(probabilities: np.ndarray, spec: NetworkSpec) -> list[np.ndarray]:
    """Where each segment is labelled."""
    if spec.overlapping:
        return list(probabilities > 0.5)
    labels = strongest(probabilities)
    return [labels == channel for channel in range(1, len(probabilities))]


def _limits_of(scaled: np.ndarray, mask: np.ndarray, check: Callable[[], None]) -> _Limits:
    """The intensities that a segment may gain; any if too little of it lies inside."""
    if not mask.any():
        return _Limits()
    inside = scaled[mask if mask.all() else mask & ~within_distance(~mask, (1, 1, 1), DEPTH, check=check)]
    if inside.size < MIN_VOXELS:
        return _Limits()
    typical, brightest = (float(v) for v in np.percentile(inside, (50, BRIGHTEST)))
    return _Limits(FAINTEST * typical if typical > 0 else -np.inf, brightest)


def _walls(
    bright: np.ndarray, was: np.ndarray, now: np.ndarray, unlabelled: np.ndarray, check: Callable[[], None]
) -> np.ndarray:
    """Where a segment may not be: bright voxels joined to unlabelled ones, and the rim of them that it did not gain."""
    bright = bright & (was | unlabelled)
    check()
    wall = _joined(bright, bright & (unlabelled | ~now), check)
    check()
    if not wall.any():
        return wall
    given_back = wall & (unlabelled | within_distance(~now, (1, 1, 1), REACH, check=check))
    return given_back | (within_distance(wall, (1, 1, 1), RIM, check=check) & ~now)


def _joined(mask: np.ndarray, part: np.ndarray, check: Callable[[], None]) -> np.ndarray:
    """The components of a mask that hold a voxel of a part of it."""
    from scipy.ndimage import label

    components, count = label(mask)
    check()
    held = np.zeros(count + 1, bool)
    held[components[part]] = True
    held[0] = False
    return held[components]
