"""Counts the voxels of each segment on the labelled slices, for the guide that shows which slices are labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.errors import InputError
from ACSegLib.labelled_slices import find_labelled_slices
from ACSegLib.outlines import find_outlines
from ACSegLib.special_segments import role_of
from ACSegLib.volume import Segment, Segmentation


class DenseLabels(InputError):
    """The labels are solid in three dimensions: they can be corrected, not filled."""


def paste_box(labels: np.ndarray, start: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Put a box of labels on a grid; what lies outside is cut off.

    Parameters
    ----------
    labels : ndarray, shape (k, j, i)
    start : sequence of int
        Index (k, j, i) of the box's first voxel on the grid.
    shape : sequence of int
        Of the grid, (k, j, i).
    """
    result = np.zeros(tuple(shape), labels.dtype)
    spans = [(max(a, 0), min(a + n, size)) for a, n, size in zip(start, labels.shape, shape, strict=True)]
    if all(low < high for low, high in spans):
        inside = tuple(slice(low, high) for low, high in spans)
        source = tuple(slice(low - a, high - a) for (low, high), a in zip(spans, start, strict=True))
        result[inside] = labels[source]
    return result


def count_labelled_slices(
    layers: Sequence[np.ndarray],
    values: Sequence[Mapping[str, int]],
    segments: Sequence[str],
    axis: str = "auto",
    name: str = "",
    names: Sequence[str] = (),
) -> tuple[dict[tuple[str, int], list[int]], list[str]]:
    """Find the labelled slices, and count the voxels of each segment on them.

    Parameters
    ----------
    layers : sequence of ndarray, shape (k, j, i)
        On one grid.
    values : sequence of mapping
        For each layer, segment id -> its value there.
    segments : sequence of str
        Ids of all segments, in the order of the counts.
    axis : str
        As in `ACSegLib.labelled_slices.find_labelled_slices`.
    name : str
        Of the segmentation, for messages.
    names : sequence of str
        Of the segments. One that says "ignore" or the like holds no labels.

    Returns
    -------
    counts : dict
        (axis, slice) -> labelled voxels of each segment.
    notes : list of str
        What a user should know about the labels.

    Raises
    ------
    InputError
        If the labels are oblique to the volume; `DenseLabels` if they are no slices at all.
    """
    left_out = {segment for segment, text in zip(segments, names, strict=False) if role_of(text) == "ignore"}
    labelled = np.zeros(layers[0].shape, bool) if layers else np.zeros((0, 0, 0), bool)
    ignored = np.zeros_like(labelled)
    for layer, known in zip(layers, values, strict=True):
        labelled |= np.isin(layer, [value for segment, value in known.items() if segment not in left_out])
        if left_out & set(known):
            ignored |= np.isin(layer, [value for segment, value in known.items() if segment in left_out])
    counts: dict[tuple[str, int], list[int]] = {}
    if not labelled.any():
        return counts, []
    labelled &= ~ignored
    found = find_labelled_slices(labelled, axis, ignored=ignored if left_out else None)
    problem = found.problem(name)
    if problem and axis == "auto" and _are_outlines(layers, values):
        return counts, ["closed lines are taken for outlines: a fill takes what they enclose for their segment."]
    if problem:
        raise DenseLabels(problem) if found.dense else InputError(problem)
    for letter, numbers in found.slices.items():
        planes = [np.moveaxis(layer, AXES.index(letter), 0) for layer in layers]
        for number in numbers:
            row = dict.fromkeys(segments, 0)
            for plane, known in zip(planes, values, strict=True):
                voxels = np.bincount(plane[number].ravel(), minlength=max(known.values()) + 1)
                row.update({segment: int(voxels[value]) for segment, value in known.items()})
            counts[letter, int(number)] = list(row.values())
    return counts, found.notes()


def _are_outlines(layers: Sequence[np.ndarray], values: Sequence[Mapping[str, int]]) -> bool:
    """Whether labels that are no slices are closed outlines on several planes, or on oblique ones."""
    rows = [
        Segment(identifier, value, id=identifier, layer=number)
        for number, known in enumerate(values)
        for identifier, value in known.items()
    ]
    return bool(find_outlines(Segmentation(tuple(layers), rows)))
