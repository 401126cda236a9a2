"""Small functions on masks (boolean, (k, j, i)) and labels that several packages share: boxes, dilation, borders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ACSegLib.threads import chunks_of, in_threads, look_up

Box = tuple[slice, slice, slice]

#: Values up to this are looked up in a table; a longer one would not fit.
_MAX_TABLE = 1 << 20


def grow_or_shrink(mask: np.ndarray, grow: bool, steps: int = 1) -> np.ndarray:
    """Dilate (`grow`) or erode a bool mask by the six neighbours, in steps; at the border the mask goes on as it is.

    64 voxels of a row are a number, so that they are treated at once.
    """
    if not mask.size or steps < 1:
        return mask.copy()
    bits = _packed(mask if grow else ~mask)  # to erode a mask is to dilate what it leaves
    columns = mask.shape[2]
    inside = np.uint64((1 << ((columns - 1) % 64 + 1)) - 1)
    for _ in range(steps):
        bits = _dilated(bits)
        bits[..., -1] &= inside
    out = np.unpackbits(bits.view(np.uint8), axis=2, count=columns, bitorder="little").view(bool)
    return out if grow else np.logical_not(out, out=out)


def _packed(mask: np.ndarray) -> np.ndarray:
    """A bool mask with 64 voxels of a row in a number, the first one in the lowest bit; zeros fill the last one."""
    rows = np.packbits(mask, axis=2, bitorder="little")
    filled = np.zeros((*mask.shape[:2], -(-mask.shape[2] // 64) * 8), np.uint8)
    filled[..., : rows.shape[2]] = rows
    return filled.view("<u8")


def _dilated(bits: np.ndarray) -> np.ndarray:
    """A packed mask, dilated by the six neighbours; bits beyond the end of a row may be set."""
    out = bits << np.uint64(1)
    out |= bits
    out |= bits >> np.uint64(1)
    out[..., 1:] |= bits[..., :-1] >> np.uint64(63)
    out[..., :-1] |= bits[..., 1:] << np.uint64(63)
    for axis in range(2):
        source, target = np.moveaxis(bits, axis, 0), np.moveaxis(out, axis, 0)
        target[1:] |= source[:-1]
        target[:-1] |= source[1:]
    return out


def bounding_box(mask: np.ndarray, margin: int = 0) -> Box | None:
    """Slices (k, j, i) of the smallest box that holds the mask, grown by `margin` inside the array; None if empty."""
    return _box_of(mask, lambda part: part, margin)


def value_box(labels: np.ndarray, value: int, margin: int = 0) -> Box | None:
    """As ``bounding_box(labels == value, margin)``, without a mask of the whole array."""
    return _box_of(labels, lambda part: part == value, margin)


def count_value(labels: np.ndarray, value: int) -> int:
    """Voxels of a value, without a mask of the whole array."""
    return sum(in_threads(lambda part: int(np.count_nonzero(labels[part] == value)), chunks_of(labels)))


def relabelled(labels: np.ndarray, values: Mapping[int, int], dtype: type | np.dtype) -> np.ndarray:
    """Labels with each value replaced by another, of a number type; 0 (or False) where none is given."""
    if not values:
        return np.zeros(labels.shape, dtype)
    top = int(labels.max(initial=0))
    if top <= _MAX_TABLE:
        table = np.zeros(top + 1, dtype)
        for old, new in values.items():
            if old <= top:
                table[old] = new
        if not np.array_equal(table, np.arange(top + 1)):
            return look_up(table, labels)
        same = np.empty(labels.shape, dtype)
        in_threads(lambda part: np.copyto(same[part], labels[part], casting="unsafe"), chunks_of(labels))
        return same
    ordered = sorted(values)
    known = np.array(ordered, labels.dtype)
    others = np.array([values[value] for value in ordered], dtype)
    places = np.minimum(np.searchsorted(known, labels), len(known) - 1)
    return np.where(known[places] == labels, others[places], np.zeros((), dtype))


def _box_of(array: np.ndarray, mask_of: Callable[[np.ndarray], np.ndarray], margin: int) -> Box | None:
    def look(chunk: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mask = mask_of(array[chunk])
        inside = np.any(mask, axis=0)
        return np.any(mask, axis=(1, 2)), np.any(inside, axis=1), np.any(inside, axis=0)

    parts = in_threads(look, chunks_of(array))
    if not parts:
        return None
    spans = [np.concatenate([part[0] for part in parts])]
    spans += [np.logical_or.reduce([part[axis] for part in parts]) for axis in (1, 2)]
    if not spans[0].any():
        return None
    box = []
    for span in spans:
        found = np.flatnonzero(span)
        box.append(slice(max(int(found[0]) - margin, 0), min(int(found[-1]) + 1 + margin, len(span))))
    return box[0], box[1], box[2]


def grown_box(box: Box, distance: float, spacing: Sequence[float], shape: Sequence[int]) -> Box:
    """A box, grown by a distance (in the unit of the spacing along k, j, i) within an array of `shape`."""
    sides = []
    for side, h, size in zip(box, spacing, shape, strict=True):
        margin = math.ceil(distance / h)
        sides.append(slice(max(side.start - margin, 0), min(side.stop + margin, size)))
    return sides[0], sides[1], sides[2]


def listed_masks(places: np.ndarray, values: np.ndarray, shape: Sequence[int]) -> Iterator[tuple[int, Box, np.ndarray]]:
    """Each value of some voxels, the smallest box that holds its voxels and those beside them, and their mask there.

    What few voxels of a large array have is found without a pass over the array.

    Parameters
    ----------
    places : ndarray of int, (N,)
        Positions in the flattened array.
    values : ndarray of int, (N,)
    shape : sequence of int
        Of the array, (K, J, I).
    """
    order = np.argsort(values, kind="stable")
    found, starts = np.unique(values[order], return_index=True)
    for value, own in zip(found.tolist(), np.split(places[order], starts[1:]), strict=False):
        points = np.unravel_index(own, tuple(shape))
        sides = zip(points, shape, strict=True)
        k, j, i = (slice(max(int(at.min()) - 1, 0), min(int(at.max()) + 2, size)) for at, size in sides)
        mask = np.zeros((k.stop - k.start, j.stop - j.start, i.stop - i.start), bool)
        mask[points[0] - k.start, points[1] - j.start, points[2] - i.start] = True
        yield value, (k, j, i), mask


def outside_of(box: Box, shape: Sequence[int]) -> np.ndarray:
    """Voxels outside of a box; bool, shape (k, j, i)."""
    mask = np.ones(tuple(shape), bool)
    mask[box] = False
    return mask


def common_box(part: Box, box: Box) -> Box:
    """What two boxes have in common, from the corner of the second one; empty if that is nothing."""
    sides = [(max(a.start, b.start) - b.start, min(a.stop, b.stop) - b.start) for a, b in zip(part, box, strict=True)]
    k, j, i = (slice(low, max(low, high)) for low, high in sides)
    return k, j, i


def relative_box(part: Sequence[slice], box: Sequence[slice]) -> Box:
    """The place of a part of an array in a box that holds it."""
    k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, box, strict=True))
    return k, j, i


def box_size(box: Box) -> int:
    """Number of voxels of a box."""
    return math.prod(side.stop - side.start for side in box)


def at_borders(labels: np.ndarray, with_background: bool = True) -> np.ndarray:
    """Voxels with a face to a voxel of another label, bool.

    Parameters
    ----------
    labels : ndarray of int, of any dimension
    with_background : bool
        Whether the border to label 0 counts, too.
    """
    found = np.zeros(labels.shape, bool)

    def look(part: slice) -> None:
        low = max(part.start - 1, 0)
        found[part] = _at_borders(labels[low : part.stop + 1], with_background)[part.start - low :][: len(found[part])]

    in_threads(look, chunks_of(labels))
    return found


def _at_borders(labels: np.ndarray, with_background: bool) -> np.ndarray:
    found = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        values, borders = np.moveaxis(labels, axis, 0), np.moveaxis(found, axis, 0)
        differ = values[:-1] != values[1:]
        if not with_background:
            differ &= (values[:-1] > 0) & (values[1:] > 0)
        borders[:-1] |= differ
        borders[1:] |= differ
    return found


def eroded(mask: np.ndarray) -> np.ndarray:
    """Voxels (boolean, (k, j, i)) whose six neighbours are in the mask as well; outside the array nothing is."""
    inner = mask.copy()
    for axis in range(3):
        source, target = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        target[1:] &= source[:-1]
        target[:-1] &= source[1:]
        target[0] = target[-1] = False
    return inner
