"""MetaImage against SimpleITK and hand-written headers."""

import numpy as np
import pytest
import SimpleITK
from filecases import PLACE, assert_same_place, labels, volume

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes
from ACSegLib.volume import Geometry, Segment, Segmentation


def _itk_image(original):
    image = SimpleITK.GetImageFromArray(original.array)
    image.SetSpacing(original.geometry.spacing)
    image.SetOrigin(original.geometry.origin)
    image.SetDirection(original.geometry.direction)
    return image


@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["i1", "u2", "i8", "f4"])
def test_files_of_itk(name, packed, kind, tmp_path):
    original = volume(kind)
    SimpleITK.WriteImage(_itk_image(original), str(tmp_path / name), packed)
    found = open_volume(tmp_path / name)
    assert found.array.dtype == original.array.dtype
    np.testing.assert_array_equal(found.array, original.array)
    assert_same_place(found.geometry, Geometry(PLACE.spacing, PLACE.origin, PLACE.direction, "mm"), 1e-12)


HEAD = "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_SHORT\n"
ARRAY = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 60


def test_a_data_file_beside_the_header_may_have_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "a.raw").write_bytes(ARRAY.tobytes())
    (tmp_path / "a.mhd").write_text(HEAD + f"ElementDataFile = {tmp_path / 'a.raw'}\n")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(open_volume("a.mhd").array, ARRAY)


def test_a_header_that_an_editor_marked_as_utf_8(tmp_path):
    (tmp_path / "a.raw").write_bytes(ARRAY.tobytes())
    (tmp_path / "a.mhd").write_text(HEAD + "ElementDataFile = a.raw\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mhd").array, ARRAY)


@pytest.mark.parametrize("name", ["parts\\a.raw", "C:\\Users\\me\\b.raw", "B.RAW"])
def test_paths_of_windows(name, tmp_path):
    (tmp_path / "parts").mkdir()
    for file in ("parts/a.raw", "b.raw"):
        (tmp_path / file).write_bytes(ARRAY.tobytes())
    (tmp_path / "a.mhd").write_text(HEAD + f"ElementDataFile = {name}\n")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mhd").array, ARRAY)


@pytest.mark.parametrize("unit", ["um", "mm", "cm"])
def test_big_endian_with_units_and_a_data_file(unit, tmp_path):
    fields = f"ElementSpacing = 2 3 4\nDistanceUnits = {unit}\nElementByteOrderMSB = True\nHeaderSize = 5\n"
    (tmp_path / "a.mhd").write_text(HEAD + fields + "ElementDataFile = a.bin\n")
    (tmp_path / "a.bin").write_bytes(b"12345" + ARRAY.astype(">i2").tobytes())
    found = open_volume(tmp_path / "a.mhd")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry((2, 3, 4), unit=unit)
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(FileError, match=r"a\.mhd.*cut short"):
        open_volume(tmp_path / "a.mhd")
    (tmp_path / "a.bin").unlink()
    with pytest.raises(FileError, match=r"a\.bin is missing"):
        open_volume(tmp_path / "a.mhd")


def test_header_size_from_the_end(tmp_path):
    (tmp_path / "a.mhd").write_text(HEAD + "HeaderSize = -1\nElementDataFile = a.bin\n")
    (tmp_path / "a.bin").write_bytes(b"anything" + ARRAY.tobytes())
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mhd").array, ARRAY)


def test_slices_listed_in_the_header(tmp_path):
    names = [f"s{k}.raw" for k in range(4)]
    (tmp_path / "a.mhd").write_text(HEAD + "ElementDataFile = LIST\n" + "\n".join(names) + "\n")
    for k, name in enumerate(names):
        (tmp_path / name).write_bytes(ARRAY[k].tobytes())
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mhd").array, ARRAY)


def test_numbered_slices_and_text(tmp_path):
    (tmp_path / "a.mhd").write_text(HEAD + "ElementDataFile = s%02d.raw 3 9 2\n")
    for k in range(4):
        (tmp_path / f"s{3 + 2 * k:02d}.raw").write_bytes(ARRAY[k].tobytes())
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mhd").array, ARRAY)
    text = HEAD + "BinaryData = False\nElementDataFile = LOCAL\n" + " ".join(map(str, ARRAY.ravel()))
    (tmp_path / "b.mha").write_text(text)
    np.testing.assert_array_equal(open_volume(tmp_path / "b.mha").array, ARRAY)


def test_directions_are_columns(tmp_path):
    """The first three numbers are the direction of i."""
    fields = "TransformMatrix = 0 1 0 -1 0 0 0 0 1\nPosition = 1 2 3\n"
    (tmp_path / "a.mha").write_bytes((HEAD + fields + "ElementDataFile = LOCAL\n").encode() + ARRAY.tobytes())
    found = open_volume(tmp_path / "a.mha").geometry
    np.testing.assert_array_equal(found.direction_matrix[:, 0], [0, 1, 0])
    image = SimpleITK.ReadImage(str(tmp_path / "a.mha"))
    assert found == Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def test_colours_and_pictures_are_refused(tmp_path):
    rgb = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(rgb, str(tmp_path / "rgb.mha"))
    with pytest.raises(FileError, match=r"rgb\.mha.*3 channels"):
        open_volume(tmp_path / "rgb.mha")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((5, 6), np.uint8)), str(tmp_path / "flat.mha"))
    with pytest.raises(FileError, match=r"flat\.mha.*2D"):
        open_volume(tmp_path / "flat.mha")


