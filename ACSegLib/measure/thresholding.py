"""Segmentation without learning, as baselines: thresholds, watershed, and a 2D model that takes a box as prompt.

The thresholds are those that Erozan et al. (iScience 27 (2024) 109856) compare with: Otsu's and the adaptive one.
Each method gives a Segmentation, so that it is measured by the same functions as a prediction.

References
----------
Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9 (1979) 62-66.
Liao, Chen, Chung, "A fast algorithm for multilevel thresholding", J. Information Science and Engineering 17 (2001).
Beucher, Meyer, "The morphological approach to segmentation: the watershed transformation", 1993.
Kirillov et al., "Segment anything", ICCV 2023: box prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ACSegLib.components import Components, find_components
from ACSegLib.distances import sampling, squared_distance
from ACSegLib.errors import InputError
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segment, Segmentation, Volume

METHODS = ("otsu", "adaptive", "multi-otsu", "watershed")
AXES = ("k", "j", "i")


@dataclass(frozen=True)
class ThresholdSettings:
    """How to threshold.

    Parameters
    ----------
    method : {"otsu", "adaptive", "multi-otsu", "watershed"}
        "watershed" splits the Otsu mask into touching cells.
    bright : bool
        Cells absorb more than what is around them (LAC images); False where they are darker (raw intensities).
    smoothing : float
        SD of a Gaussian blur before the threshold, in voxels; 0 for none.
    window : int
        Side of the adaptive threshold's neighbourhood, in voxels.
    offset : float
        Subtracted from the adaptive threshold, in units of the image's SD.
    classes : int
        Classes of multi-Otsu; all but the darkest are cell.
    keep : {"all", "largest", "central"}
        Which components to keep; "central" is the one nearest to the middle of the volume.
    minimum_voxels : int
        Smaller parts are dropped.
    fill_holes : bool
        Close holes that lie wholly inside.
    cell_radius : float
        Watershed: cells less than this apart (centre to centre) are one, in the geometry's unit; 0: a sixth of the
        volume's shortest side.
    """

    method: str = "otsu"
    bright: bool = True
    smoothing: float = 1.0
    window: int = 51
    offset: float = 0.0
    classes: int = 3
    keep: str = "all"
    minimum_voxels: int = 64
    fill_holes: bool = True
    cell_radius: float = 0.0


def threshold_segmentation(
    volume: Volume, settings: ThresholdSettings | None = None, *, progress: Progress | None = None
) -> Segmentation:
    """Segment a volume by thresholding.

    Parameters
    ----------
    volume : Volume
        NaN and infinite voxels are background.
    settings : ThresholdSettings, optional
    progress : Progress, optional

    Returns
    -------
    Segmentation
        One segment, "cytoplasm"; with "watershed" one per cell, "cell 1" being the largest.

    Raises
    ------
    InputError
        If a setting is none of its choices.
    """
    settings, progress = settings or ThresholdSettings(), progress or Progress()
    if settings.method not in METHODS:
        raise InputError(f"the method must be one of {', '.join(METHODS)}, not {settings.method!r}.")
    if settings.keep not in ("all", "largest", "central"):
        raise InputError(f"keep must be all, largest or central, not {settings.keep!r}.")
    stages = progress.stages(prepare=3, threshold=3, clean=1, split=3)
    stages.prepare(0.0, f"thresholding {volume.name}")
    image, valid = _prepared(volume, settings)
    stages.threshold(0.0, f"thresholding {volume.name}")
    mask = _mask(image, valid, settings)
    del image
    stages.clean(0.0, f"cleaning {volume.name}")
    mask = _cleaned(mask, settings, progress.check)
    if settings.method == "watershed":
        return _split_cells(mask, volume, settings.cell_radius, stages.split)
    progress(1.0, f"thresholded {volume.name}")
    labels = mask.view(np.uint8)
    return Segmentation((labels,), [Segment("cytoplasm", 1)], volume.geometry, volume.name)


def _prepared(volume: Volume, settings: ThresholdSettings) -> tuple[np.ndarray, np.ndarray]:
    """Float32 image in which cells are bright, blurred, and which voxels hold a value."""
    from scipy import ndimage

    image = volume.array.astype(np.float32)
    valid = np.isfinite(image)
    if not valid.any():
        raise InputError(f"{volume.name!r} holds no finite value; it cannot be thresholded.")
    if not valid.all():
        image[~valid] = float(np.median(image[valid]))
    if not settings.bright:
        np.negative(image, out=image)
    if settings.smoothing:
        ndimage.gaussian_filter(image, settings.smoothing, output=image)
    if image.min() == image.max():
        raise InputError(f"{volume.name!r} has a single value; there is nothing to threshold.")
    return image, valid


def _mask(image: np.ndarray, valid: np.ndarray, settings: ThresholdSettings) -> np.ndarray:
    from scipy import ndimage
    from skimage.filters import threshold_multiotsu, threshold_otsu

    if settings.method == "adaptive":
        if settings.window < 3:
            raise InputError(f"the adaptive window must be 3 voxels or more, not {settings.window}.")
        local = ndimage.uniform_filter(image, settings.window)
        local -= np.float32(settings.offset * float(np.std(image, dtype=np.float64)))
        return (image > local) & valid
    if settings.method == "multi-otsu":
        try:
            levels = threshold_multiotsu(image.ravel(), classes=settings.classes)
        except ValueError as error:
            raise InputError(f"multi-Otsu cannot find {settings.classes} classes: {error}.") from error
        return (image > levels[0]) & valid
    return (image > threshold_otsu(image.ravel())) & valid  # a shape like that of a colour image makes it warn


def _cleaned(mask: np.ndarray, settings: ThresholdSettings, check: Callable[[], None]) -> np.ndarray:
    from scipy import ndimage

    components = find_components(mask, 6)
    check()
    wanted = np.flatnonzero(components.sizes >= settings.minimum_voxels).tolist()
    if settings.keep == "largest":
        wanted = sorted(wanted, key=lambda n: -components.sizes[n])[:1]
    elif settings.keep == "central":
        wanted = sorted(wanted, key=lambda n: _off_centre(components, n))[:1]
    mask = np.zeros(mask.shape, bool)
    for n in wanted:
        mask[components.boxes[n]] |= components.mask(n)
    check()
    return ndimage.binary_fill_holes(mask) if settings.fill_holes else mask


def _off_centre(components: Components, number: int) -> float:
    """Distance, in voxels, of a component's centre of mass from the middle of the volume."""
    from scipy import ndimage

    centre = np.array(ndimage.center_of_mass(components.mask(number)))
    corner = np.array([side.start for side in components.boxes[number]])
    return float(np.linalg.norm(centre + corner - (np.array(components.shape) - 1) / 2))


