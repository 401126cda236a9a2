"""How likely a random walk steps onto a voxel: less where the image shows the sheet of a seam.

A sheet is darker or brighter than both sides, so the largest curvature of the image is high (Sato et al., "Tissue
classification based on 3D local intensity structures", IEEE TVCG 6 (2000) 160-180). Where it is not known how the seam
lies, the image has to be smoothed alike in all directions, which widens the sheet, and the texture of the cells has
sheets as well. Once the seam is known about, the image is averaged along it alone, as coherence enhancing filters do
(Weickert, "Coherence-enhancing diffusion filtering", International Journal of Computer Vision 31 (1999) 111-127): the
sheet stays thin, and the texture fades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ACSegLib.cells.seams import Seams, likely_seams
from ACSegLib.masks import Box

#: How much the curvature counts at the first two scales of the image, and the logarithm of a likelihood for a curvature
#: as large as its own root mean square. Faint seams at noise are placed best where the finest scale decides.
_COUNTS, _FALL = (1.0, 0.6), 2.0
#: Width, in voxels, of the box around a likely seam within which sheets count.
_NEAR_SEAM = 5
#: Least likelihood of a step, beside one to a voxel that lies on no sheet.
_MIN_STEP = 0.02
#: Voxels that are looked at between two looks for a cancel.
_AT_ONCE = 1 << 18
#: Smoothing of a cell, in voxels of the finest axis, whose slope is the normal of its seams; and its reach in these.
_FLAT, _TRUNCATED = 5.0, 2.5


def likely_anywhere(
    seams: Seams, near: Box, free: np.ndarray, mask: np.ndarray, kind: str, check: Callable[[], None]
) -> np.ndarray:
    """How likely a step onto each voxel of a box is, with sheets in any direction.

    Parameters
    ----------
    seams : Seams
        With an image.
    near : tuple of slice
        The box.
    free, mask : ndarray of bool, shape of the box
        Voxels whose cell is not settled: these and their neighbours are looked at. Voxels of all cells.
    kind : {"dark", "bright"}
    check : callable

    Returns
    -------
    ndarray of float32, shape of the box
        1 away from sheets, 0 outside of the mask.
    """
    from ACSegLib.cells import seam_kernels

    scene, (sign, plates) = seams.scene, (1, 0) if kind == "dark" else (-1, 2)
    places = _looked_at(free, mask)
    sheet = np.zeros(len(places), np.float32)
    for n, counts in enumerate(_COUNTS):
        image, factor = np.float32(sign) * scene.images[n][near], counts / float(scene.scaling[4 * n + plates])
        for part in _parts(len(places), check):
            seam_kernels.add_sheets(image, places[part], scene.step, factor, sheet[part])
    return _likelihoods(sheet, places, mask, seams.odds[near])


def likely_along(
    seams: Seams,
    near: Box,
    free: np.ndarray,
    cells: np.ndarray,
    boxes: Sequence[Box | None],
    kind: str,
    check: Callable[[], None],
) -> np.ndarray:
    """How likely a step onto each voxel of a box is, with sheets that run as the seams of some cells do.

    Parameters
    ----------
    seams : Seams
        With an image.
    near : tuple of slice
        The box.
    free : ndarray of bool, shape of the box
        Voxels whose cell is not settled.
    cells : ndarray of int32, shape of the box
        Cells whose seams are known about.
    boxes : sequence of box or None
        Around each cell and its surroundings, in `cells`.
    kind : {"dark", "bright"}
    check : callable

    Returns
    -------
    ndarray of float32, shape of the box
        As `likely_anywhere`; sheets are measured in units of their own root mean square.
    """
    from ACSegLib.cells import seam_kernels

    mask, scene = cells > 0, seams.scene
    assert scene.image is not None
    places = _looked_at(free, mask)
    normals = _normals(cells, free, places, boxes, scene.step, check)
    image = np.float32(1 if kind == "dark" else -1) * scene.image[near].astype(np.float32)
    sheet = np.zeros(len(places), np.float32)
    for part in _parts(len(places), check):
        seam_kernels.curve_across(image, mask, places[part], normals[part], scene.step, sheet[part])
    size = float(np.sqrt(np.mean(sheet**2))) if len(sheet) else 0.0
    return _likelihoods(np.maximum(sheet, 0) / max(size, 1e-9), places, mask, seams.odds[near])


def _normals(
    cells: np.ndarray,
    free: np.ndarray,
    places: np.ndarray,
    boxes: Sequence[Box | None],
    step: np.ndarray,
    check: Callable[[], None],
) -> np.ndarray:
    """Unit vectors across the nearest seam at each place, in voxels of the finest axis; 0 far from all; float32."""
    from scipy.ndimage import gaussian_filter

    from ACSegLib.cells import seam_kernels

    inside = gaussian_filter((cells > 0).astype(np.float32), _FLAT / step, truncate=_TRUNCATED)
    np.maximum(inside, 1e-3, out=inside)  # no slope at the outline
    normals = np.zeros((len(places), 3), np.float32)
    for number in np.unique(cells[free]).tolist():
        check()
        box = boxes[number - 1]
        assert box is not None
        share = gaussian_filter((cells[box] == number).astype(np.float32), _FLAT / step, truncate=_TRUNCATED)
        share /= inside[box]
        seam_kernels.take_steeper(share, np.array([side.start for side in box]), places, step, normals)
    sizes = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, sizes, out=normals, where=sizes > 1e-4)


def _looked_at(free: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Free voxels and their neighbours in the mask, (n, 3)."""
    from scipy.ndimage import binary_dilation

    return np.ascontiguousarray(np.argwhere(binary_dilation(free) & mask))


def _parts(count: int, check: Callable[[], None]) -> Iterator[slice]:
    for first in range(0, count, _AT_ONCE):
        check()
        yield slice(first, first + _AT_ONCE)


def _likelihoods(sheet: np.ndarray, places: np.ndarray, mask: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Likelihoods of steps from what speaks for a sheet, which counts the more, the likelier a seam is close by."""
    from scipy.ndimage import maximum_filter

    at, steps = tuple(places.T), mask.astype(np.float32)
    likely = maximum_filter(np.where(mask, likely_seams(odds), 0), _NEAR_SEAM)
    steps[at] = np.maximum(np.exp(-np.float32(_FALL) * sheet * likely[at]), np.float32(_MIN_STEP))
    return steps
