"""Distances in masks, in space: which voxels lie within reach of others, and how far each lies from the nearest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.threads import chunks_of, in_threads

#: Voxels up to which SciPy takes less time than ITK, which has threads to start.
_SMALL = 1 << 14


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
    from ACSegLib import distance_kernels as kernels

    limit = reach * reach * (1 + 1e-5 if inclusive else 1 - 1e-5)
    squared, row_states, planes = _within_planes(target, step, reach, limit, check)
    near = np.empty(squared.shape, bool)

    def across_planes(part: slice) -> None:
        kernels.near_planes(squared, row_states, part.start, part.stop, float(step[0]), planes, limit, near)

    in_threads(across_planes, chunks_of(near), check)
    return near


def capped_distance(
    target: np.ndarray,
    step: Sequence[float],
    cap: float,
    check: Callable[[], None] = lambda: None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Distance (float32) of each voxel to the nearest voxel of a mask, or `cap` where that is less.

    Exact, as `within_distance`, and as cheap where the cap is short. Written to `out` where that is given.
    """
    from ACSegLib import distance_kernels as kernels

    squared, row_states, planes = _within_planes(target, step, cap, cap * cap * (1 + 1e-5), check)
    out = np.empty(squared.shape, np.float32) if out is None else out

    def across_planes(part: slice) -> None:
        kernels.capped_planes(squared, row_states, part.start, part.stop, float(step[0]), planes, float(cap), out)

    in_threads(across_planes, chunks_of(out), check)
    return out


def signed_distance(
    mask: np.ndarray,
    step: Sequence[float],
    cap: float,
    check: Callable[[], None] = lambda: None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Signed distance (float32) of each voxel to the surface of a mask, positive inside, clipped near +-`cap`.

    The surface lies half a voxel from the centres on both sides, which is 0.5 in the unit of `step`. Written to `out`
    where that is given.
    """
    signed, outside = capped_distance(~mask, step, cap, check, out), capped_distance(mask, step, cap, check)

    def join(part: slice) -> None:
        signed[part] = np.where(mask[part], signed[part] - np.float32(0.5), np.float32(0.5) - outside[part])

    in_threads(join, chunks_of(signed), check)
    return signed


def _within_planes(
    target: np.ndarray, step: Sequence[float], reach: float, limit: float, check: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Squared distances within each plane, exact up to `reach`; states of the rows; planes within reach."""
    from ACSegLib import distance_kernels as kernels

    target = np.ascontiguousarray(target)
    step_k, step_j, step_i = (float(s) for s in step)
    planes, rows = (int(reach / s) + 1 for s in (step_k, step_j))
    cap = 4 * max(limit, step_k**2, step_j**2, step_i**2)  # farther than any reach, and a float32
    squared = np.empty(target.shape, np.float32)
    row_states = np.empty(target.shape[:2], np.uint8)

    def within_planes(part: slice) -> None:
        kernels.plane_distance(target[part], step_j, step_i, rows, limit, cap, squared[part], row_states[part])

    in_threads(within_planes, chunks_of(target), check)
    return squared, row_states, planes


def squared_distance(target: np.ndarray, step: Sequence[float]) -> np.ndarray:
    """Squared Euclidean distance (float32) of each voxel to the nearest voxel of a mask that is not empty."""
    if target.size <= _SMALL:
        from scipy import ndimage

        return np.square(ndimage.distance_transform_edt(~target, sampling=step)).astype(np.float32)
    return np.maximum(_signed_squared_distance(target, step), 0)


def _signed_squared_distance(target: np.ndarray, step: Sequence[float]) -> np.ndarray:
    """Squared distance to a mask, 0 or less inside it (Maurer, Qi, Raghavan, IEEE Trans. PAMI 25 (2003) 265-270)."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(target.view(np.uint8))
    image.SetSpacing([float(v) for v in reversed(step)])
    signed = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=True, useImageSpacing=True)
    return sitk.GetArrayFromImage(signed)


def load_compiled_loops() -> None:
    """Do once what the first compiled loop of a process waits for, a third of a second: see `import_ahead`."""
    within_distance(np.zeros((1, 1, 1), bool), (1, 1, 1), 1)