def _split_cells(mask: np.ndarray, volume: Volume, radius: float, progress: Progress) -> Segmentation:
    """Split touching cells at the necks between the peaks of the distance to the background."""
    from skimage.segmentation import watershed

    if not mask.any():
        return Segmentation((mask.view(np.uint8),), [], volume.geometry, volume.name)
    step = sampling(volume.geometry.spacing)
    radius = radius or min(n * s for n, s in zip(mask.shape, step, strict=True) if n > 1) / 6
    stages = progress.stages(peaks=4, flood=6)
    stages.peaks(0.0, f"splitting cells of {volume.name}")
    # Outside the volume is background, but not above and below a single slice: nothing would have a depth.
    rim = [int(n > 1) for n in mask.shape]
    depth = np.sqrt(squared_distance(~np.pad(mask, [(r, r) for r in rim]), step))
    depth = depth[tuple(slice(r, r + n) for r, n in zip(rim, mask.shape, strict=True))]
    peaks = _deepest_points(depth, step, radius)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    stages.flood(0.0, f"splitting cells of {volume.name}")
    cells = watershed(-depth, markers, mask=mask)
    sizes = np.bincount(cells.ravel())[1:]
    order = np.argsort(-sizes, kind="stable")
    value_of = np.zeros(len(sizes) + 1, np.min_scalar_type(len(sizes)))
    value_of[order + 1] = np.arange(1, len(sizes) + 1)
    names = {n: f"cell {n}" for n in range(1, len(sizes) + 1)}
    progress(1.0, f"split cells of {volume.name}")
    return Segmentation.from_labels(value_of[cells], volume.geometry, names, name=volume.name)


