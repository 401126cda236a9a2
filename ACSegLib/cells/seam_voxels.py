"""What a voxel looks like to the seam model: curvatures of the image and of the depth, at several scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.cells.trees import Trees
from ACSegLib.threads import chunks_of, in_threads

#: Smoothing of the image and of the depth, in voxels of the finest axis.
IMAGE_SCALES = (1.0, 2.0, 4.0)
DEPTH_SCALES = (1.0, 2.5)
#: Voxels from which the scaling is learned.
_SAMPLED = 30000
#: Features of the whole volume.
KNOWN = 9
#: Curvature, of the four features of a scale, that seams of a kind do not have.
_OTHER_PLATES = {"dark": 2, "bright": 0}
#: Features that say what a boundary looks like: dark and bright plates, and slopes, at two scales.
PLATES = (0, 2, 4, 6, 3, 7)
WIDTH = 5 * len(IMAGE_SCALES) + 4 * len(DEPTH_SCALES) + 2 + KNOWN


@dataclass(frozen=True)
class VoxelScene:
    """Fields from which the features of voxels are computed.

    Attributes
    ----------
    images : ndarray of float32, shape (scales, k, j, i)
        Smoothed image; zeros without one.
    depths : ndarray of float32, shape (scales, k, j, i)
        Smoothed distance from background.
    summit : ndarray of float32, shape (k, j, i)
        Largest distance in the basin of the shape.
    step : ndarray, shape (3,)
    scaling : ndarray
        What features of the image are divided by.
    known : ndarray of float32
        Features of the whole volume.
    image : ndarray of float32, shape (k, j, i), or None
        Not smoothed.
    """

    images: np.ndarray
    depths: np.ndarray
    summit: np.ndarray
    step: np.ndarray
    scaling: np.ndarray
    known: np.ndarray
    image: np.ndarray | None = None

    def describe(self, places: np.ndarray) -> np.ndarray:
        """Features of voxels (n, 3); float32, shape (n, WIDTH)."""
        from ACSegLib.cells import voxel_kernels as kernels

        places = np.ascontiguousarray(places)  # the loop is compiled for one order of memory
        out = np.zeros((len(places), WIDTH), np.float32)
        kernels.describe_voxels(self.images, self.depths, self.summit, places, self.step, self.scaling, self.known, out)
        return out

    def judge(self, mask: np.ndarray, trees: Trees, check: Callable[[], None] = lambda: None) -> np.ndarray:
        """Probability that each voxel of a mask lies at a seam; float32, shape (k, j, i)."""
        from ACSegLib.cells import voxel_kernels as kernels

        out = np.zeros(mask.shape, np.float32)
        scene = (self.step, self.scaling, self.known, WIDTH)

        def work(part: slice) -> None:
            kernels.judge_voxels(
                self.images, self.depths, self.summit, mask, part.start, part.stop, *scene, *trees.arrays, out
            )

        in_threads(work, chunks_of(mask), check)
        return out


def scene_of(
    image: np.ndarray | None,
    mask: np.ndarray,
    distance: np.ndarray,
    step: Sequence[float],
    kind: str = "auto",
    check: Callable[[], None] = lambda: None,
) -> VoxelScene:
    """Smooth image and depth, and learn the scaling."""
    from scipy import ndimage

    unit = np.asarray(step, np.float64)
    images = np.zeros((len(IMAGE_SCALES), *mask.shape), np.float32)
    if image is not None:
        for n, sigma in enumerate(IMAGE_SCALES):
            images[n] = smoothed(image, mask, sigma / unit)
            check()
    depths = np.zeros((len(DEPTH_SCALES), *mask.shape), np.float32)
    for n, sigma in enumerate(DEPTH_SCALES):
        ndimage.gaussian_filter(distance, sigma / unit, output=depths[n])
        check()
    summit = _summits(depths[0], mask, check)
    places = np.argwhere(mask)
    places = places[:: max(1, len(places) // _SAMPLED)]
    size = 4 * len(IMAGE_SCALES) + 2
    scene = VoxelScene(images, depths, summit, unit, np.ones(size), np.zeros(KNOWN, np.float32))
    scaling, known = np.ones(size), np.zeros(KNOWN, np.float32)
    known[-1] = not mask.all()
    if image is not None:
        rows = scene.describe(places).astype(np.float64)
        scaling, known[:-1] = _scaling(rows, images[0][tuple(places.T)])
        if kind in _OTHER_PLATES:  # what the seams are not is not seen
            scaling[_OTHER_PLATES[kind] : 4 * len(IMAGE_SCALES) : 4] = np.inf
    return VoxelScene(images, depths, summit, unit, scaling, known, image)


def _scaling(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root mean squares of the features of the image; which kind of plates there are more of, and how rough it is."""
    count = 4 * len(IMAGE_SCALES)
    scaling = np.ones(count + 2)
    root = np.sqrt((rows[:, :count] ** 2).mean(axis=0))
    known = np.zeros(KNOWN - 1, np.float32)
    sizes = []
    for n in range(len(IMAGE_SCALES)):
        size = max(np.sqrt((root[4 * n] ** 2 + root[4 * n + 2] ** 2) / 2), 1e-9)
        scaling[4 * n : 4 * n + 3] = size
        scaling[4 * n + 3] = max(root[4 * n + 3], 1e-9)
        dark, bright = (np.percentile(s * rows[:, 4 * n + m], 97) for s, m in ((1, 0), (-1, 2)))
        known[n] = np.log(max(dark, 1e-9) / max(bright, 1e-9))
        sizes.append(size)
    spread = max(float(values.std()), 1e-9)
    scaling[count:] = values.mean(), spread
    known[3:6] = np.log(np.array(sizes) / spread)
    known[6] = np.log(sizes[0] / sizes[1])
    known[7] = 1
    return scaling, known


def smoothed(image: np.ndarray, mask: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Gaussian mean of the voxels of the mask alone: no step at the outline."""
    from scipy import ndimage

    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigmas)
    smooth = ndimage.gaussian_filter(np.where(mask, image, 0).astype(np.float32), sigmas)
    smooth /= np.maximum(weight, 1e-3)
    return smooth


def _summits(depth: np.ndarray, mask: np.ndarray, check: Callable[[], None]) -> np.ndarray:
    """Largest depth in the basin of the shape that each voxel lies in; float32."""
    from ACSegLib.cells.basins import find_basins, largest_by_region

    basins = find_basins(depth, mask, check)
    return largest_by_region(depth, basins, int(basins.max())).astype(np.float32)[basins]
