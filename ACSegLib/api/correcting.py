"""Correct: from a few corrections of a segmentation to the voxels around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.api.inputs import as_bool_mask, as_pair, with_segments_of
from ACSegLib.arrays import to_numpy
from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.wording import listed
from ACSegLib.workflows import CorrectRequest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ACSegLib.api.inputs import Image, Labels, Spacing
    from ACSegLib.jobs import Progress
    from ACSegLib.workflows import CorrectOutcome


def correct(
    image: Image,
    segmentation: Labels,
    corrected: Labels,
    *,
    spacing: Spacing | None = None,
    unit: str | None = None,
    slices: str | Sequence[int | str] | Mapping[str, Sequence[int]] | None = CorrectRequest.slices,
    probabilities: Mapping[str, Volume | ArrayLike] | Volume | ArrayLike | None = None,
    decided: np.ndarray | None = CorrectRequest.decided,
    reach: float | None = CorrectRequest.reach,
    resample: bool = CorrectRequest.resample,
    device: str = CorrectRequest.device,
    protected: np.ndarray | None = None,
    progress: Progress | None = None,
) -> CorrectOutcome:
    """Correct a segmentation around the places where a person changed it.

    What differs between the two segmentations is what the person decided. On a slice that is named or clearly redrawn,
    they decided every voxel. The result has all of it, and what follows from it around the changes. Farther away
    nothing changes. A `Segmentation` that `fill` or `correct` made knows its labelled slices, and they stay as well.

    Parameters
    ----------
    image : Volume or array_like, shape (z, y, x)
        Any real number type.
    segmentation, corrected : Segmentation or array_like, shape (z, y, x)
        Dense labels before and after a person corrected them. An array knows no labelled slices: see `protected`.
    spacing : float or sequence of 3 floats, optional
        Voxel size of arrays along (z, y, x).
    unit : str, optional
        Unit of `spacing`; see `fill`.
    slices : str, sequence of int, or mapping from axis to sequence of int, optional
        Slices that were decided as a whole, counted from 0, such as ``"z:40,60"``. Slices that were clearly redrawn are
        found.
    probabilities : mapping from the name of a segment to a Volume or array, shape (z, y, x), optional
        Of the network that made the segmentation, 0 to 1. Volumes must lie on the voxels of the image. Of a single
        segment, the array alone. Or those of a prediction, shape (channels, z, y, x): one channel for each
        segment of `segmentation`, after that of the background if there is one.
    decided : ndarray of bool, shape (z, y, x), optional
        ``result.decided`` of the correction before this one: these voxels stay as they are.
    reach : float, optional
        Distance from a change, in voxels of the finest axis, within which anything may change.
    resample : bool
        Accept segmentations on another grid, and resample them (nearest neighbour).
    device : {"auto", "cpu", "cuda"}
        Where to compute.
    protected : ndarray of bool, shape (z, y, x), optional
        Voxels that keep their labels.
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    CorrectOutcome
        ``labels``, ``uncertainty`` and ``decided`` are arrays; ``segmentation``, ``report``.

    Raises
    ------
    InputError
        If the inputs do not fit together, or if nothing was corrected.
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
    >>> predicted = ball & (x < 20)
    >>> corrected = np.where(z == 16, ball, predicted)
    >>> result = acseg.correct(ball.astype(float), predicted, corrected)
    >>> result.report.slices
    {'k': [16]}
    """
    from ACSegLib.workflows import run

    volume, before = as_pair(image, segmentation, spacing, unit, "segmentation")
    after = as_pair(volume, corrected, name="corrected")[1]
    if not isinstance(corrected, Segmentation) and isinstance(segmentation, Segmentation):
        after = with_segments_of(segmentation, after)
    request = CorrectRequest(
        volume=volume,
        segmentation=before,
        corrected=after,
        probabilities=_by_name(probabilities, before),
        decided=as_bool_mask(decided, volume.shape, "decided"),
        renumbered=not isinstance(corrected, Segmentation),
        slices=slices,
        reach=reach,
        resample=resample,
        device=device,
    )
    return run(request, protected=as_bool_mask(protected, volume.shape, "protected"), progress=progress)


def _by_name(
    probabilities: Mapping[str, Volume | ArrayLike] | Volume | ArrayLike | None, segmentation: Segmentation
) -> dict[str, Any]:
    """Probabilities by the names of segments, as they were given so, or as channels."""
    if probabilities is None:
        return {}
    if isinstance(probabilities, Mapping):
        return dict(probabilities)
    names = [segment.name for segment in segmentation.with_distinct_names().segments]
    if not isinstance(probabilities, Volume):
        array = to_numpy(probabilities, "probabilities")
        if array.ndim == 4 and len(array) in (len(names), len(names) + 1):
            return dict(zip(names, array[len(array) - len(names) :], strict=True))
        probabilities = array
    if len(names) != 1 or len(probabilities.shape) != 3:
        raise InputError(
            f"probabilities have shape {probabilities.shape}, but there are the segments {listed(names)}; give a "
            "dictionary with an array (z, y, x) for the name of each."
        )
    return {names[0]: probabilities}
