"""MRC against mrcfile and headers made by hand."""

import gzip
import io
import struct
import warnings

import mrcfile
import numpy as np
import pytest
from filecases import STRAIGHT, numbers, volume

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

ARRAY = numbers("i2", (4, 5, 6))


def _header(
    data, *, mode, order="<", size=(6, 5, 4), cell=None, axes=(1, 2, 3), start=(0, 0, 0), origin=(0, 0, 0), more=b"",
    mapword=b"MAP ", imod=None, samples=None, values=(0, 0),
):  # fmt: skip
    """An MRC2014 file by hand: words 1-56 of the standard, then the data."""
    samples = samples or size
    cell = cell if cell is not None else (0.0, 0.0, 0.0)
    head = bytearray(1024)
    struct.pack_into(order + "10i", head, 0, *size, mode, *start, *samples)
    struct.pack_into(order + "6f", head, 40, *cell, 90, 90, 90)
    struct.pack_into(order + "3i", head, 64, *axes)
    struct.pack_into(order + "2f", head, 76, *values)
    struct.pack_into(order + "2i", head, 88, 1, len(more))
    if imod is not None:
        struct.pack_into(order + "2i", head, 152, 1146047817, imod)
    struct.pack_into(order + "3f", head, 196, *origin)
    head[208:212] = mapword
    head[212:216] = b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0"
    return bytes(head) + more + np.ascontiguousarray(data).tobytes()


@pytest.mark.parametrize("kind", ["i1", "i2", "f4", "u2", "f2"])
def test_files_of_mrcfile(kind, tmp_path):
    array = numbers(kind, (4, 5, 6))
    with mrcfile.new(tmp_path / "a.rec") as file:
        file.set_data(array)
        file.voxel_size = (10.0, 20.0, 30.0)
        file.header.origin.x = -55.5
    found = open_volume(tmp_path / "a.rec")
    assert found.array.dtype == array.dtype
    np.testing.assert_array_equal(found.array, array)
    assert found.geometry.unit == "angstrom"
    np.testing.assert_allclose(found.geometry.spacing, (10, 20, 30), rtol=1e-6)
    assert found.geometry.origin == (-55.5, 0, 0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_either_byte_order_extended_header_and_gzip(order, packed, tmp_path):
    data = _header(ARRAY.astype(order + "i2"), mode=1, order=order, cell=(60, 100, 120), more=b"x" * 160)
    path = tmp_path / ("a.mrc.gz" if packed else "a.mrc")
    path.write_bytes(gzip.compress(data) if packed else data)
    found = open_volume(path)
    assert found.array.dtype.isnative
    np.testing.assert_array_equal(found.array, ARRAY)
    np.testing.assert_allclose(found.geometry.spacing, (10, 20, 30))


@pytest.mark.parametrize("axes", [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)])
def test_axis_order(axes, tmp_path):
    """Voxel (x, y, z) must be found at array[z, y, x], wherever the file keeps it."""
    size_xyz = (6, 5, 4)
    z, y, x = np.indices(size_xyz[::-1])
    truth = (x + 10 * y + 100 * z).astype(np.int16)
    sizes = [size_xyz[a - 1] for a in axes]  # columns, rows, sections
    data = np.empty(sizes[::-1], np.int16)
    for section in range(sizes[2]):
        for row in range(sizes[1]):
            for column in range(sizes[0]):
                place = dict(zip(axes, (column, row, section), strict=True))
                data[section, row, column] = place[1] + 10 * place[2] + 100 * place[3]
    start_xyz = (7, 8, 9)
    raw = _header(
        data, mode=1, size=tuple(sizes), samples=size_xyz, cell=(60, 100, 120), axes=axes,
        start=tuple(start_xyz[a - 1] for a in axes),
    )  # fmt: skip
    (tmp_path / "a.map").write_bytes(raw)
    found = open_volume(tmp_path / "a.map")
    np.testing.assert_array_equal(found.array, truth)
    np.testing.assert_allclose(found.geometry.spacing, (10, 20, 30))
    np.testing.assert_allclose(found.geometry.origin, (70, 160, 270))


def test_origin_wins_over_start(tmp_path):
    (tmp_path / "a.mrc").write_bytes(_header(ARRAY, mode=1, cell=(60, 50, 40), start=(3, 3, 3), origin=(1, 2, 3)))
    assert open_volume(tmp_path / "a.mrc").geometry.origin == (1, 2, 3)


def test_no_cell_is_no_size(tmp_path):
    (tmp_path / "a.mrc").write_bytes(_header(ARRAY, mode=1))
    assert open_volume(tmp_path / "a.mrc").geometry == Geometry()


def test_voxels_of_one_angstrom_are_of_unknown_size(tmp_path):
    """Many programs write 1 angstrom where they know no size; labels of such a file lie on their image all the same."""
    (tmp_path / "a.mrc").write_bytes(_header(ARRAY, mode=1, cell=ARRAY.shape[::-1]))
    with pytest.warns(UserWarning, match="1 angstrom"):
        assert open_volume(tmp_path / "a.mrc").geometry == Geometry()


