"""Small functions on masks that the measures share: boxes, borders, distances, threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ACSegLib.compute import threads
from ACSegLib.errors import InputError
from ACSegLib.masks import Box
from ACSegLib.volume import Segment, Segmentation, label_boxes

T = TypeVar("T")

#: Voxels that a core goes through in about the time in which threads are started.
_SMALL = 1 << 20


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


class SegmentBoxes:
    """The masks of a segmentation, each in its own box, so that many segments cost no more than one pass over it.

    Parameters
    ----------
    segmentation : Segmentation
    """

    def __init__(self, segmentation: Segmentation) -> None:
        self._layers = segmentation.layers
        self._boxes = [label_boxes(layer) for layer in segmentation.layers]

    def box(self, segment: Segment | None) -> Box | None:
        """Smallest box (k, j, i) that holds a segment; None if it has no voxel, or there is none."""
        return None if segment is None else self._boxes[segment.layer].get(segment.value)

    def mask(self, segment: Segment | None, box: Box) -> np.ndarray:
        """Boolean array of a box's shape: where the segment is in it."""
        part = self._layers[segment.layer if segment is not None else 0][box]
        return np.zeros(part.shape, bool) if segment is None else part == segment.value


def union_box(boxes: Sequence[Box | None], shape: Sequence[int], margin: int = 0) -> Box | None:
    """Smallest box that holds others, grown by `margin` inside `shape`; None if there is none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    k, j, i = (
        slice(max(min(s.start for s in sides) - margin, 0), min(max(s.stop for s in sides) + margin, n))
        for sides, n in zip(zip(*known, strict=True), shape, strict=True)
    )
    return k, j, i


def within(inner: Box, outer: Box) -> Box:
    """Box in the array of a box that was cut out of it, as a box in the array."""
    k, j, i = (slice(o.start + s.start, o.start + s.stop) for s, o in zip(inner, outer, strict=True))
    return k, j, i


def touches_border(box: Box, shape: Sequence[int]) -> bool:
    """Whether a box reaches the first or last voxel of the array, so that what it holds may be cut."""
    return any(part.start == 0 or part.stop == size for part, size in zip(box, shape, strict=True))


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

    target = np.ascontiguousarray(target)
    limit = reach * reach * (1 + 1e-5 if inclusive else 1 - 1e-5)
    step_k, step_j, step_i = (float(s) for s in step)
    planes, rows = (int(reach / s) + 1 for s in (step_k, step_j))
    cap = 4 * max(limit, step_k**2, step_j**2, step_i**2)  # farther than any reach, and a float32
    squared = np.empty(target.shape, np.float32)
    near = np.empty(target.shape, bool)
    found = np.empty(target.shape[:2], np.uint8)
    chunks = chunks_of(target)

    def within_planes(part: slice) -> None:
        kernels.plane_distance(target[part], step_j, step_i, rows, limit, cap, squared[part], found[part])

    def across_planes(part: slice) -> None:
        kernels.near_planes(squared, found, part.start, part.stop, step_k, planes, limit, near)

    for work in (within_planes, across_planes):
        in_threads(work, chunks, check)
    return near


def chunks_of(array: np.ndarray) -> list[slice]:
    """Parts of an array's planes for `in_threads`; a single one where threads would cost more than they save."""
    thickness = 16 if array.size > _SMALL else max(len(array), 1)
    return [slice(k, min(k + thickness, len(array))) for k in range(0, len(array), thickness)]


def in_threads(
    work: Callable[[slice], T], chunks: Sequence[slice], check: Callable[[], None] = lambda: None
) -> list[T]:
    """Results of the chunks, in their order, done on all cores (the kernels release the interpreter).

    A cancel is looked for as each chunk finishes.
    """
    from concurrent.futures import ThreadPoolExecutor

    results = []
    workers = min(threads(), len(chunks))
    if workers < 2:
        for chunk in chunks:
            results.append(work(chunk))
            check()
        return results
    with ThreadPoolExecutor(workers) as pool:
        try:
            for future in [pool.submit(work, chunk) for chunk in chunks]:
                results.append(future.result())
                check()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


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
