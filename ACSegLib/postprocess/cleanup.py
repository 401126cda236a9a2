"""Clean-up of a segmentation: select segments, remove islands, fill holes, smooth; in this order, each optional.

Voxels that the person drew (`keep`) never change: an island that holds a drawn voxel of its segment stays, a hole that
holds a drawn background voxel stays open, and smoothing passes drawn voxels by. Each layer is cleaned by itself, so
segments that overlap do not disturb each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segment, Segmentation

#: A size in voxels (1 or more), or a fraction (below 1) of the segment's largest component or of the segment.
Amount = float
Amounts = Amount | Mapping[str | int, Amount]
Box = tuple[slice, slice, slice]

_RANK = {6: 1, 18: 2, 26: 3}
_LARGEST_SMOOTHING = 10.0


def clean(
    segmentation: Segmentation,
    *,
    keep: np.ndarray | None = None,
    only: Iterable[str | int] | None = None,
    ignore: Iterable[str | int] | None = None,
    islands: Amounts | None = None,
    holes: Amounts | None = None,
    smooth: float | None = None,
    connectivity: int = 6,
    progress: Progress | None = None,
) -> Segmentation:
    """Clean a segmentation; the steps run in the order of the parameters.

    Parameters
    ----------
    segmentation : Segmentation
        Any number of layers; is not changed.
    keep : ndarray of bool, shape (k, j, i), optional
        Voxels drawn by the person: they keep their labels, background included, in every layer.
    only, ignore : iterable of segment names, ids or values, optional
        Segments to have in the result, and segments to leave out. This alone takes drawn voxels away: those of a
        segment that the result does not have become background, and stay so.
    islands : float, or mapping from segment to float, optional
        Components of a segment smaller than this become background: voxels if 1 or more, else a fraction of the
        segment's largest component. With a mapping only the segments in it are treated.
    holes : float, or mapping from segment to float, optional
        Regions fully enclosed by a segment and no larger than this (voxels if 1 or more, else a fraction of the
        segment; ``math.inf`` for all) are filled: their background becomes the segment, other segments in them stay.
        A region that reaches the border of the volume is not enclosed.
    smooth : float, optional
        Standard deviation of the Gaussian by which the voxels near a boundary vote for their label, in units of the
        smallest voxel edge (0 to 10; the other axes follow by the spacing). Thin parts, and whole components too small
        for the Gaussian, are left as they are.
    connectivity : int
        6, 18 or 26: neighbours by which a component (or an enclosed region) hangs together.
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
    if connectivity not in _RANK:
        raise InputError(f"connectivity must be 6, 18 or 26, not {connectivity!r}.")
    if smooth is not None and not 0 <= smooth <= _LARGEST_SMOOTHING:
        raise InputError(f"smooth must be 0 to {_LARGEST_SMOOTHING:.0f} voxels, not {smooth!r}.")
    if keep is not None:
        keep = np.asarray(keep, bool)
        if keep.shape != segmentation.shape:
            raise InputError(f"keep has shape {keep.shape}, but the segmentation has {segmentation.shape}.")
    island_sizes = _amounts(segmentation, islands, "islands")
    hole_sizes = _amounts(segmentation, holes, "holes")
    segmentation = select_segments(segmentation, only, ignore)
    layers = []
    for n, layer in enumerate(segmentation.layers):
        here = progress.part(n / len(segmentation.layers), (n + 1) / len(segmentation.layers))
        rows = [segment for segment in segmentation.segments if segment.layer == n]
        # Removing islands writes into the array, filling holes too: one copy serves both.
        layer = layer.copy() if island_sizes or hole_sizes else layer
        _remove_islands(layer, _sized(rows, island_sizes), keep, connectivity, here.part(0.0, 0.35))
        _fill_holes(layer, _sized(rows, hole_sizes), keep, connectivity, here.part(0.35, 0.7))
        if smooth:
            from ACSegLib.postprocess.smoothing import smooth_labels

            spacing = segmentation.geometry.spacing[::-1]
            sigmas = tuple(smooth * min(spacing) / edge for edge in spacing)
            layer = smooth_labels(layer, sigmas, keep, here.part(0.7, 1.0))
        layers.append(layer)
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
    if isinstance(keys, (str, int)):
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
        sizes = {segmentation.segment(key).id: float(value) for key, value in given.items()}
    else:
        sizes = {segment.id: float(given) for segment in segmentation.segments}
    for value in sizes.values():
        if math.isnan(value) or value < 0:
            raise InputError(f"{what} must be a number of voxels or a fraction below 1, not {value!r}.")
    return {key: value for key, value in sizes.items() if value > 0}


