"""Measurement and reconstruction: noisy projections over 180 degrees, filtered back projection slice by slice."""

from __future__ import annotations

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.phantom.recipe import Recipe

#: Slices that are projected together; a multiple of the SIMD width that keeps a sinogram in the cache.
_TOGETHER = 16


def view_angles(recipe: Recipe) -> np.ndarray:
    """Angles of the projections in radians, evenly spaced over 180 degrees less the missing wedge."""
    covered = np.deg2rad(180.0 - recipe.missing_wedge)
    return (np.arange(recipe.projections) + 0.5) * covered / recipe.projections - covered / 2


def ramp_filter(detectors: int, window: float) -> np.ndarray:
    """Frequency response of the ramp filter for `detectors` pixels, zero-padded against wrap-around.

    The ramp is the transform of the band-limited kernel, which keeps the mean right (A. C. Kak and M. Slaney,
    Principles of Computerized Tomographic Imaging, IEEE 1988, section 3.3), times a Hann window.

    Parameters
    ----------
    window : float
        Cut-off as a fraction of the Nyquist frequency.

    Returns
    -------
    ndarray (n,), float64
        For `numpy.fft.rfft` of length 2 * (n - 1).
    """
    length = max(64, 1 << int(np.ceil(np.log2(2 * detectors))))
    distance = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.zeros(length)
    kernel[0] = 0.25
    odd = distance % 2 == 1
    kernel[odd] = -1.0 / (np.pi * distance[odd]) ** 2
    frequency = np.fft.rfftfreq(length) / 0.5
    hann = np.where(frequency <= window, 0.5 + 0.5 * np.cos(np.pi * frequency / window), 0.0)
    return np.real(np.fft.rfft(kernel)) * hann


def measure_and_reconstruct(
    lac: np.ndarray, voxel_size: float, recipe: Recipe, rng: np.random.Generator, progress: Progress
) -> np.ndarray:
    """Simulate the measurement of a specimen and reconstruct it.

    Parameters
    ----------
    lac : ndarray (k, j, i), float32
        In 1/um; k is the rotation axis.
    voxel_size : float
        In um.

    Returns
    -------
    ndarray (k, j, i), float32
        Reconstructed LAC in 1/um.
    """
    from ACSegLib.phantom.projector import back_project, project

    depth, rows, columns = lac.shape
    detectors = int(np.ceil(np.hypot(rows, columns))) + 2
    angles = view_angles(recipe)
    response = ramp_filter(detectors, recipe.window)
    gain = 1.0 + recipe.rings * rng.standard_normal((1, detectors, depth), dtype=np.float32)
    result = np.empty_like(lac)
    for start in range(0, depth, _TOGETHER):
        progress(start / depth, "projecting and reconstructing")
        # The blur of the optics reaches over slices, so some slices around are projected too.
        margin = int(np.ceil(3 * recipe.blur)) + 1
        low, high = max(start - margin, 0), min(start + _TOGETHER + margin, depth)
        slab = np.ascontiguousarray(np.moveaxis(lac[low:high], 0, -1))
        paths = project(slab, angles, detectors) * np.float32(voxel_size)
        paths = _image(paths, recipe)[:, :, start - low : start - low + min(_TOGETHER, depth - start)]
        counts = recipe.photons * np.exp(-paths) * gain[:, :, start : start + paths.shape[2]]
        noisy = rng.poisson(np.maximum(counts, 0)).astype(np.float32)
        measured = np.log(np.float32(recipe.photons) / np.maximum(noisy, 0.5))
        filtered = _filter(measured, response)
        # pi / views is the angular step of a full turn; a missing wedge stays missing.
        slices = back_project(filtered, angles, rows, columns) * np.float32(np.pi / recipe.projections / voxel_size)
        result[start : start + paths.shape[2]] = np.moveaxis(slices, -1, 0)
    return result


def _image(paths: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Blur and phase fringe of the optics, in the plane of the detector."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    if recipe.fringe > 0:
        laplacian = sum(gaussian_filter1d(paths, 1.0, axis, order=2, mode="nearest") for axis in (1, 2))
        paths = paths - np.float32(recipe.fringe) * laplacian
    if recipe.blur > 0:
        paths = gaussian_filter(paths, (0, recipe.blur, recipe.blur), mode="nearest")
    return paths


def _filter(sinogram: np.ndarray, response: np.ndarray) -> np.ndarray:
    from scipy.fft import irfft, rfft

    length = 2 * (len(response) - 1)
    spectrum = rfft(sinogram, length, axis=1, workers=-1)
    spectrum *= response.astype(np.float32)[None, :, None]
    return np.ascontiguousarray(irfft(spectrum, length, axis=1, workers=-1)[:, : sinogram.shape[1]], dtype=np.float32)


def blur_and_noise(lac: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Stand-in for the measurement that costs next to nothing: the same blur, and noise of a like strength.

    Noise of a filtered back projection is not white; this noise is blue-ish (white less its own blur).
    """
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(lac, max(recipe.blur, 0.3))
    noise = rng.standard_normal(lac.shape, dtype=np.float32)
    noise -= 0.8 * gaussian_filter(noise, 1.5)
    return blurred + np.float32(3.2 / np.sqrt(recipe.photons)) * noise
