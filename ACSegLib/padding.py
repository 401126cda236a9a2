"""Padding: constant values around the specimen.

Reconstructions fill what lies outside of their circle with a constant. So do programs that rotate or align stacks.
Where the medium is not near that constant, the padding would stretch every statistic of the image, and its contrast
would shrink. A value counts as padding only if all of this holds:

- It lies in a corner of the image, or of the box that other padding leaves.

- It is exactly the same in many voxels.

- No other intensity lies near it. For networks, which would take padding as bright as a cell for one, it may also be
  one of the intensities (`paddings_for_networks`): then it is solid around the rest, and most of the rest is not.

- What remains is a field of view: convex, and bounded by a few planes or a cylinder. So the background of masked cells
  is none, and neither is that of an image with a threshold.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.files.lazy import every_nth
from ACSegLib.masks import Box, bounding_box

#: Share of the image that padding of one value has.
MIN_SHARE, MAX_SHARE = 0.001, 0.9
#: Gap between padding and the other intensities, as a share of their range; percentiles that tell where they end, and
#: what their range is.
MIN_GAP, ENDS, RANGE = 0.25, (0.1, 99.9), (0.5, 99.5)
#: Fewest different intensities of an image: in one of few levels, such as labels, each lies far from the others.
MIN_LEVELS = 16
#: Share of its convex hull that a field of view fills, at least. Planes of an aligned stack are shifted a little.
MIN_CONVEXITY = 0.85
#: Share of the surface of the hull that so many directions hold, each with all normals up to this angle (degrees): a
#: cylinder has 18 and two ends, a box six. A sphere has 0.2, a long capsule 0.7.
MIN_RULED, DIRECTIONS, ANGLE = 0.85, 24, 10.0
#: Voxels a side on which the shape is judged.
_SIDE = 64
#: Normals are rounded to this, to have few of them.
_ROUNDING = 0.05
#: Voxels of an image that its padding is looked for in.
_SAMPLE_VOXELS = 4_000_000
#: Share of what remains that may be solid, and that may have the value of the padding. Noise has none, a masked vacuum
#: a quarter; labels, and simulations without noise, are nearly all solid.
MAX_SOLID, MAX_SCATTERED = 0.4, 0.02
#: Share of the range by which a solid value absorbs more than its replacement, at least.
MIN_MORE = 0.1
#: Percentile of the other intensities that replaces padding, from the end that does not absorb. The most common one is
#: that of the cells where they are packed: the network took the padding for a cell, or found no cell at all.
REPLACEMENT = 10
#: Different padding values that are looked for.
_MAX_VALUES = 3
#: Share of the plane beside constant ones that may have their value; more is a part of the image.
MAX_SHARE_BESIDE = 0.5


@dataclass(frozen=True)
class Padding:
    """What surrounds the specimen and does not belong to it.

    Parameters
    ----------
    values : tuple of float
        One or more.
    replacement : float
        One of the other intensities, of medium or vacuum: a dark one, where bright is absorbing.
    share : float
        Of the image that is padding.
    far : bool
        Whether each value is far from the other intensities; else one is among them, but solid.
    dark_absorbs : bool
        Whether the replacement is a bright intensity.
    """

    values: tuple[float, ...]
    replacement: float
    share: float
    far: bool = True
    dark_absorbs: bool = False

    def where(self, array: np.ndarray) -> np.ndarray:
        """Tell where an array is padding; bool of the same shape."""
        found = array == self.values[0]
        for value in self.values[1:]:
            found |= array == value
        return found

    def replace(self, array: np.ndarray) -> None:
        """Put the replacement in the place of the padding, within an array of floats."""
        for value in self.values:
            array[array == array.dtype.type(value)] = self.replacement

    def note(self, treatment: str) -> str:
        """Give the sentence that tells a user; `treatment`, its end, says what became of the padding."""
        several = len(self.values) > 1
        named = " and ".join(f"{value:g}" for value in self.values)
        if self.far:
            why = f"{'are' if several else 'is'} far from its intensities"
        else:
            why = f"{'have' if several else 'has'} no noise, unlike its intensities"
        return (
            f"the value{'s' * several} {named} around the specimen ({100 * self.share:.2g} % of the voxels) {why}, "
            f"so {'they count' if several else 'it counts'} as padding; {treatment}"
        )

    def note_on_replacement(self) -> str:
        """Give the `note` where the padding is replaced."""
        kind = "bright" if self.dark_absorbs else "dark"
        return self.note(f"a {kind} intensity replaced it, {self.replacement:.4g}")


def find_padding(sample: np.ndarray) -> Padding | None:
    """Find the padding of an image that is far from its intensities.

    Parameters
    ----------
    sample : ndarray, shape (k, j, i), numeric
        The image, or every n-th voxel of it along each axis. Voxels that are not finite are outside, too.

    Returns
    -------
    Padding or None
        None if the image has none.
    """
    if not _may_be_padded(sample):
        return None
    values, inside = _far_values(sample)
    return _as_padding(sample, values, inside)


def paddings_for_networks(sample: np.ndarray) -> tuple[Padding | None, Padding | None]:
    """Find the padding of an image, also that among its intensities.

    Parameters
    ----------
    sample : ndarray, shape (k, j, i), numeric
        As for `find_padding`.

    Returns
    -------
    (Padding or None, Padding or None)
        Of an image in which bright, and in which dark intensities absorb. A solid value that looks like vacuum then
        is no padding: a network sees nothing in it.
    """
    if not _may_be_padded(sample):
        return None, None
    values, inside = _far_values(sample)
    value = _value_in_corner(sample, inside, _is_solid) if len(values) < _MAX_VALUES else None
    within = inside if value is None else inside & (sample != value)
    solid = value is not None and is_field_of_view(within)
    found = []
    for dark_absorbs in (False, True):
        padding = _as_padding(sample, [*values, value], within, dark_absorbs, far=False) if solid else None
        if padding is None or _looks_like_vacuum(value, sample[within], padding):
            padding = _as_padding(sample, values, inside, dark_absorbs)
        found.append(padding)
    return found[0], found[1]


def _looks_like_vacuum(value: Any, others: np.ndarray, padding: Padding) -> bool:
    """Tell whether a value absorbs no more than what would replace it."""
    low, high = np.percentile(others, RANGE)
    more = float(value) - padding.replacement
    return bool((-more if padding.dark_absorbs else more) < MIN_MORE * (high - low))


def _may_be_padded(sample: np.ndarray) -> bool:
    return sample.ndim == 3 and sample.dtype.kind in "iuf" and _corners_are_flat(sample)


def _far_values(sample: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Values far from the others, and where the others are: a field of view, if there is such a value."""
    inside = np.isfinite(sample)
    values: list[Any] = []
    while len(values) < _MAX_VALUES and (value := _value_in_corner(sample, inside, _is_far)) is not None:
        values.append(value)
        inside &= sample != value
    while values and not is_field_of_view(inside):
        inside |= sample == values.pop()
    return values, inside


