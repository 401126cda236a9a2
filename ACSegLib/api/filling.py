"""Fill and refill: from sparse labels to dense labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ACSegLib.api.inputs import as_bool_mask, as_pair, as_region, with_segments_of
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, as_names
from ACSegLib.workflows import FillRequest

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.api.inputs import Image, Labels, Spacing
    from ACSegLib.workflows import FillOutcome


def fill(
    image: Image,
    labels: Labels,
    *,
    spacing: Spacing | None = None,
    unit: str | None = None,
    axis: str = FillRequest.axis,
    slices: str | Sequence[int | str] | Mapping[str, Sequence[int]] | None = FillRequest.slices,
    mode: str = FillRequest.mode,
    background: str | None = FillRequest.background,
    ignore: str | None = FillRequest.ignore,
    only: str | Sequence[str] = FillRequest.only,
    leave_out: str | Sequence[str] = FillRequest.leave_out,
    islands: float | None = FillRequest.islands,
    holes: float | None = FillRequest.holes,
    smooth: float | None = FillRequest.smooth,
    box: Sequence[slice] | None = None,
    cells: bool = FillRequest.cells,
    ignore_unlike: bool = FillRequest.ignore_unlike,
    resample: bool = FillRequest.resample,
    device: str = FillRequest.device,
    gamma: float | None = FillRequest.gamma,
    edge: float = FillRequest.edge,
    memory: float | None = FillRequest.memory,
    probabilities: bool = FillRequest.probabilities,
    suggest: int = FillRequest.suggest,
    protected: np.ndarray | None = None,
    progress: Progress | None = None,
) -> FillOutcome:
    """Compute dense labels from an image and sparse labels, by a random walk.

    Parameters
    ----------
    image : Volume or array_like, shape (z, y, x)
        Any real number type. NaN and infinite voxels stay background unless they are labelled.
    labels : Segmentation or array_like, shape (z, y, x)
        Labels on some slices. A labelled slice is complete: 0 on it is background.
    spacing : float or sequence of 3 floats, optional
        Voxel size of arrays along (z, y, x).
    unit : str, optional
        Unit of `spacing`: "nm", "um", "mm", "cm", "m", "angstrom"; "px" (not known) by default.
    axis : str
        Axis across the labelled slices: "auto", "x", "y", "z" (or "i", "j", "k"), or "all".
    slices : sequence of int, or mapping from axis to sequence of int, optional
        All labelled slices, counted from 0. They are detected by default; slices without any label must be listed.
    mode : {"auto", "slices", "scribbles"}
        Whether labelled slices are complete, or only the labelled voxels count. "auto" finds out, and takes closed thin
        lines for outlines of their segment.
    background, ignore : str, optional
        Names of the segments that mark background (for scribbles) and voxels that are unknown.
    only, leave_out : str or sequence of str
        Segments that the result contains (all by default), and segments that it does not contain.
    islands, holes : float, optional
        Remove components, and fill enclosed holes, that are smaller than this: voxels, or a fraction below 1.
    smooth : float, optional
        Smooth boundaries over this length in voxels.
    box : sequence of 3 slices, optional
        Along (z, y, x), around the object that strokes mark: outside it is background.
    cells : bool
        Make touching cells segments of their own, as `split` does.
    ignore_unlike : bool
        Make voxels that look unlike their segment on the labelled slices a segment "ignore". Trainings leave it out.
    resample : bool
        Accept a segmentation on another grid, and resample it (nearest neighbour).
    device : {"auto", "cpu", "cuda"}
        Where to compute.
    gamma, edge : float
        Strength of the class prior, chosen by cross-validation by default; edge scale in noise levels.
    memory : float, optional
        Memory in GiB that may be used.
    probabilities : bool
        Also return the probability of each segment.
    suggest : int
        Number of slices to suggest for labelling next.
    protected : ndarray of bool, shape (z, y, x), optional
        Voxels that keep their labels.
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    FillOutcome
        ``labels`` and ``uncertainty`` are arrays; ``segmentation``, ``probabilities``, ``report``, ``suggested``.

    Raises
    ------
    InputError
        If image and labels do not fit together, or if nothing is labelled.
    MemoryLimitError
        If the fill does not fit in memory.
    Cancelled
        If the progress was cancelled.

    References
    ----------
    L. Grady, "Multilabel random walker image segmentation using prior models", CVPR 2005, doi:10.1109/CVPR.2005.239

    Examples
    --------
    >>> import numpy as np
    >>> import ACSegLib as acseg
    >>> z, y, x = np.indices((32, 32, 32))
    >>> ball = (z - 16) ** 2 + (y - 16) ** 2 + (x - 16) ** 2 < 100
    >>> sparse_labels = np.where(np.isin(z, (8, 16, 24)), ball, 0)
    >>> result = acseg.fill(ball.astype(float), sparse_labels)
    >>> result.labels.shape
    (32, 32, 32)
    """
    from ACSegLib.workflows import run

    volume, sparse = as_pair(image, labels, spacing, unit)
    request = FillRequest(
        volume=volume,
        labels=sparse,
        resample=resample,
        axis=axis,
        slices=slices,
        mode=mode,
        background=background,
        ignore=ignore,
        only=as_names(only),
        leave_out=as_names(leave_out),
        islands=islands,
        holes=holes,
        smooth=smooth,
        box=as_region(box, volume.shape, "box"),
        cells=cells,
        ignore_unlike=ignore_unlike,
        device=device,
        gamma=gamma,
        edge=edge,
        memory=memory,
        probabilities=probabilities,
        suggest=suggest,
    )
    return run(request, protected=as_bool_mask(protected, volume.shape, "protected"), progress=progress)


def refill(
    previous: FillOutcome,
    labels: Labels,
    *,
    protected: np.ndarray | None = None,
    progress: Progress | None = None,
) -> FillOutcome:
    """Fill again after an edit of the sparse labels. Only what the edit changes is computed.

    Parameters
    ----------
    previous : FillOutcome
        Result of `fill` or `refill`. Image and options are those of that fill.
    labels : Segmentation or array_like, shape (z, y, x)
        The edited sparse labels. A value of an array that is new becomes a new segment.
    protected, progress : optional
        As in `fill`.

    Returns
    -------
    FillOutcome
        ``refilled`` lists the slices whose surroundings were computed again; None means a complete fill.

    Raises
    ------
    InputError, MemoryLimitError, Cancelled
        As `fill`.
    """
    from ACSegLib.workflows import FillOutcome, run

    if not isinstance(previous, FillOutcome):
        raise InputError(f"previous must be the result of a fill, not {type(previous).__name__}.")
    if not isinstance(labels, Segmentation):
        _, edited = as_pair(previous.request.volume, labels)
        labels = with_segments_of(previous.request.labels, edited)
    request = dataclasses.replace(previous.request, labels=labels)
    return run(request, previous, as_bool_mask(protected, request.volume.shape, "protected"), progress)
