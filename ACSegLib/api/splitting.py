"""Split touching cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ACSegLib.api.inputs import as_pair, as_segmentation
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume, as_names
from ACSegLib.workflows import SplitRequest

if TYPE_CHECKING:
    from ACSegLib.api.inputs import Image, Labels, Spacing
    from ACSegLib.workflows import SplitOutcome


def split(
    labels: Labels,
    image: Image | None = None,
    *,
    seeds: Labels | None = None,
    spacing: Spacing | None = None,
    unit: str | None = None,
    segments: str | Sequence[str] = SplitRequest.segments,
    count: int | None = SplitRequest.count,
    smallest: float | None = SplitRequest.smallest,
    seams: str = SplitRequest.seams,
    outlines: str = SplitRequest.outlines,
    resample: bool = SplitRequest.resample,
    progress: Progress | None = None,
) -> SplitOutcome:
    """Split touching cells into segments of their own.

    Parameters
    ----------
    labels : Segmentation or array_like, shape (z, y, x)
        Whole numbers; 0 is background.
    image : Volume or array_like, shape (z, y, x), optional
        For seams between the cells; without it only the shape counts.
    seeds : Segmentation or array_like, shape (z, y, x), optional
        A value for each cell on some of its voxels. Where all have one value, each connected dab marks one cell.
    spacing : float or sequence of 3 floats, optional
        Voxel size of arrays along (z, y, x).
    unit : str, optional
        Unit of `spacing`.
    segments : str or sequence of str
        Names of the segments to split; all but beads, glass and background by default. The value v of an array is the
        segment "Segment_v".
    count : int, optional
        Number of cells; found by default.
    smallest : float, optional
        Voxels from which on a part is a cell; learned from the sizes by default.
    seams : {"auto", "dark", "bright", "none"}
        What seams look like.
    outlines : {"auto", "drawn", "predicted"}
        Where the outlines come from; "auto" is "predicted" if the segmentation says so, and else "drawn".
    resample : bool
        Resample labels and seeds on another grid to that of the image.
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    SplitOutcome
        `segmentation`, its array `labels`, `counts` and `sizes` of the cells, and `notes`.

    Raises
    ------
    InputError
        If there is nothing to split, no seed lies in a segment, or the arrays are not on one grid.

    Examples
    --------
    >>> import numpy as np
    >>> import ACSegLib as acseg
    >>> k, j, i = np.indices((20, 20, 34)) + 0.5
    >>> balls = [(k - 10) ** 2 + (j - 10) ** 2 + (i - x) ** 2 < 64 for x in (10, 24)]
    >>> acseg.split(balls[0] | balls[1]).counts
    {'Segment_1': 2}
    """
    from ACSegLib.workflows import run

    volume: Volume | None = None
    if image is None:
        segmentation = as_segmentation(labels, spacing, unit)
    else:
        volume, segmentation = as_pair(image, labels, spacing, unit)
    marks = None if seeds is None else as_pair(_grid_of(segmentation), seeds, name="seeds")[1]
    request = SplitRequest(
        labels=segmentation,
        volume=volume,
        seeds=marks,
        segments=as_names(segments),
        count=count,
        smallest=smallest,
        seams=seams,
        outlines=outlines,
        resample=resample,
    )
    return run(request, progress=progress)


def _grid_of(segmentation: Segmentation) -> Volume:
    """A volume on the grid of a segmentation, so that an array beside it gets its geometry."""
    return Volume(segmentation.layers[0], segmentation.geometry, "labels")
