"""The missing wedge of a tomogram: directions of its spectrum that no projection covers, and so without power."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

#: Angular bins of the spectrum; band of spatial frequencies, in 1/voxel, and its radial bins per 1/voxel.
_BINS, _BAND, _RADIAL = 36, (0.08, 0.25), 40
#: Natural logarithm of the power that the middle and the border of a missing wedge lack. In simulated tomograms a wedge
#: of 20 to 60 degrees lacks 3.6 to 10; elsewhere up to 2.6, and as much as 3.2 over 95 degrees and more beside a slab.
_LACKING, _BORDER = 2.8, 1.2
#: Bins of the narrowest and of the widest wedge.
_MIN_BINS, _MAX_BINS = 3, 16


def estimate_missing_wedge(
    image: np.ndarray, axes: Sequence[int] = (0, 1, 2), check: Callable[[], None] = lambda: None
) -> tuple[float, int]:
    """Estimate the angle that no projection covers: directions of the spectrum that lack power.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
    axes : sequence of int
        Array axes that the specimen may have been rotated about.
    check : callable, optional
        Called often; may raise `Cancelled`.

    Returns
    -------
    angle : float
        In degrees, to about 5 degrees; 0 if there is none.
    axis : int
        Array axis of the rotation; meaningless without a missing wedge.
    """
    wedges = {axis: _wedge(_angular_power(image, axis, check)) for axis in axes}
    axis = max(wedges, key=lambda number: wedges[number])
    return wedges[axis][1], axis


def _angular_power(image: np.ndarray, axis: int, check: Callable[[], None]) -> np.ndarray:
    """Mean logarithm of the power in directions 0 to 180 degrees across an axis, relative to the same frequencies."""
    planes = np.moveaxis(np.asarray(image, np.float32), axis, 0)
    rows, columns = planes.shape[1:]
    window = np.hanning(rows)[:, None] * np.hanning(columns)
    power = np.zeros((rows, columns // 2 + 1))
    for plane in planes:
        check()
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