def _as_padding(
    sample: np.ndarray, values: list[Any], inside: np.ndarray, dark_absorbs: bool = False, far: bool = True
) -> Padding | None:
    if not values:
        return None
    share = sum(int(np.count_nonzero(sample == value)) for value in values) / sample.size
    percentile = 100 - REPLACEMENT if dark_absorbs else REPLACEMENT
    replacement = float(np.percentile(sample[inside], percentile))
    return Padding(tuple(float(value) for value in values), replacement, float(share), far, dark_absorbs)


def _corners_are_flat(sample: np.ndarray) -> bool:
    """Tell at once for most images: whether a corner has a neighbour of its value, or no value."""
    for corner in itertools.product(*((0, n - 1) for n in sample.shape)):
        value = sample[corner]
        if not np.isfinite(value):
            return True
        for axis, n in enumerate(corner):
            if sample.shape[axis] > 1:
                beside = (*corner[:axis], n + 1 if n == 0 else n - 1, *corner[axis + 1 :])
                if sample[beside] == value:
                    return True
    return False


def padding_of(array: Any, check: Callable[[], None] = lambda: None) -> Padding | None:
    """Find the padding of an image, shape (k, j, i), in about four million voxels; it may lie on the disk.

    `check` is called after each block that is read, and may raise `Cancelled`.
    """
    return find_padding(every_nth(array, _SAMPLE_VOXELS, check))


def box_without_constant_planes(array: np.ndarray) -> Box | None:
    """Find the box that is left without the planes at the border that hold one value alone, or no finite value.

    Parameters
    ----------
    array : ndarray, shape (k, j, i), numeric

    Returns
    -------
    Box or None
        None where no plane is left out. Planes beside what holds their value in half of its voxels or more stay: so do
        the medium around a specimen, and vacuum, where intensities are clipped.
    """
    box = [slice(0, n) for n in array.shape]
    ends = []
    for axis, end in itertools.product(range(3), (False, True)):
        planes = np.moveaxis(array, axis, 0)[:: -1 if end else 1]
        value, count = planes[0, 0, 0], 0
        while count < len(planes) and _holds_alone(planes[count], value):
            count += 1
        if count == len(planes):
            return None
        ends.append((axis, end, value, count))
        start, stop = box[axis].start, box[axis].stop
        box[axis] = slice(start, stop - count) if end else slice(start + count, stop)
    inside = array[tuple(box)]
    if not inside.size:
        return None
    for axis, end, value, count in ends:
        beside = inside.take(-1 if end else 0, axis=axis)
        if count and np.mean(has_value(beside, value)) >= MAX_SHARE_BESIDE:
            start, stop = box[axis].start, box[axis].stop
            box[axis] = slice(start, stop + count) if end else slice(start - count, stop)
    found = (box[0], box[1], box[2])
    return None if all(side == slice(0, n) for side, n in zip(found, array.shape, strict=True)) else found


