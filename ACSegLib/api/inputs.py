"""Arguments of the Python library as `Volume` and `Segmentation`: these themselves, or arrays with a spacing.

The spacing of an array is in the order of the array, (z, y, x), as in scikit-image. `Geometry` has it in the order
(x, y, z), as ITK does. This is the only place that converts the one into the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.arrays import to_numpy
from ACSegLib.errors import InputError
from ACSegLib.volume import Geometry, Segmentation, Volume

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    Image = Volume | ArrayLike
    Labels = Segmentation | Volume | ArrayLike
    Spacing = float | Sequence[float]


def array_geometry(spacing: Spacing | None, unit: str | None) -> Geometry:
    """Geometry of an array.

    Parameters
    ----------
    spacing : float or sequence of 3 floats, optional
        Voxel size along (z, y, x); one number for cubic voxels; 1 if left out.
    unit : str, optional
        Unit of `spacing`; "px" (not known) if left out.

    Raises
    ------
    InputError
        If a number is missing, not finite or not positive, or if a unit is given without a spacing.
    """
    if spacing is None:
        if unit not in (None, "px"):
            raise InputError(f"unit={unit!r} needs a spacing: give the voxel size along (z, y, x) too.")
        return Geometry()
    try:
        sizes = np.asarray(spacing, float).ravel() if np.asarray(spacing).dtype != bool else np.empty(0)
    except (TypeError, ValueError):
        sizes = np.empty(0)
    if sizes.size == 1:
        sizes = np.repeat(sizes, 3)
    if sizes.size != 3 or not np.isfinite(sizes).all() or sizes.min() <= 0:
        raise InputError(
            f"spacing must be one or three positive numbers, the voxel size along (z, y, x), not {spacing!r}."
        )
    z, y, x = (float(size) for size in sizes)
    return Geometry(spacing=(x, y, z), unit=unit or "px")


def as_volume(image: Image, spacing: Spacing | None = None, unit: str | None = None) -> Volume:
    """Make a `Volume` of an array, or return the one that was given.

    Parameters
    ----------
    image : Volume or array_like, shape (z, y, x)
        Any real number type. See `ACSegLib.arrays` for the libraries whose arrays are understood.
    spacing, unit : optional
        See `array_geometry`. A volume has its own, unless its file states none.

    Raises
    ------
    InputError
        If it is not a 3D image of one channel, or if a volume is given with another spacing.
    """
    given, geometry = _with_geometry({"image": image}, spacing, unit)
    return _volume(given["image"], geometry, "image")


def as_segmentation(labels: Labels, spacing: Spacing | None = None, unit: str | None = None) -> Segmentation:
    """Make a `Segmentation` of a label array, or return the one that was given.

    Parameters
    ----------
    labels : Segmentation, Volume or array_like, shape (z, y, x)
        Whole numbers; 0 is background. A value v becomes the segment "Segment_v", and True becomes "Segment_1".
    spacing, unit : optional
        See `array_geometry`. A segmentation has its own, unless its file states none.

    Raises
    ------
    InputError
        If it is not a 3D array of whole numbers of 0 or more, or if a segmentation is given with another spacing.
    """
    given, geometry = _with_geometry({"labels": labels}, spacing, unit)
    return _segmentation(given["labels"], geometry, "labels")


def as_pair(
    image: Image, labels: Labels, spacing: Spacing | None = None, unit: str | None = None, name: str = "labels"
) -> tuple[Volume, Segmentation]:
    """Make a `Volume` and a `Segmentation` of an image and its labels, which the caller has under this name.

    An array beside a volume or a segmentation gets the geometry of that one.

    Raises
    ------
    InputError
        As `as_volume` and `as_segmentation`; and if an array differs in shape from the other side.
    """
    given, geometry = _with_geometry({"image": image, name: labels}, spacing, unit)
    volume, segmentation = _volume(given["image"], geometry, "image"), _segmentation(given[name], geometry, name)
    if not (_has_geometry(image) and _has_geometry(labels)):
        _require_same_shape("image", volume.shape, name, segmentation.shape)
    return volume, segmentation


def as_segmentations(
    result: Labels, reference: Labels, spacing: Spacing | None = None, unit: str | None = None
) -> tuple[Segmentation, Segmentation]:
    """As `as_pair`, for a segmentation and the reference that it is compared with."""
    given, geometry = _with_geometry({"result": result, "reference": reference}, spacing, unit)
    first, second = (_segmentation(given[name], geometry, name) for name in given)
    if not (_has_geometry(result) and _has_geometry(reference)):
        _require_same_shape("result", first.shape, "reference", second.shape)
    return first, second


def with_segments_of(known: Segmentation, edited: Segmentation) -> Segmentation:
    """The labels of an edited array with the names and ids of known values, and new segments for the others.

    Raises
    ------
    InputError
        If the known segments overlap: an array cannot tell them apart.
    """
    if known.overlapping:
        raise InputError(f"the segments of {known.name!r} overlap; give the edited labels as a Segmentation too.")
    values = {segment.value for segment in known.segments}
    rows = [*known.segments, *(segment for segment in edited.segments if segment.value not in values)]
    return Segmentation(edited.layers, rows, known.geometry, known.name)


def as_bool_mask(mask: ArrayLike | None, shape: tuple[int, int, int], name: str) -> np.ndarray | None:
    """Make a NumPy array of a mask of voxels; None stays None.

    Raises
    ------
    InputError
        If it is not an array of bool, or not of this shape.
    """
    if mask is None:
        return None
    array = to_numpy(mask, name, masked="refuse")
    if array.dtype.kind != "b":
        raise InputError(f"{name} must be an array of bool, not of {array.dtype}; give {name} != 0.")
    _require_same_shape("image", shape, name, array.shape)
    return array


def as_region(region: Sequence[slice] | None, shape: tuple[int, int, int], name: str) -> list[int]:
    """A region in array order as the option I0 I1 J0 J1 K0 K1; empty for None."""
    if region is None:
        return []
    parts = tuple(region) if isinstance(region, Sequence) else ()
    if len(parts) != 3 or not all(isinstance(part, slice) and part.step in (None, 1) for part in parts):
        raise InputError(
            f"{name} must be three slices along (z, y, x), such as np.s_[10:50, :, 20:80], not {region!r}."
        )
    return [edge for part, size in zip(parts[::-1], shape[::-1], strict=True) for edge in part.indices(size)[:2]]


def _has_geometry(data: Any) -> bool:
    return isinstance(data, (Volume, Segmentation))


def _volume(image: Any, geometry: Geometry, name: str) -> Volume:
    if isinstance(image, Segmentation):
        raise InputError(f"{name} is a segmentation; give the volume that it belongs to.")
    return image if isinstance(image, Volume) else Volume(image, geometry, name)


def _segmentation(labels: Any, geometry: Geometry, name: str) -> Segmentation:
    if isinstance(labels, Segmentation):
        return labels
    if isinstance(labels, Volume):
        return Segmentation.from_labels(labels.array, labels.geometry, name=labels.name)
    return Segmentation.from_labels(labels, geometry, name=name)


def _with_geometry(
    given: Mapping[str, Any], spacing: Spacing | None, unit: str | None
) -> tuple[dict[str, Any], Geometry]:
    """What was given, and the geometry of those that are arrays: that of the first volume, else by spacing and unit.

    Volumes of which nothing is known, as those of files without a voxel size, take spacing and unit as arrays do.
    """
    stated = {name: data.geometry for name, data in given.items() if _has_geometry(data)}
    if all(geometry == Geometry() for geometry in stated.values()):
        told = array_geometry(spacing, unit)
        return {name: replace(data, geometry=told) if name in stated else data for name, data in given.items()}, told
    for name, geometry in stated.items():
        if not _agrees(geometry, spacing, unit):
            own = ", ".join(f"{value:g}" for value in geometry.spacing[::-1])
            raise InputError(
                f"{name} has its own voxel size, ({own}) {geometry.unit} along (z, y, x); leave out spacing and unit, "
                f"or give the array: numpy.asarray({name})."
            )
    return dict(given), next(iter(stated.values()))


def _agrees(geometry: Geometry, spacing: Spacing | None, unit: str | None) -> bool:
    """Whether a geometry has the spacing and the unit that were given, or none were."""
    if unit not in (None, geometry.unit):
        return False
    given = geometry if spacing is None else array_geometry(spacing, geometry.unit)
    return bool(np.allclose(given.spacing, geometry.spacing, rtol=1e-3))


def _require_same_shape(one: str, shape: tuple[int, ...], other: str, other_shape: tuple[int, ...]) -> None:
    if shape != other_shape:
        raise InputError(f"{one} has shape {shape} (z, y, x), but {other} has {other_shape}; they must be equal.")