def test_wrong_axes_and_unknown_modes_are_refused(tmp_path):
    (tmp_path / "axes.mrc").write_bytes(_header(ARRAY, mode=1, axes=(1, 1, 3)))
    with pytest.raises(FileError, match=r"axes\.mrc.*mapc"):
        open_volume(tmp_path / "axes.mrc")
    (tmp_path / "mode.mrc").write_bytes(_header(ARRAY, mode=77))
    with pytest.raises(FileError, match=r"mode\.mrc.*mode 77"):
        open_volume(tmp_path / "mode.mrc")
    (tmp_path / "complex.mrc").write_bytes(_header(np.zeros((4, 5, 6), np.complex64), mode=4))
    with pytest.raises(FileError, match=r"complex\.mrc.*complex"):
        open_volume(tmp_path / "complex.mrc")


@pytest.mark.parametrize(("imod", "signed"), [(None, True), (1, True), (0, False)])
def test_bytes_of_imod(imod, signed, tmp_path):
    data = numbers("u1", (4, 5, 6))
    (tmp_path / "a.mrc").write_bytes(_header(data, mode=0, imod=imod))
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mrc").array, data.view(np.int8) if signed else data)


@pytest.mark.parametrize(
    ("values", "imod", "signed"),
    [((0, 199), None, False), ((0, 255), None, False), ((0, 127), None, True), ((-128, 127), None, True),
     ((0, 199), 1, True), ((0, -1), None, True), ((0, 4000), None, True)],
)  # fmt: skip
@pytest.mark.parametrize("order", ["<", ">"])
def test_bytes_whose_stated_range_is_above_127_are_unsigned(values, imod, signed, order, tmp_path):
    """Before IMOD 4.2.23 and in other programs, bytes are unsigned; ITK looks at the range as well."""
    data = numbers("u1", (4, 5, 6))
    (tmp_path / "a.mrc").write_bytes(_header(data, mode=0, order=order, imod=imod, values=values))
    found = open_volume(tmp_path / "a.mrc")
    np.testing.assert_array_equal(found.array, data.view(np.int8) if signed else data)
    assert ("unsigned" in str(found.meta.get("notes"))) != signed


def test_a_mask_in_signed_bytes_begins_at_zero(tmp_path):
    """IMOD writes a mask of 0 and 1 as -128 and -127 (mrcfile #69)."""
    mask = np.arange(4 * 5 * 6).reshape(4, 5, 6) % 3
    (tmp_path / "a.mrc").write_bytes(_header((mask - 128).astype(np.int8), mode=0, imod=1))
    found = open_segmentation(tmp_path / "a.mrc")
    np.testing.assert_array_equal(found.layers[0], mask)
    assert "128 was added" in found.meta["notes"][-1]


def test_old_files_without_the_word_map(tmp_path):
    (tmp_path / "old.rec").write_bytes(_header(ARRAY, mode=1, mapword=b"\0\0\0\0", axes=(0, 0, 0)))
    np.testing.assert_array_equal(open_volume(tmp_path / "old.rec").array, ARRAY)


