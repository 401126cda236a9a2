"""Geometries, volumes and segment tables shared by the tests of files."""

from __future__ import annotations

import numpy as np

from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

#: A right-handed rotation about a skew axis.
ROTATION = np.array(
    [
        [0.36, 0.48, -0.8],
        [-0.8, 0.6, 0.0],
        [0.48, 0.64, 0.6],
    ]
)
PLACE = Geometry((0.125, 60.3, 7.7), (1.5, -2.0e3, 1.0e-3), tuple(ROTATION.ravel()), "nm")
STRAIGHT = Geometry((24.6, 30.1, 51.7), (1.5, -2.0e3, 7.25), unit="nm")
SHAPE = (4, 5, 6)


def numbers(dtype, shape=SHAPE, seed=0):
    """Random values that use the whole range of an integer type, or many binades of a floating one."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)
    return (rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3, shape)).astype(dtype)


def volume(dtype=np.float32, geometry=PLACE, shape=SHAPE):
    return Volume(numbers(dtype, shape), geometry, "sample")


def labels(geometry=PLACE, dtype=np.uint8):
    """Two named segments in one layer; the second has value 7 and a name beyond ASCII."""
    array = np.zeros(SHAPE, dtype)
    array[1:3, 1:4, 2:5] = 2
    array[3, 4, 5] = 7
    rows = [
        Segment("cytoplasm", 2, (0.1, 0.2, 0.3), id="cyto", terminology=TERMINOLOGY, tags={"Status": "completed"}),
        Segment("Zellkörper β", 7, (1.0, 0.0, 0.5)),
    ]
    return Segmentation((array,), rows, geometry, "labels")


def overlapping(geometry=PLACE):
    """Three segments, the third overlapping the others in a layer of its own."""
    single = labels(geometry)
    second = np.zeros(SHAPE, np.uint8)
    second[2:4, 2:5, 1:4] = 1
    rows = [*single.segments, Segment("halo", 1, (0.0, 1.0, 0.0), 1, "halo")]
    return Segmentation((single.labels, second), rows, geometry, "overlapping")


TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~"
    "Anatomic codes - DICOM master list~^^~^^"
)


def assert_same_place(found, expected, rtol=1e-6):
    """Every voxel lies where it did, to `rtol` of the lengths; units may differ."""
    if "px" not in (found.unit, expected.unit):
        found = found.in_unit(expected.unit)
    np.testing.assert_allclose(found.spacing, expected.spacing, rtol=rtol)
    np.testing.assert_allclose(found.direction, expected.direction, atol=rtol)
    scale = max(np.abs(expected.origin).max(), max(expected.spacing))
    np.testing.assert_allclose(found.origin, expected.origin, rtol=rtol, atol=rtol * scale)