def _sized(rows: list[Segment], sizes: dict[str, Amount]) -> list[tuple[Segment, Amount]]:
    return [(row, sizes[row.id]) for row in rows if row.id in sizes]


def _boxes(
    layer: np.ndarray, rows: list[tuple[Segment, Amount]], what: str, progress: Progress
) -> Iterator[tuple[Segment, Amount, Box]]:
    """Each segment that is present, with the box that holds it: no segment costs a pass over the whole volume."""
    from scipy import ndimage

    if not rows:
        return
    top = max(row.value for row, _ in rows)
    # find_objects knows signed types and small unsigned ones; labels are never so large that a view would lie.
    signed = layer if layer.dtype.itemsize == 1 else layer.view(f"i{layer.dtype.itemsize}")
    boxes = ndimage.find_objects(signed, top)
    for n, (row, amount) in enumerate(rows):
        progress(n / len(rows), f"{what}: {row.name}")
        box = boxes[row.value - 1]
        if box is not None:
            yield row, amount, box


def _components(mask: np.ndarray, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Component number of each voxel (0 outside the mask), and the size of each; sizes[0] is 0."""
    from scipy import ndimage

    numbers, _ = ndimage.label(mask, ndimage.generate_binary_structure(3, _RANK[connectivity]))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return numbers, sizes


def _remove_islands(
    layer: np.ndarray,
    rows: list[tuple[Segment, Amount]],
    keep: np.ndarray | None,
    connectivity: int,
    progress: Progress,
) -> None:
    for row, amount, box in _boxes(layer, rows, "removing islands", progress):
        part = layer[box]
        numbers, sizes = _components(part == row.value, connectivity)
        progress.check()
        doomed = (sizes > 0) & (sizes < (amount if amount >= 1 else amount * sizes.max()))
        if keep is not None:
            doomed[np.unique(numbers[keep[box]])] = False
        if doomed.any():
            part[doomed[numbers]] = 0


def _fill_holes(
    layer: np.ndarray,
    rows: list[tuple[Segment, Amount]],
    keep: np.ndarray | None,
    connectivity: int,
    progress: Progress,
) -> None:
    """Fill enclosed regions, the smallest first: where one segment encloses another, the inner one has its own hole."""
    found: list[tuple[int, int, np.ndarray]] = []
    for row, amount, box in _boxes(layer, rows, "filling holes", progress):
        inside = layer[box] == row.value
        limit = amount if amount >= 1 else amount * np.count_nonzero(inside)
        numbers, sizes = _components(~inside, connectivity)
        progress.check()
        sizes[sizes > limit] = 0
        # The world outside the box is one region: what reaches a face of the box is not enclosed.
        for axis in range(3):
            for face in (0, -1):
                sizes[np.unique(np.take(numbers, face, axis))] = 0
        background = layer[box] == 0
        if keep is not None:
            sizes[np.unique(numbers[keep[box] & background])] = 0
        background &= (sizes > 0)[numbers]
        where = np.ravel_multi_index(
            tuple(index + side.start for index, side in zip(np.nonzero(background), box, strict=True)), layer.shape
        )
        owner = numbers[background]
        order = np.argsort(owner, kind="stable")
        starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
        for voxels in np.split(where[order], starts[1:]) if len(starts) else []:
            first = np.unravel_index(voxels[0], layer.shape)
            number = numbers[tuple(n - side.start for n, side in zip(first, box, strict=True))]
            found.append((int(sizes[number]), row.value, voxels))
    flat = layer.reshape(-1)
    for _, value, voxels in sorted(found, key=lambda hole: hole[:2]):
        flat[voxels[flat[voxels] == 0]] = value
