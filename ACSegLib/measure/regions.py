"""Small functions on masks that the measures share: boxes, padding, connected cells, distances in slabs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

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


def label_sizes(labels: np.ndarray, count: int) -> np.ndarray:
    """Voxels of each label 0 to `count`; a few planes at a time, since numpy's count copies to 8 bytes a voxel."""
    sizes = np.zeros(count + 1, np.int64)
    for start in range(0, len(labels), 16):
        sizes += np.bincount(labels[start : start + 16].ravel(), minlength=count + 1)
    return sizes


def within_distance(
    target: np.ndarray,
    step: Sequence[float],
    reach: float,
    *,
    inclusive: bool = True,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Tell for each voxel whether a voxel of `target` lies within `reach`.

    The distance is Euclidean and exact; only voxels up to `reach` away are looked at, axis by axis (Saito and Toriwaki,
    Pattern Recognition 27 (1994) 1551-1565), so that a short reach costs far less than a distance map.

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
    from ACSegLib.measure import kernels

    limit = reach * reach * (1 + 1e-5 if inclusive else 1 - 1e-5)
    step_k, step_j, step_i = (float(s) for s in step)
    planes, rows, columns = (int(reach / s) + 1 for s in (step_k, step_j, step_i))
    # A row without a target is as good as out of reach: `columns` steps and one are more than `reach`.
    steps = np.empty(target.shape, np.int16)
    squared = np.empty(target.shape, np.float32)
    near = np.zeros(target.shape, bool)
    chunks = [slice(k, min(k + 16, len(target))) for k in range(0, len(target), 16)]

    def within_planes(part: slice) -> None:
        kernels.row_distance(target[part], min(columns + 1, 32000), steps[part])
        kernels.plane_distance(steps[part], step_j, step_i, rows, squared[part])

    def across_planes(part: slice) -> None:
        kernels.near_planes(squared, part.start, part.stop, step_k, planes, limit, near)

    for work in (within_planes, across_planes):
        _in_threads(work, chunks, check)
    return near


def _in_threads(work: Callable[[slice], None], chunks: Sequence[slice], check: Callable[[], None]) -> None:
    """Do the chunks on all cores (the kernels release the interpreter), checking for a cancel as they finish."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            for future in [pool.submit(work, chunk) for chunk in chunks]:
                future.result()
                check()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


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