@pytest.mark.parametrize("kind", ["u1", "i2", "f8"])
def test_itk_reads_ours_alike(kind, tmp_path):
    original = volume(kind)
    save_volume(original, tmp_path / "a.mha")
    image = SimpleITK.ReadImage(str(tmp_path / "a.mha"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), original.array)
    assert_same_place(Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection(), "nm"), PLACE, 1e-12)


def test_hundreds_of_segments_do_not_disturb_itk(tmp_path):
    rows = [Segment(f"segment {'x' * 100} {n}", n) for n in range(1, 400)]
    original = Segmentation((labels().labels,), rows, PLACE)
    save_segmentation(original, tmp_path / "a.mha")
    image = SimpleITK.ReadImage(str(tmp_path / "a.mha"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), original.labels)


@pytest.mark.parametrize("unit", ["", "DistanceUnits = um\n"])
def test_scaled_directions_scale_the_voxels_as_in_itk(unit, tmp_path):
    """The same points of space as ITK gives, and the same volume of a voxel."""
    array = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    (tmp_path / "a.raw").write_bytes(array.tobytes())
    (tmp_path / "a.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_UCHAR\nElementSpacing = 1 1 1\n"
        f"TransformMatrix = 2 0 0 0 3 0 0 0 4\nOffset = 7 8 9\n{unit}ElementDataFile = a.raw\n"
    )
    found = open_volume(tmp_path / "a.mhd").geometry
    image = SimpleITK.ReadImage(str(tmp_path / "a.mhd"))
    for index in ((0, 0, 0), (5, 0, 0), (1, 4, 2)):
        point = found.ijk_to_lps @ np.array([*index, 1.0])
        np.testing.assert_allclose(point[:3], image.TransformIndexToPhysicalPoint(index))
    assert found.unit == ("um" if unit else "mm")
    assert found.voxel_volume == pytest.approx(24)
    assert found.spacing == (2, 3, 4)


def test_a_single_time_point_is_dropped_with_its_spacing(tmp_path):
    """ITK writes fields of four numbers for such an image."""
    image = SimpleITK.JoinSeries(SimpleITK.GetImageFromArray(ARRAY))
    image.SetSpacing((2, 3, 4, 9))
    image.SetOrigin((5, 6, 7, 8))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    found = open_volume(tmp_path / "a.mha")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry((2, 3, 4), (5, 6, 7), unit="mm")


@pytest.mark.parametrize(
    "fields",
    [
        "ElementSpacing = -2 3 4\n",
        "ElementSpacing = -2 3 -4\nTransformMatrix = 0 1 0 -1 0 0 0 0 1\n",
        "ElementSpacing = 2 3 4\nOffset = 1 2 3\nPosition = 4 5 6\nOrigin = 7 8 9\n",
        "ElementSpacing = 2 3 4\nTransformMatrix = 0 1 0 -1 0 0 0 0 1\nOrientation = 1 0 0 0 1 0 0 0 1\n",
        "ElementSize = 2 3 4\n",
    ],
)
@pytest.mark.parametrize("order", ["True", "true", "1", "False", "0"])
def test_fields_that_contradict_each_other_are_read_as_by_itk(fields, order, tmp_path):
    fields += f"BinaryDataByteOrderMSB = {order}\nElementDataFile = LOCAL\n"
    data = ARRAY.astype(">i2" if order[0] in "Tt1" else "<i2").tobytes()
    (tmp_path / "a.mha").write_bytes((HEAD + fields).encode() + data)
    image, found = SimpleITK.ReadImage(str(tmp_path / "a.mha")), open_volume(tmp_path / "a.mha")
    np.testing.assert_array_equal(found.array, SimpleITK.GetArrayFromImage(image))
    np.testing.assert_array_equal(found.array, ARRAY)
    assert_same_place(found.geometry, Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection(), "mm"))


def test_decimal_commas(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    head = "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementSpacing = 0,5 0,25 2\nOffset = 1,5 0 0\n"
    (tmp_path / "a.mha").write_bytes(
        f"{head}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode() + array.tobytes()
    )
    assert open_volume(tmp_path / "a.mha").geometry == Geometry((0.5, 0.25, 2), (1.5, 0, 0), unit="mm")


@pytest.mark.parametrize("data", ["LOCAL", "a.raw", "voxels/a.raw"])
@pytest.mark.parametrize(("kind", "told"), [("MET_USHORT", False), ("MET_UCHAR", True)])
def test_voxels_that_the_header_does_not_state_are_told(kind, told, data, tmp_path):
    """A header written by hand with the wrong type shows half of the file, as noise."""
    head = f"ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = {kind}\nElementDataFile = {data}\n".encode()
    voxels = np.arange(24, dtype=np.uint16).tobytes()
    (tmp_path / "voxels").mkdir()
    (tmp_path / data).write_bytes(voxels)
    (tmp_path / "a.mhd").write_bytes(head + (voxels if data == "LOCAL" else b""))
    with collect_notes() as notes:
        open_volume(tmp_path / "a.mhd")
    assert ["holds 48 bytes of image data, but its header states 24" in note for note in notes] == [True] * told


@pytest.mark.parametrize(("slope", "offset", "told"), [(0.01, -5, True), (1, 0, False), (1, -1024, True)])
def test_a_scale_that_itk_does_not_apply_is_told(slope, offset, told, tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    scale = f"ElementToIntensityFunctionSlope = {slope}\nElementToIntensityFunctionOffset = {offset}\n"
    head = f"ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\n{scale}ElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(head.encode() + values.tobytes())
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.mha").array
    np.testing.assert_array_equal(found, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a.mha"))))
    assert [f"multiplied by {slope:g} and {offset:g} to be added" in note for note in notes] == [True] * told
