"""Measure and compare: tables of segments and cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ACSegLib.api.inputs import as_pair, as_segmentation, as_segmentations
from ACSegLib.api.table import Table
from ACSegLib.jobs import Progress

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.api.inputs import Image, Labels, Spacing


def measure(
    labels: Labels,
    image: Image | None = None,
    *,
    spacing: Spacing | None = None,
    unit: str | None = None,
    segments: Sequence[str] | None = None,
    cells: bool = True,
    minimum_volume: float = 0.0,
    connectivity: int = 26,
    surface_method: str = "crofton",
    thin_structures: bool = True,
    thin_radius: float | None = None,
    contacts: bool = True,
    contact_gap: float = 0.0,
    exclude_border: bool = False,
    progress: Progress | None = None,
) -> Table:
    """Measure the segments and cells of a segmentation.

    Parameters
    ----------
    labels : Segmentation or array_like, shape (z, y, x)
        Whole numbers; 0 is background.
    image : Volume or array_like, shape (z, y, x), optional
        For intensities (LAC) inside the segments.
    spacing : float or sequence of 3 floats, optional
        Voxel size of arrays along (z, y, x).
    unit : str, optional
        Unit of `spacing`. All lengths of the table are in this unit, or in that of the segmentation.
    segments : sequence of str, optional
        Names of the segments to measure; all by default. The value v of an array is the segment "Segment_v".
    cells : bool
        Also add one row per connected cell.
    minimum_volume : float
        Smaller cells get no row, in cubic units.
    connectivity : {6, 18, 26}
        Neighbours that are connected.
    surface_method : {"crofton", "crofton49", "marching_cubes", "smoothed_mesh", "faces"}
        Estimator of the surface area.
    thin_structures : bool
        Measure thin structures (filopodia), which takes most of the time.
    thin_radius : float, optional
        Radius below which a structure is thin.
    contacts : bool
        Measure the areas of contact with other segments.
    contact_gap : float
        Largest gap that counts as contact.
    exclude_border : bool
        Exclude cells that the border of the volume cuts.
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    Table
        One row per segment and per cell. ``table["volume"]`` is an array, ``table[0]`` a row.

    Raises
    ------
    InputError
        If labels and image are not on one grid, or if a segment does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> import ACSegLib as acseg
    >>> cube = np.pad(np.ones((4, 4, 4), np.uint8), 4)
    >>> acseg.measure(cube, spacing=0.5, unit="um", cells=False)["volume"]
    array([8.])
    """
    from ACSegLib.measure.morphology import MorphologySettings, measure_segmentation

    if image is None:
        segmentation, volume = as_segmentation(labels, spacing, unit), None
    else:
        volume, segmentation = as_pair(image, labels, spacing, unit)
    settings = MorphologySettings(
        cells=cells,
        minimum_volume=minimum_volume,
        connectivity=connectivity,
        surface_method=surface_method,
        thin_structures=thin_structures,
        thin_radius=thin_radius,
        contacts=contacts,
        contact_gap=contact_gap,
        exclude_border=exclude_border,
    )
    return Table(measure_segmentation(segmentation, volume, settings=settings, segments=segments, progress=progress))


def compare(
    result: Labels,
    reference: Labels,
    *,
    spacing: Spacing | None = None,
    unit: str | None = None,
    segments: Sequence[str] | None = None,
    ignore: np.ndarray | None = None,
    tolerance: float | None = None,
    surface: str = "surfels",
    distances: bool = True,
    instances: bool = False,
    progress: Progress | None = None,
) -> Table:
    """Compare a segmentation with a reference: Dice, surface distances, volumes.

    Parameters
    ----------
    result, reference : Segmentation or array_like, shape (z, y, x)
        On one grid. Segments are paired by name, or by value if no name is common.
    spacing : float or sequence of 3 floats, optional
        Voxel size of arrays along (z, y, x).
    unit : str, optional
        Unit of `spacing`, and of the lengths of the table.
    segments : sequence of str, optional
        Names of the segments to compare; all by default.
    ignore : array_like of bool, shape (z, y, x), optional
        Voxels that do not count.
    tolerance : float, optional
        Tolerance of the surface Dice, as a length; one voxel edge by default.
    surface : {"surfels", "voxels"}
        Elements between which surface distances are measured.
    distances : bool
        Measure surface distances, which takes most of the time.
    instances : bool
        Also match the connected cells of each segment (panoptic quality, splits, merges).
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    Table
        One row per segment. ``table["dice"]`` is an array, ``table[0]`` a row.

    Raises
    ------
    InputError
        If the two are not on one grid, or if a segment does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> import ACSegLib as acseg
    >>> reference = np.pad(np.ones((4, 4, 4), np.uint8), 4)
    >>> result = np.roll(reference, 1, axis=0)
    >>> float(acseg.compare(result, reference)["dice"][0])
    0.75
    """
    from ACSegLib.arrays import to_numpy
    from ACSegLib.measure.overlap import compare_segmentations

    first, second = as_segmentations(result, reference, spacing, unit)
    rows = compare_segmentations(
        first,
        second,
        segments=segments,
        ignore=None if ignore is None else to_numpy(ignore, "ignore"),
        tolerance=tolerance,
        surface=surface,
        distances=distances,
        instances=instances,
        progress=progress,
    )
    return Table(rows)
