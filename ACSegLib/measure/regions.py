"""Small helpers on masks that the measures share: boxes, padding, connected cells, distances in slabs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ACSegLib.errors import InputError

Box = tuple[slice, slice, slice]


def sampling(spacing: Sequence[float]) -> tuple[float, float, float]:
    """Voxel size along array axes (k, j, i), from a `Geometry.spacing`, which is (i, j, k)."""
    values = [float(v) for v in spacing]
    if len(values) != 3 or not np.all(np.isfinite(values)) or min(values) <= 0:
        raise InputError(f"spacing must be 3 positive numbers (i, j, k), not {tuple(spacing)!r}.")
    return values[2], values[1], values[0]


def as_mask(mask: np.ndarray, what: str = "mask") -> np.ndarray:
    """The array as bool, checked to have 3 dimensions (k, j, i); no copy if it is bool already."""
    mask = np.asarray(mask)
    if mask.ndim != 3:
        raise InputError(f"{what} must have 3 dimensions (k, j, i), not shape {mask.shape}.")
    return mask if mask.dtype == bool else mask != 0


def bounding_box(mask: np.ndarray, margin: int = 0) -> Box | None:
    """Slices (k, j, i) of the smallest box that holds the mask, grown by `margin` inside the array; None if empty."""
    inside = np.any(mask, axis=0)
    spans: list[np.ndarray] = [np.any(mask, axis=(1, 2)), np.any(inside, axis=1), np.any(inside, axis=0)]
    if not spans[0].any():
        return None
    box = []
    for span in spans:
        found = np.flatnonzero(span)
        box.append(slice(max(int(found[0]) - margin, 0), min(int(found[-1]) + 1 + margin, len(span))))
    return box[0], box[1], box[2]


def touches_border(box: Box, shape: Sequence[int]) -> bool:
    """Whether a box reaches the first or last voxel of the array, so that what it holds may be cut."""
    return any(part.start == 0 or part.stop == size for part, size in zip(box, shape, strict=True))


def connected_cells(mask: np.ndarray, connectivity: int = 26) -> tuple[np.ndarray, int]:
    """Number the connected parts of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (k, j, i)
    connectivity : {6, 18, 26}
        Which neighbours count as connected.

    Returns
    -------
    labels : ndarray of int32, shape (k, j, i)
        1 to `count`, 0 outside.
    count : int
    """
    from scipy import ndimage

    if connectivity not in (6, 18, 26):
        raise InputError(f"connectivity must be 6, 18 or 26, not {connectivity!r}.")
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    labels = np.empty(mask.shape, np.int32)
    count = ndimage.label(mask, structure, output=labels)
    return labels, int(count)


def within_distance(
    target: np.ndarray,
    step: Sequence[float],
    reach: float,
    *,
    inclusive: bool = True,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Tell for each voxel whether a voxel of `target` lies within `reach`.

    The exact Euclidean distance is computed block by block with a halo of `reach`, and only in blocks that hold both
    near and far voxels; so memory stays bounded by a block's, and a cancel is noticed between blocks.

    Parameters
    ----------
    target : ndarray of bool, shape (k, j, i)
    step : sequence of float
        Voxel size along (k, j, i).
    reach : float
        Distance, in the unit of `step`, centre to centre.
    inclusive : bool
        Whether a distance equal to `reach` counts.

    Returns
    -------
    ndarray of bool, shape (k, j, i)
    """
    near = np.zeros(target.shape, bool)
    limit = reach * reach * (1 + 1e-5 if inclusive else 1 - 1e-5)
    for inner, outer, offset in _blocks(target.shape, [int(np.ceil(reach / s)) + 1 for s in step]):
        check()
        block = target[outer]
        if not block.any():
            continue
        if target[inner].all():
            near[inner] = True
            continue
        squared = _signed_squared_distance(block, step)[offset]
        near[inner] = squared <= limit if inclusive else squared < limit
    return near


def squared_distance(target: np.ndarray, step: Sequence[float]) -> np.ndarray:
    """Squared Euclidean distance (float32) of each voxel to the nearest voxel of a mask that is not empty."""
    return np.maximum(_signed_squared_distance(target, step), 0)


def _signed_squared_distance(target: np.ndarray, step: Sequence[float]) -> np.ndarray:
    """Squared distance to a mask, 0 or less inside it (Maurer, Qi, Raghavan, IEEE Trans. PAMI 25 (2003) 265-270)."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(target.view(np.uint8))
    image.SetSpacing([float(v) for v in reversed(step)])
    signed = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=True, useImageSpacing=True)
    return sitk.GetArrayFromImage(signed)


def _blocks(shape: Sequence[int], halo: Sequence[int]) -> Iterator[tuple[Box, Box, Box]]:
    """Blocks of about 64 voxels a side, more with a large halo: (where, with halo, where within that)."""
    parts = []
    for size, margin in zip(shape, halo, strict=True):
        edge = max(64, 4 * margin)
        spans = []
        for start in range(0, size, edge):
            stop = min(start + edge, size)
            low, high = max(start - margin, 0), min(stop + margin, size)
            spans.append((slice(start, stop), slice(low, high), slice(start - low, stop - low)))
        parts.append(spans)
    for (k, k_wide, k_in), (j, j_wide, j_in), (i, i_wide, i_in) in itertools.product(*parts):
        yield (k, j, i), (k_wide, j_wide, i_wide), (k_in, j_in, i_in)
