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
    found = few_slices(segmentation)
    if not found:
        return []
    return [f"{segmentation.name}: the labels lie on {found} only; fill between the slices before you use them."]


def notes_on_one_unfilled(result: Segmentation, reference: Segmentation) -> list[str]:
    """Say that one side of a comparison lies on a few slices and the other does not: the rest counts as wrong.

    Both may: two persons have drawn the same slices.
    """
    sides = {"result": few_slices(result), "reference": few_slices(reference)}
    if all(sides.values()):
        return []
    return [
        f"{reference.name}: the labels of the {side} lie on {found} only, and what the other has between these counts "
        "as wrong; fill the labels first, or compare a single slice."
        for side, found in sides.items()
        if found
    ]


def few_slices(segmentation: Segmentation, *, single: bool = False) -> str:
    """The few slices, counted, that labels lie on; "" if they lie on more, or on none.

    A `single` slice of a volume that has several may count as well.
    """
    if not any(layer.any() for layer in segmentation.layers):
        return ""
    occupied = segmentation.occupied()
    for axis, name in enumerate(AXES if single else ()):
        if len(slices := _occupied_slices(occupied, axis)) == 1 < occupied.shape[axis]:
            return counted({name: slices.tolist()})
    if not any(_has_gaps(occupied, axis) for axis in range(3)):  # of nearly all segmentations, and at once
        return ""
    found = find_labelled_slices(occupied)
    gaps = {axis: n for axis, n in found.slices.items() if _has_gaps(occupied, AXES.index(axis))}
    return counted(gaps) if gaps and not found.dense and not found.oblique else ""


def _has_gaps(occupied: np.ndarray, axis: int) -> bool:
    """Whether most slices between the first and the last one with labels have none."""
    slices = _occupied_slices(occupied, axis)
    return len(slices) > 1 and 2 * len(slices) <= slices[-1] - slices[0] + 1


def _occupied_slices(occupied: np.ndarray, axis: int) -> np.ndarray:
    return np.flatnonzero(occupied.any(axis=tuple(other for other in range(3) if other != axis)))
