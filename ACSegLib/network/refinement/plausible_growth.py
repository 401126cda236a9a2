"""Keep the correction of a surface out of walls and of bare medium, by what the whole image tells.

A refinement network sees regions of a few dozen voxels. Where a cell is pressed against glass it cannot know which of
the two bright things is the cell, and of real borders it has seen few. But nothing that belongs to a cell, such as a
microvillus, is brighter than the inside of the cell, or nearly as dark as the medium. So a voxel that the main network
left unlabelled may be gained only if its intensity lies in between. Bright voxels of a segment that are joined to
bright unlabelled ones are a wall, and are given back near the surface.

More is known of the growth of the largest segment, by which the image was scaled (`_keep_growth_plausible`): how bright
medium is where vacuum is in view, where a wall must lie, where a cell ends that lies against it, that what is thick is
not faint, that what lies apart is as bright as a cell, and that a correction is small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.predict.plane_sink import strongest
from ACSegLib.network.refinement.surroundings import find_surroundings
from ACSegLib.network.refinement.wall_contact import find_contact, rim_at_wall
from ACSegLib.noise import robust_deviation

#: Percentile of the intensities inside a segment from which on a voxel is bright, if it is nearer to those of a wall.
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
#: As `FAINTEST`, for the largest segment, of the contrast with the medium rather than with any background.
FAINTEST_OF_LARGEST = 0.33
#: As that, for a gain that an opening by `THICK` voxels keeps, in an image smoothed with this standard deviation.
FAINTEST_THICK, THICK, THICK_SIGMA = 0.4, 2, 0.5
#: Mean share of the contrast below which a gain that touches no part of the main network's segment is refused.
FAINTEST_APART = 0.6
#: Noise, as a share of the contrast, from which on the image is smoothed before it is compared; and by how many voxels.
NOISE_LEVELS = ((0.3, 1.0), (0.1, 0.7))
#: Inner part of a wall, in voxels, in which a segment may gain voxels, and in which it keeps them: walls are blurred.
GAIN_MARGIN, KEEP_MARGIN = 1.5, 2.5
#: The same, counted from the surface of a cell whose contact with a wall is measured. What leaves the cell more counts.
GAIN_BEFORE, KEEP_BEFORE = 0.2, 0.7
#: Thickest film of medium, in voxels, at which the voxels between a cell and a wall are shared out between both.
MAX_FILM = 0.15
#: Share of a segment beyond which all of its gain is refused: a surface is corrected, not a segment found.
MAX_GROWTH = 0.3
#: Probability from which on voxels join what is gained to a segment.
JOINING = 0.3


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
        progress(n / (len(before) + 1), "comparing intensities with those inside the segments")
        limits = _limits_of(scaled, was, unlabelled & ~now, progress.check)
        refused = _walls(scaled > limits.brightest, was, now, unlabelled, progress.check)
        refused |= (scaled < limits.faintest) & unlabelled
        progress.check()
        _take_away(new, n, refused, spec)
        progress.check()
        count += int(np.count_nonzero(refused & now))
    n = _largest(before)
    if np.count_nonzero(before[n]) >= MIN_VOXELS:
        now = _masks(new, spec)[n]
        progress(len(before) / (len(before) + 1), "comparing the growth of the largest segment with what surrounds it")
        kept = _keep_growth_plausible(new, old, n, now, before, scaled, spec, progress.check)
        count += int(np.count_nonzero(now != kept))
    return count


def _keep_growth_plausible(
    new: np.ndarray,
    old: np.ndarray,
    n: int,
    now: np.ndarray,
    before: Sequence[np.ndarray],
    scaled: np.ndarray,
    spec: NetworkSpec,
    check: Callable[[], None],
) -> np.ndarray:
    """Refuse what the largest segment, number `n`, gained against what surrounds it; gives what it keeps.

    Its voxels are `now`, and those of all segments were `before`. A voxel that is taken away is no longer its own.
    """
    from scipy.ndimage import binary_opening, gaussian_filter

    was, labelled = before[n], np.logical_or.reduce(before)
    now = now.copy()

    def take_away(where: np.ndarray) -> None:
        _take_away(new, n, where, spec)
        now[where] = False
        check()

    surroundings = find_surroundings(scaled, labelled, check)
    contrast = surroundings.contrast(scaled)
    noise = _noise(contrast)
    check()
    sigma = next((sigma for level, sigma in NOISE_LEVELS if noise > level), 0.0)
    faint = (gaussian_filter(contrast, sigma) if sigma else contrast) < FAINTEST_OF_LARGEST
    check()
    contact = None
    if surroundings.from_vacuum is not None:
        contact = find_contact(scaled, surroundings.from_vacuum, surroundings.wall, was, labelled, check)
    surface = np.inf if contact is None else contact.face + contact.film
    take_away((faint | surroundings.in_wall(GAIN_MARGIN, surface - GAIN_BEFORE)) & ~labelled)
    inner = surroundings.in_wall(KEEP_MARGIN, surface - KEEP_BEFORE)
    if np.any(inner):
        take_away(inner & was & within_distance(~was, (1, 1, 1), REACH, check=check))
    likely = new[n if spec.overlapping else n + 1] > JOINING
    take_away(_faint_and_apart(contrast, now & ~labelled, was, likely) & ~labelled)
    # after that, so that a thin structure whose base is refused is not taken for one that lies apart
    gained = now & ~labelled
    thick = binary_opening(gained | was, iterations=THICK) & gained
    check()
    take_away(thick & (gaussian_filter(contrast, THICK_SIGMA) < FAINTEST_THICK))
    if contact is not None and contact.film < MAX_FILM:
        rim, share = rim_at_wall(now, ~np.logical_or.reduce(_masks(new, spec)), contrast, contact.wall, check)
        _give_rim(new, n, rim, spec, share)
        now |= rim
    if np.count_nonzero(now & ~labelled) > MAX_GROWTH * np.count_nonzero(was):
        new[:] = old
        return was
    return now


def _give_rim(new: np.ndarray, n: int, rim: np.ndarray, spec: NetworkSpec, share: np.ndarray) -> None:
    """Set the probability of segment number `n` to its share of each voxel of its rim at a wall, in place."""
    channel = n if spec.overlapping else n + 1
    if not spec.overlapping:
        new[:, rim] = 0
        new[0][rim] = 1 - share
    new[channel][rim] = share


def _faint_and_apart(contrast: np.ndarray, gained: np.ndarray, was: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """Components that hold nothing of what was labelled, and whose gained voxels are hardly brighter than medium."""
    from scipy.ndimage import label

    components, count = label(likely | gained | was, structure=np.ones((3, 3, 3), bool))
    voxels = np.bincount(components[gained], minlength=count + 1)
    brightness = np.bincount(components[gained], weights=contrast[gained], minlength=count + 1)
    faint = brightness < FAINTEST_APART * voxels
    faint[components[was]] = False
    faint[0] = False
    return faint[components]


def _noise(image: np.ndarray) -> float:
    """Standard deviation of the noise, from differences between neighbours along each axis."""
    step = max(1, image.shape[0] // 64)
    found = [robust_deviation(np.diff(image[::step], axis=axis)) for axis in (1, 2)]
    found.append(robust_deviation(np.diff(image, axis=0)[::step]))
    return float(np.median(found)) / 2**0.5


def _take_away(new: np.ndarray, n: int, where: np.ndarray, spec: NetworkSpec) -> None:
    """Set the probability of segment number `n` to 0, in place; where segments exclude each other, background gains."""
    channel = n if spec.overlapping else n + 1
    if not spec.overlapping:
        new[0][where] += new[channel][where]
    new[channel][where] = 0


def _largest(masks: list[np.ndarray]) -> int:
    return int(np.argmax([np.count_nonzero(mask) for mask in masks]))


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
    largest = _largest(before)
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


def _limits_of(scaled: np.ndarray, mask: np.ndarray, outside: np.ndarray, check: Callable[[], None]) -> _Limits:
    """The intensities that a segment may gain; any if too little of it lies inside.

    Blurred, the surface between a segment and a wall lies halfway between their intensities.
    """
    if not mask.any():
        return _Limits()
    inside = scaled[mask if mask.all() else mask & ~within_distance(~mask, (1, 1, 1), DEPTH, check=check)]
    if inside.size < MIN_VOXELS:
        return _Limits()
    typical, brightest = (float(v) for v in np.percentile(inside, (50, BRIGHTEST)))
    check()
    wall = scaled[outside & (scaled > brightest)]
    if wall.size >= MIN_VOXELS:
        brightest = max(brightest, (typical + float(np.median(wall))) / 2)
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