def has_value(array: np.ndarray, value: Any) -> np.ndarray:
    """Tell which voxels have a value; if it is not finite, which are not finite either; bool of the same shape."""
    return array == value if np.isfinite(value) else ~np.isfinite(array)


def _holds_alone(plane: np.ndarray, value: Any) -> bool:
    """Tell whether a plane holds one value alone; a few voxels of it tell at once for most."""
    few = plane[:: max(1, plane.shape[0] // 8), :: max(1, plane.shape[1] // 8)]
    return bool(has_value(few, value).all() and has_value(plane, value).all())


def intensities(sample: np.ndarray) -> np.ndarray:
    """Give the finite intensities of a sample, (n,), without its padding."""
    padding, known = find_padding(sample), np.isfinite(sample)
    return sample[known if padding is None else known & ~padding.where(sample)]


def _value_in_corner(
    sample: np.ndarray, inside: np.ndarray, is_padding: Callable[[np.ndarray, np.ndarray, Any], bool]
) -> Any:
    """Give a value in a corner of what is inside that is frequent and of which `is_padding` holds; or None."""
    box = bounding_box(inside)
    if box is None:
        return None
    corners = [sample[place] for place in itertools.product(*((s.start, s.stop - 1) for s in box)) if inside[place]]
    for value in dict.fromkeys(corners):
        share = np.count_nonzero(sample == value) / sample.size
        if MIN_SHARE <= share <= MAX_SHARE and is_padding(sample, inside, value):
            return value
    return None


def _is_far(sample: np.ndarray, inside: np.ndarray, value: Any) -> bool:
    """Tell whether a value is far from all others that are inside."""
    rest = sample[inside & (sample != value)]
    if not rest.size:
        return False
    first, low, high, last = (float(v) for v in np.percentile(rest, (ENDS[0], *RANGE, ENDS[1])))
    gap = max(first - float(value), float(value) - last)
    few = rest[:: max(1, rest.size // 100_000)]
    return high > low and gap > MIN_GAP * (high - low) and len(np.unique(few)) >= MIN_LEVELS


def _is_solid(sample: np.ndarray, inside: np.ndarray, value: Any) -> bool:
    """Tell whether a value is solid where it is, and most of what else is inside is not.

    A voxel is solid if its six neighbours have its value.
    """
    from scipy.ndimage import label

    alike = sample == value
    rest = np.count_nonzero(inside & ~alike)
    solid = np.ones(sample.shape, bool)
    for axis in range(3):
        planes, found = np.moveaxis(sample, axis, 0), np.moveaxis(solid, axis, 0)
        same = planes[1:] == planes[:-1]
        found[1:] &= same
        found[:-1] &= same
    own = solid & alike
    if np.count_nonzero(own) < MIN_SHARE * sample.size:
        return False
    if np.count_nonzero(solid & inside) - np.count_nonzero(own) > MAX_SOLID * rest:
        return False
    parts, number = label(alike)
    scattered = np.ones(number + 1, bool)
    scattered[np.unique(parts[own])] = False
    return bool(np.bincount(parts.ravel())[1:][scattered[1:]].sum() <= MAX_SCATTERED * rest)


def is_field_of_view(mask: np.ndarray) -> bool:
    """Tell whether a mask is what an instrument sees of a specimen, not the specimen's own shape.

    A field of view is convex, and bounded by a few planes, by a cylinder, or both.

    Parameters
    ----------
    mask : ndarray of bool, shape (k, j, i)
    """
    from scipy.spatial import ConvexHull

    mask = mask[tuple(slice(None, None, max(1, -(-n // _SIDE))) for n in mask.shape)]
    columns = np.argwhere(mask.any(axis=0))
    if not len(columns):
        return False
    first, last = mask.argmax(axis=0), len(mask) - mask[::-1].argmax(axis=0)
    ends = np.concatenate([first[tuple(columns.T)], last[tuple(columns.T)]])
    places = np.concatenate([columns, columns])
    points = np.concatenate(
        [np.column_stack([ends, places + corner]) for corner in itertools.product((0, 1), repeat=2)]
    )
    hull = ConvexHull(points / np.array(mask.shape))
    if np.count_nonzero(mask) < MIN_CONVEXITY * hull.volume * mask.size:
        return False
    triangles = hull.points[hull.simplices]
    crosses = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    rough, facet = np.unique(np.round(hull.equations[:, :3] / _ROUNDING), axis=0, return_inverse=True)
    areas = np.bincount(facet.ravel(), np.linalg.norm(crosses, axis=1))
    normals = rough / np.linalg.norm(rough, axis=1, keepdims=True)
    alike = (normals @ normals.T > np.cos(np.radians(ANGLE))).astype(float)
    left = areas.copy()
    for _ in range(DIRECTIONS):
        left[alike[(alike @ left).argmax()] > 0] = 0
    return bool(left.sum() <= (1 - MIN_RULED) * areas.sum())
