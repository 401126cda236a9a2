"""Voxel sizes in the tags of microscopes, laid out as tifffile's tables and the makers' documents have them."""

import json
import struct

import numpy as np
import pytest
import tifffile
from filecases import numbers

from ACSegLib.files import open_volume
from ACSegLib.files.formats.tiff import read_slice

ARRAY = numbers("u1", (4, 5, 6))
_BYTE = 1


def _written(path, extratags, planes=ARRAY):
    """Pages of their own, the first with tags of a program."""
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for n, plane in enumerate(planes):
            file.write(plane, extratags=extratags if n == 0 else (), metadata=None, contiguous=False)


def _record(dtype, **values):
    record = np.zeros(1, np.dtype(dtype).newbyteorder("<"))
    for name, value in values.items():
        record[name] = value
    return record.tobytes()


def _lsm(path):
    """Voxels in metres, and a thumbnail behind each plane."""
    dtype = np.dtype(tifffile.TIFF.CZ_LSMINFO)
    info = _record(
        dtype, MagicNumber=67127628, StructureSize=dtype.itemsize, DimensionX=6, DimensionY=5, DimensionZ=4,
        DimensionChannels=1, DimensionTime=1, VoxelSizeX=1e-7, VoxelSizeY=2e-7, VoxelSizeZ=5e-7,
    )  # fmt: skip
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for n, plane in enumerate(ARRAY):
            tags = [(34412, _BYTE, len(info), info)] if n == 0 else ()
            file.write(plane, extratags=tags, metadata=None, contiguous=False)
            file.write(np.zeros((3, 3, 3), np.uint8), subfiletype=1, photometric="rgb", metadata=None)


def _micromanager(path, plane=None, summary=None):
    """A header of Micro-Manager with the summary behind that of TIFF, then voxels and directories."""
    text = json.dumps(summary or {"z-step_um": 0.5}).encode()
    described = json.dumps(plane or {"PixelSizeUm": 0.1}).encode()
    voxels = 40 + len(text)
    words, at = voxels + ARRAY.nbytes, voxels + ARRAY.nbytes + len(described)
    at += at % 2
    directories = b""
    for n in range(len(ARRAY)):
        tags = [(256, 4, 1, 6), (257, 4, 1, 5), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, voxels + 30 * n)]
        tags += [(278, 4, 1, 5), (279, 4, 1, 30)] + [(51123, 2, len(described), words)] * (n == 0)
        size = 2 + 12 * len(tags) + 4
        after = at + len(directories) + size
        rows = b"".join(struct.pack("<HHII", *row) for row in tags)
        directories += struct.pack("<H", len(tags)) + rows + struct.pack("<I", after if n + 1 < len(ARRAY) else 0)
    head = b"II*\0" + struct.pack("<9I", at, 54773648, 0, 483765892, 0, 99384722, 0, 2355492, len(text))
    body = head + text + ARRAY.tobytes() + described
    path.write_bytes(body.ljust(at, b"\0") + directories)


def _micromanager_1(path):
    _micromanager(path, {"Frame": 0}, {"PixelSize_um": 0.1, "z-step_um": 0.5})


def _fluoview(path):
    rows = [("X", 6, 0, 0.1, "um"), ("Y", 5, 0, 0.2, "um"), ("Z", 4, 0, -500, "nm")] + [("", 0, 0, 0, "")] * 7
    header = np.zeros(1, np.dtype(tifffile.TIFF.MM_HEADER).newbyteorder("<"))
    header["Dimensions"][0] = rows
    header = header.tobytes()
    _written(path, [(34361, _BYTE, len(header), header), (34362, _BYTE, 64, bytes(64))])


def _metamorph(path):
    """All planes behind one page, with MetaMorph's tables UIC1 to UIC3 (tags 33628 to 33630)."""
    count = len(ARRAY)
    steps = b"".join(struct.pack("<6I", *distance, 2459000, 0, 2459000, 0) for distance in [(0, 1)] + [(1, 2)] * 3)
    waves = struct.pack("<8I", *[1, 1] * count)
    at = 8 + ARRAY.nbytes
    places = [at, at + len(steps), at + len(steps) + len(waves)]
    values = places[2] + 24
    calibration = struct.pack("<6I", 4, values, 5, values + 8, 6, values + 16)
    numbers_of_xy = struct.pack("<4I", 1, 10, 2, 10) + struct.pack("<I", 3) + b"um\0\0"
    tags = [(256, 4, 1, 6), (257, 4, 1, 5), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(278, 4, 1, 5), (279, 4, 1, 30), (33628, 4, 3, places[2]), (33629, 5, count, places[0])]
    tags += [(33630, 5, count, places[1])]
    rows = b"".join(struct.pack("<HHII", *row) for row in tags)
    directory = struct.pack("<H", len(tags)) + rows + struct.pack("<I", 0)
    body = ARRAY.tobytes() + steps + waves + calibration + numbers_of_xy
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory)


@pytest.mark.parametrize(
    ("write", "y"),
    [(_lsm, 0.2), (_micromanager, 0.1), (_micromanager_1, 0.1), (_fluoview, 0.2), (_metamorph, 0.2)],
)
@pytest.mark.filterwarnings("error")
def test_a_stack_has_the_voxel_size_of_its_tags(write, y, tmp_path):
    write(tmp_path / "a.tif")
    found = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry.unit == "um"
    np.testing.assert_allclose(found.geometry.spacing, (0.1, y, 0.5), rtol=1e-9)


@pytest.mark.parametrize("every_page", [False, True])
def test_a_stack_of_amira_has_the_box_through_the_centres_of_its_outer_voxels(every_page, tmp_path):
    """Amira, Avizo and MIB write it before other text; as in AmiraMesh, no unit belongs to it."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for n, plane in enumerate(ARRAY):
            text = "BoundingBox 10.00000 10.50000 0 0.8 -3 3e+0|cell 1" if every_page or n == 0 else None
            file.write(plane, description=text, metadata=None, contiguous=False)
    found = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.array, ARRAY)
    np.testing.assert_allclose(found.geometry.spacing, (0.1, 0.2, 2))
    assert found.geometry.origin == (10, 0, -3)
    assert found.geometry.unit == "px"


@pytest.mark.filterwarnings("ignore:.*no voxel size along")
def test_micromanager_without_a_calibration_states_no_pixel_size(tmp_path):
    _micromanager(tmp_path / "a.tif", {"PixelSizeUm": 0}, {"z-step_um": 0})
    assert open_volume(tmp_path / "a.tif").geometry.unit == "px"


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (34682, "[Scan]\r\nPixelWidth=5e-009\r\nPixelHeight=5e-009\r\n"),
        (34118, "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 5.000 nm\r\n"),
    ],
)
def test_a_slice_of_an_electron_microscope_has_its_pixel_size(tag, text, tmp_path):
    _written(tmp_path / "a.tif", [(tag, _BYTE, len(text), text.encode())], ARRAY[:1])
    found = read_slice(tmp_path / "a.tif")
    place, notes = found.place, found.notes
    assert place.in_unit("nm").spacing == pytest.approx((5, 5, 5))
    assert any("no voxel size along z" in note for note in notes)
