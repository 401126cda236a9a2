"""What the seams between cells look like in an image, and whether it shows any."""

from __future__ import annotations

import numpy as np

from ACSegLib.cells.basins import Faces
from ACSegLib.cells.seam_voxels import PLATES
from ACSegLib.cells.seams import Seams
from ACSegLib.masks import bounding_box

#: Seams are seen from this height on, in root mean squares of the curvature of the image; noise reaches 0.1.
_SEEN = 0.3
#: Faces and voxels that are looked at.
_SAMPLED = 20000
#: Cells are a tissue if they are more than so many, and fill this part of the box around them.
_FEW, _TISSUE = 10, 0.9
#: Percentiles of the image in the mask, and how many times their distance intensities may lie beyond them. Noise,
#: granules and seams do not; hot and dead voxels, which would hide all seams, do.
_USUAL, _BEYOND = (1.0, 99.0), 4.0


def kind_of_seams(cells: np.ndarray, seams: Seams, wanted: str) -> str:
    """Find what the seams between cells look like.

    Parameters
    ----------
    cells : ndarray of int32, shape (k, j, i)
    seams : Seams
        With an image.
    wanted : {"auto", "dark", "bright"}
        Anything but "auto" is taken as it is.

    Returns
    -------
    {"dark", "bright", "none"}
        "none" if the image is neither darker nor brighter at the boundaries than elsewhere in the cells.
    """
    if wanted != "auto":
        return wanted
    faces = Faces.between(cells, int(cells.max()))
    if not len(faces.one):
        return "none"
    at = faces.one[:: max(1, len(faces.one) // _SAMPLED)]
    inside = np.flatnonzero(cells)
    inside = inside[:: max(1, len(inside) // _SAMPLED)]
    rows = [seams.scene.describe(np.stack(np.unravel_index(v, cells.shape), axis=1)) for v in (at, inside)]
    higher = rows[0].mean(axis=0) - rows[1].mean(axis=0)
    dark = max(float(higher[n]) for n in PLATES[0:4:2])
    bright = max(float(-higher[n]) for n in PLATES[1:4:2])
    if max(dark, bright) < _SEEN:
        return "none"
    return "dark" if dark >= bright else "bright"


def is_flat(image: np.ndarray, mask: np.ndarray) -> bool:
    """Whether the image is constant in the mask: its valleys would be rounding errors."""
    first = None
    for plane, inside in zip(image, mask, strict=True):  # the first planes tell of nearly all images
        within = plane[inside]
        if first is None and within.size:
            first = within[0]
        if (within != first).any():
            return False
    return True


def within_usual(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with hot and dead voxels no farther from the others than seams are, in a unit that suits float32.

    The unit is a power of two, so that no digit changes, nor any result on usual images.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        Finite.
    mask : ndarray of bool, shape (k, j, i)

    Returns
    -------
    ndarray of float32, shape (k, j, i)
    """
    inside = np.flatnonzero(mask)
    values = image.ravel()[inside[:: max(1, len(inside) // _SAMPLED)]].astype(np.float64)
    low, high = (float(v) for v in np.percentile(values, _USUAL))
    if not high > low:  # nearly all of it is constant: what differs is what there is to see
        return image
    margin = _BEYOND * (high - low)
    unit = -int(np.frexp(high - low)[1])
    largest = float(np.finfo(np.float32).max)
    ends = np.clip([low - margin, high + margin], -largest, largest)
    return np.ldexp(np.clip(image, *ends.astype(np.float32)), unit)


def is_tissue(mask: np.ndarray, cells: int) -> bool:
    """Whether so many cells of a mask are many, and fill the box around them with hardly a gap."""
    box = bounding_box(mask)
    return cells > _FEW and box is not None and bool(mask[box].mean() >= _TISSUE)
