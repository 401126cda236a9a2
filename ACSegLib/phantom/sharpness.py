"""The blur of a tomogram, estimated from the edge of the glass."""

from __future__ import annotations

import numpy as np

#: Sectors around the capillary, and planes, over which one profile across the edge of the glass is averaged.
_SECTORS, _PLANES, _RAYS = 24, 4, 4
#: Distance of the samples of a profile, in voxels.
_STEP = 0.25
#: Variance (square voxels) of the edge in tomograms simulated without blur, and how much of a blur's variance is found:
#: the glass is thin, so that its profile is narrower than an edge. Measured on simulated tomograms of 64^3 voxels.
_SHARP_VARIANCE, _FOUND_VARIANCE = 0.65, 0.45


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
