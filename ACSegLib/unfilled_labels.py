"""Labels of a few slices that are taken for a whole segmentation: their volumes are those of thin slabs."""

from __future__ import annotations

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.labelled_slices import find_labelled_slices
from ACSegLib.slice_tags import counted
from ACSegLib.volume import Segmentation


def unfilled_notes(segmentation: Segmentation) -> list[str]:
    """Say that labels lie on a few slices with nothing between them, where they do.

    Parameters
    ----------
    segmentation : Segmentation
        The structures that are measured.
    """
    if not any(layer.any() for layer in segmentation.layers):
        return []
    occupied = segmentation.occupied()
    if not any(_has_gaps(occupied, axis) for axis in range(3)):  # of nearly all segmentations, and at once
        return []
    found = find_labelled_slices(occupied)
    gaps = {axis: n for axis, n in found.slices.items() if _has_gaps(occupied, AXES.index(axis))}
    if not gaps or found.dense or found.oblique:
        return []
    return [
        f"{segmentation.name}: the labels lie on {counted(gaps)} only; fill between the slices before you use them."
    ]


def _has_gaps(occupied: np.ndarray, axis: int) -> bool:
    """Whether most slices between the first and the last one with labels have none."""
    slices = np.flatnonzero(occupied.any(axis=tuple(other for other in range(3) if other != axis)))
    return len(slices) > 1 and 2 * len(slices) <= slices[-1] - slices[0] + 1
