"""Clean-up of a segmentation: select segments, remove islands, fill holes, smooth; in this order, each optional.

Voxels that a person labelled (`keep`) never change: an island that holds a labelled voxel of its segment stays, a hole
that holds labelled background stays open, and smoothing skips labelled voxels. Each layer is cleaned by itself, so
that segments which overlap do not disturb each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Integral, Real

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.postprocess.components import Amount
from ACSegLib.postprocess.rules import (
    FillHoles,
    Labelling,
    RemoveSmallComponents,
    Rule,
    SmoothBoundaries,
    apply_rules,
)
from ACSegLib.volume import Segment, Segmentation

#: One size for all segments, or a size for each; see `ACSegLib.postprocess.components.Amount`.
Amounts = Amount | Mapping[str | int, Amount]

MAX_SMOOTHING = 10.0


def clean(
    segmentation: Segmentation,
    *,
    keep: np.ndarray | None = None,
    only: Iterable[str | int] | None = None,
    ignore: Iterable[str | int] | None = None,
    islands: Amounts | None = None,
    holes: Amounts | None = None,
    smooth: float | None = None,
    progress: Progress | None = None,
) -> Segmentation:
    """Clean a segmentation; the steps run in the order of the parameters.

    Parameters
    ----------
    segmentation : Segmentation
        Any number of layers; is not changed.
    keep : ndarray of bool, shape (k, j, i), optional
        Voxels that a person labelled: they keep their labels, background included, in every layer.
    only, ignore : iterable of segment names, ids or values, optional
        Segments to have in the result, and segments to leave out. This alone removes labelled voxels: those of a
        segment that the result does not have become background, and stay so.
    islands : float, or mapping from segment to float, optional
        Components of a segment smaller than this become background: voxels if 1 or more, else a fraction of the
        segment's largest component. Their voxels share faces. With a mapping only the segments in it are treated.
    holes : float, or mapping from segment to float, optional
        Regions fully enclosed by a segment and no larger than this (voxels if 1 or more, else a fraction of the
        segment; ``math.inf`` for all) are filled: their background becomes the segment, other segments in them stay.
        A region that reaches the border of the volume is not enclosed.
    smooth : float, optional
        Standard deviation of the Gaussian by which the voxels near a boundary vote for their label, in units of the
        smallest voxel edge (0 to 10; the other axes follow by the spacing). Thin structures, and whole components too
        small for the Gaussian, are left as they are.
    progress : Progress, optional

    Returns
    -------
    Segmentation
        Same geometry and label types; the segment table without the segments left out.

    Raises
    ------
    InputError
        For an unknown segment, a size that is not positive, or a `keep` of another shape.
    """
    progress = progress or Progress()
    if smooth is not None and not 0 <= smooth <= MAX_SMOOTHING:
        raise InputError(f"smooth must be 0 to {MAX_SMOOTHING:.0f} voxels, not {smooth!r}.")
    if keep is not None:
        keep = np.asarray(keep, bool)
        if keep.shape != segmentation.shape:
            raise InputError(f"keep has shape {keep.shape}, but the segmentation has {segmentation.shape}.")
    island_sizes = _amounts(segmentation, islands, "islands")
    hole_sizes = _amounts(segmentation, holes, "holes")
    segmentation = select_segments(segmentation, only, ignore)
    spacing = segmentation.geometry.spacing[::-1]
    layers = []
    for n, (layer, part) in enumerate(progress.each(segmentation.layers)):
        rows = [segment for segment in segmentation.segments if segment.layer == n]
        rules: list[Rule] = []
        if sizes := _by_value(rows, island_sizes):
            rules.append(RemoveSmallComponents(sizes))
        if sizes := _by_value(rows, hole_sizes):
            rules.append(FillHoles(sizes))
        # These two write into the array: one copy serves both.
        labelling = Labelling(layer.copy() if rules else layer, known=keep)
        if smooth:
            k, j, i = (smooth * min(spacing) / edge for edge in spacing)
            rules.append(SmoothBoundaries((k, j, i)))
        apply_rules(rules, labelling, part)
        layers.append(labelling.labels)
    progress(1.0, "cleaned")
    return replace(segmentation, layers=tuple(layers))


def select_segments(
    segmentation: Segmentation, only: Iterable[str | int] | None = None, ignore: Iterable[str | int] | None = None
) -> Segmentation:
    """Leave segments out of a segmentation: all but `only`, and those in `ignore` (names, ids or values)."""
    wanted = segmentation.segments if only is None else _find(segmentation, only, "only")
    unwanted = [] if ignore is None else _find(segmentation, ignore, "ignore")
    kept = [row for row in segmentation.segments if row in wanted and row not in unwanted]
    if len(kept) == len(segmentation.segments):
        return segmentation
    layers = []
    for n, layer in enumerate(segmentation.layers):
        gone = [row.value for row in segmentation.segments if row.layer == n and row not in kept]
        layers.append(_without(layer, gone) if gone else layer)
    return replace(segmentation, layers=tuple(layers), segments=kept)


def _find(segmentation: Segmentation, keys: Iterable[str | int], what: str) -> list[Segment]:
    if isinstance(keys, (str, Integral)):
        raise InputError(f"{what} must be a list of segments, not {keys!r}.")
    return [segmentation.segment(key) for key in keys]


def _without(layer: np.ndarray, values: list[int]) -> np.ndarray:
    top = int(layer.max())
    if top < 1 << 20:
        table = np.arange(top + 1, dtype=layer.dtype)
        table[[value for value in values if value <= top]] = 0
        return table[layer]
    return np.where(np.isin(layer, values), 0, layer).astype(layer.dtype)


def _amounts(segmentation: Segmentation, given: Amounts | None, what: str) -> dict[str, Amount]:
    """Size for each segment id; empty where the step is off."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        sizes = {segmentation.segment(key).id: value for key, value in given.items()}
    else:
        sizes = {segment.id: given for segment in segmentation.segments}
    for value in sizes.values():
        if not isinstance(value, Real) or math.isnan(value) or value < 0:
            raise InputError(f"{what} must be a number of voxels or a fraction below 1, not {value!r}.")
    return {key: float(value) for key, value in sizes.items() if value > 0}


def _by_value(rows: list[Segment], sizes: dict[str, Amount]) -> dict[int, Amount]:
    return {row.value: sizes[row.id] for row in rows if row.id in sizes}