def test_mrcfile_reads_ours_alike(tmp_path):
    original = volume("f4", STRAIGHT)
    save_volume(original, tmp_path / "a.mrc")
    complaints = io.StringIO()
    mrcfile.validate(tmp_path / "a.mrc", complaints)
    told = [line for line in complaints.getvalue().splitlines() if not line.startswith("Checking")]
    assert told == ["Extended header type is undefined or unrecognised: exttyp = 'ACSG'"]
    with mrcfile.open(tmp_path / "a.mrc") as file:
        np.testing.assert_array_equal(file.data, original.array)
        assert file.is_volume()
        np.testing.assert_allclose(file.voxel_size.tolist(), (246, 301, 517), rtol=1e-6)
        np.testing.assert_allclose(file.header.origin.tolist(), (15, -2e4, 72.5), rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (np.array([0, 127], np.uint8), "i1"),
        (np.array([0, 255], np.uint8), "u2"),
        (np.array([0, 65535], np.int64), "u2"),
        (np.array([-5, 300], np.int64), "i2"),
        (np.array([0.5, -2.0]), "f4"),
    ],
)
def test_types_that_mrc_lacks_are_fitted_and_come_back(values, stored, tmp_path):
    array = np.broadcast_to(values, (3, 4, 2)).copy()
    save_volume(Volume(array, STRAIGHT), tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert file.data.dtype == stored
    found = open_volume(tmp_path / "a.mrc")
    assert found.array.dtype == array.dtype
    np.testing.assert_array_equal(found.array, array)


@pytest.mark.parametrize("values", [np.array([0, 65536], np.int32), np.array([-1, 40000]), np.array([0.1, np.pi])])
def test_what_no_mode_holds_is_refused(values, tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*a\.mrc: MRC has no"):
        save_volume(Volume(np.broadcast_to(values, (3, 4, 2)), STRAIGHT), tmp_path / "a.mrc")
    assert not (tmp_path / "a.mrc").exists()


@pytest.mark.parametrize("pixel", [0.0, 5.0, 7.0])
def test_the_pixel_size_of_a_microscope_that_differs_is_told(pixel, tmp_path):
    """mrcfile reads extended headers of FEI; sizes in them are in metres."""
    from mrcfile.dtypes import get_ext_header_dtype

    with mrcfile.new(tmp_path / "a.mrc") as file:
        extended = np.zeros(4, get_ext_header_dtype(b"FEI1"))  # one for each section
        extended["Metadata size"], extended["Pixel size X"] = extended.dtype.itemsize, pixel * 1e-10
        file.set_extended_header(extended)
        file.header.exttyp = b"FEI1"
        file.set_data(np.zeros((4, 5, 6), np.float32))
        file.set_volume()
        file.voxel_size = 5.0
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = open_volume(tmp_path / "a.mrc")
    np.testing.assert_allclose(found.geometry.spacing, 5.0)
    assert any("7 angstrom" in str(one.message) for one in told) == (pixel == 7.0)


def test_a_cell_of_another_number_of_voxels_is_told(tmp_path):
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(np.zeros((4, 5, 6), np.float32))
        file.set_volume()
        file.voxel_size = 5.0
        file.header.mx, file.header.cella.x = 12, 60.0
    with pytest.warns(UserWarning, match="a cell of 12 x 5 x 4 voxels but contains 6 x 5 x 4"):
        found = open_volume(tmp_path / "a.mrc")
    np.testing.assert_allclose(found.geometry.spacing, 5.0)


def test_an_axis_without_a_size_is_told(tmp_path):
    """SerialEM and others state no depth for a stack; the pixel size was lost with it."""
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.zeros((3, 4, 5), np.int16))
        file.header.cella.x, file.header.cella.y, file.header.cella.z = 10, 12, 0
    with pytest.warns(UserWarning, match="no voxel size along z"):
        assert open_volume(path).geometry == Geometry((2, 3, 2), unit="angstrom")


@pytest.mark.parametrize(("version", "words"), [(0, ["does not state if its bytes are signed"]), (20140, [])])
def test_bytes_of_unknown_sign_are_told(version, words, tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.full((3, 4, 5), -7, np.int8))
        file.header.nversion, file.header.dmin, file.header.dmax = version, 0, -1
    with collect_notes() as notes:
        np.testing.assert_array_equal(open_volume(path).array, -7)
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


def test_names_that_no_label_can_hold(tmp_path):
    """MRC's labels are printable ASCII; the names are kept in the extended header."""
    names = ["two lines", "tab ", "\u540d\u524d", "x" * 100]
    rows = [Segment(name, n) for n, name in enumerate(names, 1)]
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 5
    save_segmentation(Segmentation((array,), rows, Geometry((1, 2, 3), unit="nm")), tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert [bytes(label).strip() for label in file.header.label[1:3]] == [b"label 1: two lines", b"label 2: tab"]
    assert [segment.name for segment in open_segmentation(tmp_path / "a.mrc").segments] == names


@pytest.mark.parametrize("order", ["<", ">"])
def test_files_of_deltavision_are_refused(order, tmp_path):
    """Their header is that of MRC but for a number, micrometres in place of angstrom, and channels among slices."""
    head = bytearray(1024)
    struct.pack_into(f"{order}4i", head, 0, 6, 5, 4, 6)
    struct.pack_into(f"{order}3i3f", head, 28, 1, 1, 1, 0.08, 0.08, 0.2)
    struct.pack_into(f"{order}3i", head, 64, 1, 2, 3)
    struct.pack_into(f"{order}h", head, 96, -16224)
    (tmp_path / "a.dv").write_bytes(bytes(head) + bytes(2 * 6 * 5 * 4))
    with pytest.raises(FileError, match=r"a\.dv: is a file of DeltaVision.*OME-TIFF"):
        open_volume(tmp_path / "a.dv")


@pytest.mark.parametrize(("height", "told"), [(10.0, False), (40.0, True)])
def test_a_stack_whose_cell_has_the_height_of_all_its_images_is_told(height, told, tmp_path):
    """The cell of a stack is that of one image (MRC2014, mz = 1), so mrcfile gives the height of all as a voxel."""
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.zeros((4, 5, 6), np.int16))
        file.set_image_stack()
        file.header.cella = (60.0, 50.0, height)
        size = float(file.voxel_size.z)
    with collect_notes() as notes:
        np.testing.assert_allclose(open_volume(path).geometry.spacing, (10, 10, size))
    assert ["states a cell of 6 x 5 x 1 voxels but contains 6 x 5 x 4" in note for note in notes] == [True] * told


@pytest.mark.parametrize(("packed", "mode", "told"), [(False, 1, False), (False, 0, True), (True, 1, False)])
def test_voxels_that_the_header_does_not_state_are_told(packed, mode, told, tmp_path):
    data = _header(ARRAY.astype("<i2"), mode=mode, cell=(60, 100, 120))
    (tmp_path / "a.mrc").write_bytes(gzip.compress(data) if packed else data)
    with collect_notes() as notes:
        open_volume(tmp_path / "a.mrc")
    assert ["holds 240 bytes of image data, but its header states 120" in n for n in notes].count(True) == told