def _deepest_points(depth: np.ndarray, step: tuple[float, float, float], radius: float) -> np.ndarray:
    """Indices (n, 3) of the peaks of a depth, the deepest first, without those within `radius` of a deeper one."""
    from scipy.spatial import cKDTree
    from skimage.feature import peak_local_max

    peaks = peak_local_max(depth, min_distance=1, threshold_abs=0, exclude_border=False)
    places = peaks * np.array(step)
    tree = cKDTree(places)
    open_ = np.ones(len(peaks), bool)
    found = []
    for n in range(len(peaks)):
        if open_[n]:
            open_[tree.query_ball_point(places[n], radius)] = False
            found.append(n)
    return peaks[found]


class PromptModel(Protocol):
    """A 2D model that segments what a box encloses (a SAM-like model)."""

    def __call__(self, image: np.ndarray, box: Sequence[float]) -> np.ndarray:
        """Segment.

        Parameters
        ----------
        image : ndarray of float32, shape (3, rows, columns)
            0 to 1.
        box : (first column, first row, last column, last row)

        Returns
        -------
        ndarray of bool, shape (rows, columns)
        """
        ...


def prompted_slice(volume: Volume, model: PromptModel, *, box: Sequence[int], axis: str = "k") -> Segmentation:
    """Segment the central slice of a volume with a box-prompted 2D model, as the paper does with SAM.

    Parameters
    ----------
    volume : Volume
    model : PromptModel
        See `ACSegLib.files.prompt_model.open_prompt_model`.
    box : (first column, first row, last column, last row)
        Around the cell, in voxels of the slice; see `box_of`.
    axis : {"k", "j", "i"}
        Across the slice.

    Returns
    -------
    Segmentation
        "cytoplasm" in that slice, nothing elsewhere. Compare it there: ignore all other slices.

    Raises
    ------
    InputError
        If the box lies outside of the volume, or the model gives a mask of another shape.
    """
    number = _axis_number(axis)
    index = volume.shape[number] // 2
    plane = np.nan_to_num(np.take(volume.array, index, axis=number).astype(np.float32))
    rows, columns = plane.shape
    x0, y0, x1, y1 = (int(v) for v in box)
    if not (0 <= x0 <= x1 < columns and 0 <= y0 <= y1 < rows):
        raise InputError(f"the box {tuple(box)} does not fit into the slice of {columns} x {rows} voxels.")
    low, high = np.percentile(plane, (0.5, 99.5))
    grey = np.clip((plane - low) / max(float(high - low), 1e-12), 0, 1).astype(np.float32)
    found = np.asarray(model(np.repeat(grey[None], 3, axis=0), (x0, y0, x1, y1)), bool)
    if found.shape != plane.shape:
        raise InputError(
            f"the model gave a mask of {size_text(found.shape)} voxels for a slice of {size_text(plane.shape)}."
        )
    labels = np.zeros(volume.shape, np.uint8)
    where: list[int | slice] = [slice(None)] * 3
    where[number] = index
    labels[tuple(where)] = found
    return Segmentation((labels,), [Segment("cytoplasm", 1)], volume.geometry, volume.name)


def box_of(mask: np.ndarray, margin: int = 0) -> tuple[int, int, int, int]:
    """Box prompt (first column, first row, last column, last row) around a 2D mask, grown by `margin` voxels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise InputError("the slice holds no voxel to draw a box around; choose another slice.")
    height, width = mask.shape
    return (
        max(int(columns[0]) - margin, 0),
        max(int(rows[0]) - margin, 0),
        min(int(columns[-1]) + margin, width - 1),
        min(int(rows[-1]) + margin, height - 1),
    )


def _axis_number(axis: str) -> int:
    if axis not in AXES:
        raise InputError(f"the axis must be k, j or i, not {axis!r}.")
    return AXES.index(axis)
