"""What a tomogram shows of its measurement: blur, from the edge of the glass, and the missing wedge, from its spectrum.

Both are estimated from the image alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Sectors around the capillary, and planes, over which one profile across the edge of the glass is averaged.
_SECTORS, _PLANES, _RAYS = 24, 4, 4
#: Distance of the samples of a profile, in voxels.
_STEP = 0.25
#: Variance (square voxels) of the edge in tomograms simulated without blur, and how much of a blur's variance is found:
#: the glass is thin, so that its profile is narrower than an edge. Measured on simulated tomograms of 64^3 voxels.
_SHARP_VARIANCE, _FOUND_VARIANCE = 0.65, 0.45
#: Angular bins of the spectrum; band of spatial frequencies, in 1/voxel, and its radial bins per 1/voxel.
_BINS, _BAND, _RADIAL = 36, (0.08, 0.25), 40
#: Natural logarithm of the power that the middle and the border of a missing wedge lack. In simulated tomograms a wedge
#: of 20 to 60 degrees lacks 3.6 to 10; elsewhere up to 2.6, and as much as 3.2 over 95 degrees and more beside a slab.
_LACKING, _BORDER = 2.8, 1.2
#: Bins of the narrowest and of the widest wedge.
_MIN_BINS, _MAX_BINS = 3, 16


def estimate_blur(image: np.ndarray, axis: int, centre: tuple[float, float], outer: float) -> float | None:
    """Estimate the blur of the optics and the detector at the outer edge of a capillary.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
    axis : int
        Array axis along the capillary.
    centre : (float, float)
        Of the capillary, in voxels, along the other two axes.
    outer : float
        Outer radius in voxels.

    Returns
    -------
    float or None
        Standard deviation in voxels; None if no edge lies in the field of view.
    """
    from scipy.ndimage import map_coordinates

    planes = np.moveaxis(np.asarray(image, np.float32), axis, 0)
    radii = np.arange(outer - 3.0, outer + 5.0, _STEP)
    angles = np.linspace(0, 2 * np.pi, _SECTORS * _RAYS, endpoint=False)[:, None]
    places = np.array([centre[0] + np.cos(angles) * radii, centre[1] + np.sin(angles) * radii])
    variances = []
    for start in range(0, len(planes) - _PLANES + 1, _PLANES):
        mean = planes[start : start + _PLANES].mean(0)
        rays = map_coordinates(mean, places, order=1, mode="constant", cval=np.nan)
        for profile in rays.reshape(_SECTORS, _RAYS, -1).mean(1):
            variance = _edge_variance(profile)
            if variance is not None:
                variances.append(variance)
    if not variances:
        return None
    return float(np.sqrt(max(np.median(variances) - _SHARP_VARIANCE, 0.0) / _FOUND_VARIANCE))


def _edge_variance(profile: np.ndarray) -> float | None:
    """Variance of the Gaussian whose integral has the height and the steepest slope of a falling edge."""
    if not np.isfinite(profile).all():
        return None
    top = int(profile.argmax())
    height = float(profile[top] - np.median(profile[-int(1.5 / _STEP) :]))
    if top > len(profile) - 3 or height <= 0:
        return None
    slope = -float(np.diff(profile[top:]).min()) / _STEP
    return (height / slope) ** 2 / (2 * np.pi) if slope > 0 else None


def estimate_missing_wedge(image: np.ndarray, axes: Sequence[int] = (0, 1, 2)) -> tuple[float, int]:
    """Estimate the angle that no projection covers: directions of the spectrum that lack power.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
    axes : sequence of int
        Array axes that the specimen may have been rotated about.

    Returns
    -------
    angle : float
        In degrees, to about 5 degrees; 0 if there is none.
    axis : int
        Array axis of the rotation; meaningless without a missing wedge.
    """
    wedges = {axis: _wedge(_angular_power(image, axis)) for axis in axes}
    axis = max(wedges, key=lambda number: wedges[number])
    return wedges[axis][1], axis


def _angular_power(image: np.ndarray, axis: int) -> np.ndarray:
    """Mean logarithm of the power in directions 0 to 180 degrees across an axis, relative to the same frequencies."""
    planes = np.moveaxis(np.asarray(image, np.float32), axis, 0)
    rows, columns = planes.shape[1:]
    window = np.hanning(rows)[:, None] * np.hanning(columns)
    power = np.zeros((rows, columns // 2 + 1))
    for plane in planes:
        power += np.abs(np.fft.rfft2((plane - plane.mean()) * window)) ** 2
    y, x = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
    frequency = np.hypot(y, x)
    band = (frequency > _BAND[0]) & (frequency < _BAND[1]) & (power > 0)
    logarithm = np.log(power[band])
    ring = (frequency[band] * _RADIAL).astype(int)
    for number in np.unique(ring):
        logarithm[ring == number] -= np.median(logarithm[ring == number])
    direction = np.rad2deg(np.arctan2(y, x))[band] % 180
    sector = (direction / (180 / _BINS)).astype(int) % _BINS
    count = np.bincount(sector, minlength=_BINS)
    return np.bincount(sector, logarithm, _BINS) / np.maximum(count, 1)


def _wedge(power: np.ndarray) -> tuple[float, float]:
    """What a run of directions lacks at most, and its width in degrees; both 0 where none lacks enough."""
    lack = np.percentile(power, 75) - power
    if (lack > _BORDER).all():
        return 0.0, 0.0
    lack = np.roll(lack, -int(np.argmin(lack)))  # begin where there is power, so that no run is cut
    border = lack > _BORDER
    border |= np.roll(border, 1) & np.roll(border, -1)  # the normal of a slab is one bright direction in the wedge
    ends = np.flatnonzero(np.diff(np.concatenate([[False], border, [False]])))
    runs = [lack[start:stop] for start, stop in zip(ends[::2], ends[1::2], strict=True)]
    wedges = [run for run in runs if _MIN_BINS <= len(run) <= _MAX_BINS and run.max() > _LACKING]
    deepest = max(wedges, key=lambda run: float(run.max()), default=np.zeros(0))
    return float(deepest.max(initial=0.0)), len(deepest) * 180 / _BINS
