"""NIfTI against nibabel and SimpleITK."""

import gzip
import struct
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import SimpleITK
from filecases import ROTATION, STRAIGHT, assert_same_place, labels, volume

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes
from ACSegLib.volume import Geometry

ARRAY = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 60
AFFINE = np.eye(4)
AFFINE[:3, :3] = ROTATION @ np.diag([2.0, 3.0, 4.0])
AFFINE[:3, 3] = 10, 20, 30
LPS = Geometry((2, 3, 4), (-10, -20, 30), tuple((np.diag([-1.0, -1.0, 1.0]) @ ROTATION).ravel()), "mm")


def _image(kind=nibabel.Nifti1Image, array=ARRAY, unit="mm", affine=AFFINE, **header):
    image = kind(array.transpose(), affine)
    image.header.set_xyzt_units(unit)
    for key, value in header.items():
        image.header[key] = value
    return image


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (nibabel.Nifti1Image, "a.nii"),
        (nibabel.Nifti1Image, "a.nii.gz"),
        (nibabel.Nifti2Image, "a.nii"),
        (nibabel.Nifti2Image, "a.nii.gz"),
        (nibabel.Nifti1Pair, "a.hdr"),
    ],
)
def test_files_of_nibabel(kind, name, tmp_path):
    _image(kind).to_filename(tmp_path / name)
    found = open_volume(tmp_path / name)
    assert found.array.dtype == np.int16
    np.testing.assert_array_equal(found.array, ARRAY)
    assert_same_place(found.geometry, LPS)


def test_big_endian_and_qform_only(tmp_path):
    image = _image()
    header = image.header.as_byteswapped(">")
    swapped = nibabel.Nifti1Image(ARRAY.transpose().astype(">i2"), None, header)
    swapped.set_qform(AFFINE, 1)
    swapped.set_sform(None, 0)
    swapped.to_filename(tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == b"\0\0\1\x5c"
    found = open_volume(tmp_path / "a.nii")
    assert found.array.dtype.isnative
    np.testing.assert_array_equal(found.array, ARRAY)
    assert_same_place(found.geometry, LPS)


@pytest.mark.parametrize("sform", [0, 1])
def test_a_quaternion_that_is_rounded_beyond_1_is_shortened_as_in_itk(sform, tmp_path):
    image = _image(affine=np.diag([2.0, 3.0, 4.0, 1.0]))
    data = bytearray(image.to_bytes())
    data[252:256] = np.array([1, sform], "<i2").tobytes()
    data[256:268] = np.array([0, 0.70711, 0.70711], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(data)
    found, itk = open_volume(tmp_path / "a.nii"), SimpleITK.ReadImage(str(tmp_path / "a.nii"))
    np.testing.assert_allclose(found.geometry.direction, itk.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("kind", "at", "size"), [(nibabel.Nifti1Image, 108, 4), (nibabel.Nifti2Image, 168, 8)])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_voxels_begin_behind_the_header_also_where_it_says_zero(name, kind, at, size, scaled, tmp_path):
    """Some writers leave vox_offset 0; then the bytes of the header would be read as voxels."""
    image = _image(kind)
    if scaled:
        image.header.set_slope_inter(2.0, 5.0)
    data = bytearray(image.to_bytes())
    data[at : at + size] = bytes(size)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    np.testing.assert_allclose(open_volume(tmp_path / name).array, ARRAY * 2 + 5 if scaled else ARRAY)


@pytest.mark.parametrize(("name", "unit"), [("meter", "m"), ("mm", "mm"), ("micron", "um"), ("unknown", "mm")])
def test_units(name, unit, tmp_path):
    _image(unit=name).to_filename(tmp_path / "a.nii")
    assert open_volume(tmp_path / "a.nii").geometry.unit == unit


def test_no_size_at_all_is_unknown(tmp_path):
    _image(unit="unknown", affine=np.diag([-1.0, -1.0, 1.0, 1.0])).to_filename(tmp_path / "a.nii")
    assert open_volume(tmp_path / "a.nii").geometry == Geometry()


def _header(qform=None, sform=None, pixdim=(0.3, 0.4, 0.5), first=None):
    """A file whose forms, codes and pixdim are set one by one, however they contradict each other."""
    image = nibabel.Nifti1Image(ARRAY.transpose(), None)
    image.header.set_xyzt_units("mm")
    for form, set_form in ((qform, image.header.set_qform), (sform, image.header.set_sform)):
        set_form(*(form or (None, 0)))
    image.header["pixdim"][1:4] = pixdim
    if first is not None:
        image.header["pixdim"][0] = first
    return image


SCALED = np.diag([0.3, 0.4, 0.5, 1.0])
PLACED = SCALED + np.array([[0, 0, 0, 1.0], [0, 0, 0, 2.0], [0, 0, 0, 3.0], [0, 0, 0, 0]])
TURNED = np.eye(4)
TURNED[:3, :3] = ROTATION @ SCALED[:3, :3]
TURNED[:3, 3] = 4, 5, 6
SHEARED = TURNED.copy()
SHEARED[:3, 0] += 0.3 * SHEARED[:3, 1]


@pytest.mark.filterwarnings("ignore:.*(placed at 0|pixdim|place the image)")
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"pixdim": (0, 0, 0)},
        {"pixdim": (0.3, 0.4, 0)},
        {"qform": (PLACED, 1)},
        {"qform": (TURNED, 2)},
        {"qform": (TURNED, 1), "first": -1},
        {"sform": (PLACED, 1)},
        {"sform": (TURNED, 2)},
        {"sform": (TURNED, 4), "qform": (PLACED, 1)},
        {"sform": (TURNED, 1), "qform": (PLACED, 1)},
        {"sform": (TURNED, 2), "qform": (PLACED, 1)},
        {"sform": (PLACED, 3), "qform": (TURNED, 4)},
        {"sform": (SHEARED, 1), "qform": (TURNED, 1)},
        {"sform": (SHEARED, 2), "qform": (TURNED, 1)},
        {"sform": (np.eye(4), 1)},
        {"sform": (np.eye(4), 2), "qform": (PLACED, 1)},
        {"sform": (np.diag([-0.6, 0.4, 0.5, 1]), 1)},
    ],
)
def test_every_header_is_placed_where_itk_places_it(header, tmp_path):
    path = tmp_path / "a.nii"
    _header(**header).to_filename(path)
    image = SimpleITK.ReadImage(str(path))
    found = open_volume(path)
    np.testing.assert_array_equal(found.array, SimpleITK.GetArrayFromImage(image))
    theirs = Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection(), found.geometry.unit)
    assert_same_place(found.geometry, theirs, rtol=1e-5)


@pytest.mark.parametrize("code", [1, 2])
def test_a_sheared_sform_alone_is_refused_as_by_itk(code, tmp_path):
    _header(sform=(SHEARED, code)).to_filename(tmp_path / "a.nii")
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(str(tmp_path / "a.nii"))
    with pytest.raises(FileError, match="not at right angles"):
        open_volume(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({}, "codes of qform and sform are 0"),
        ({"sform": (np.eye(4), 1)}, "pixdim is used"),
        ({"sform": (TURNED, 1), "qform": (PLACED, 1)}, "the sform is used"),
        ({"sform": (TURNED, 2), "qform": (PLACED, 1)}, "the qform is used"),
    ],
)
def test_contradicting_headers_are_told(header, words, tmp_path):
    _header(**header).to_filename(tmp_path / "a.nii")
    with pytest.warns(UserWarning, match=words):
        open_volume(tmp_path / "a.nii")


@pytest.mark.filterwarnings("ignore:.*placed at 0")
@pytest.mark.parametrize("codes", [(1, 0), (0, 2), (4, 4), (2, 1), (0, 0)])
def test_codes_of_the_image_are_kept(codes, tmp_path):
    qform, sform = ((TURNED, code) if code else None for code in codes)
    _header(qform, sform).to_filename(tmp_path / "a.nii")
    found = open_volume(tmp_path / "a.nii")
    save_volume(found, tmp_path / "b.nii")
    header = nibabel.load(tmp_path / "b.nii").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == codes
    assert_same_place(open_volume(tmp_path / "b.nii").geometry, found.geometry)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
def test_the_voxels_of_a_pair_open_by_their_header(kind, tmp_path):
    _image(kind).to_filename(tmp_path / "a.img")
    found = open_volume(tmp_path / "a.img")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert_same_place(found.geometry, LPS)
    (tmp_path / "a.hdr").unlink()
    with pytest.raises(FileError, match=r"a\.img: holds voxels alone; put the \.hdr file"):
        open_volume(tmp_path / "a.img")


def test_slope_and_intercept(tmp_path):
    image = _image()
    image.header.set_slope_inter(0.5, 3.0)
    image.to_filename(tmp_path / "a.nii")
    np.testing.assert_allclose(open_volume(tmp_path / "a.nii").array, ARRAY * 0.5 + 3, rtol=1e-12)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.Nifti1Pair])
@pytest.mark.parametrize("intercept", [np.nan, np.inf])
def test_an_intercept_that_is_no_number_is_0_as_in_itk(kind, intercept, tmp_path):
    path = tmp_path / ("a.hdr" if kind is nibabel.Nifti1Pair else "a.nii")
    _image(kind).to_filename(path)
    at, form = (176, "<f8") if kind is nibabel.Nifti2Image else (112, "<f4")
    raw = bytearray(path.read_bytes())
    fields = np.array([2, intercept], form).tobytes()
    raw[at : at + len(fields)] = fields
    path.write_bytes(raw)
    with pytest.warns(UserWarning, match=rf"states the intercept {intercept} .*taken as 0"):
        found = open_volume(path)
    np.testing.assert_array_equal(found.array, ARRAY * 2.0)
    if kind is not nibabel.Nifti2Image:  # which SimpleITK does not read
        np.testing.assert_array_equal(found.array, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("stored", "top"), [(np.uint8, 12), (np.int16, 300), (np.uint16, 2)])
def test_labels_of_a_slope_are_rounded_and_told(stored, top, tmp_path):
    """nibabel writes floating point into whole numbers by a slope, so that 2 comes back as 2.00007 (nibabel #1069)."""
    wanted = np.arange(120).reshape(4, 5, 6) % (top + 1)
    wanted[0, 0, 0] = top
    image = nibabel.Nifti1Image(wanted.transpose().astype(np.float64), AFFINE)
    image.set_data_dtype(stored)
    image.to_filename(tmp_path / "a.nii.gz")
    assert np.any(nibabel.load(tmp_path / "a.nii.gz").get_fdata() != wanted.transpose())
    found = open_segmentation(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(found.layers[0], wanted)
    assert "beside whole numbers" in found.meta["notes"][-1]


@pytest.mark.parametrize("values", [(0.0, 0.04), (0.0, 0.3, 1.0), (-0.2, 1.0), (0.0, np.nan, 1.0)])
def test_values_that_are_no_labels_are_refused(values, tmp_path):
    array = np.resize(np.array(values, np.float32), (4, 5, 6))
    nibabel.Nifti1Image(array, AFFINE).to_filename(tmp_path / "a.nii")
    with pytest.raises(FileError, match="are not labels"):
        open_segmentation(tmp_path / "a.nii")


def test_time_series_and_colours_are_refused(tmp_path):
    nibabel.Nifti1Image(np.zeros((3, 4, 5, 6), np.uint8), np.eye(4)).to_filename(tmp_path / "time.nii")
    with pytest.raises(FileError, match=r"time\.nii.*6 time points"):
        open_volume(tmp_path / "time.nii")
    nibabel.Nifti1Image(np.zeros((3, 4, 5, 1), np.uint8), np.eye(4)).to_filename(tmp_path / "one.nii")
    assert open_volume(tmp_path / "one.nii").shape == (5, 4, 3)
    rgb = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.Nifti1Image(rgb, np.eye(4)).to_filename(tmp_path / "rgb.nii")
    with pytest.raises(FileError, match=r"rgb\.nii.*3 components"):
        open_volume(tmp_path / "rgb.nii")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_itk_and_nibabel_read_ours_alike(ending, tmp_path):
    original = volume("i2")
    path = tmp_path / f"a{ending}"
    save_volume(original, path)
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), original.array)
    place = Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection(), "mm")
    assert_same_place(place, original.geometry)  # ITK turns the file's micrometres into millimetres
    theirs = nibabel.load(path)
    assert theirs.header.get_xyzt_units()[0] == "micron"
    lps = np.diag([-1, -1, 1, 1]) @ theirs.affine
    np.testing.assert_allclose(lps, original.geometry.in_unit("um").ijk_to_lps, rtol=1e-5, atol=1e-6)


def test_the_comment_extension_does_not_disturb_others(tmp_path):
    original = labels(STRAIGHT)
    save_segmentation(original, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))), original.labels
    )
    np.testing.assert_array_equal(nibabel.load(tmp_path / "a.nii.gz").get_fdata().transpose(), original.labels)


@pytest.mark.parametrize("axes", [(-1, 1, 1), (1, 1, -1), (-1, -1, 1)])
def test_forms_with_opposite_axes_at_one_place_are_refused(axes, tmp_path):
    """ITK compares such axes without their signs, and rounding decides which of the two it takes."""
    mirrored = PLACED @ np.diag([*axes, 1])
    _header(qform=(PLACED, 1), sform=(mirrored, 2)).to_filename(tmp_path / "a.nii")
    with pytest.raises(FileError, match="same position but opposite axes"):
        open_volume(tmp_path / "a.nii")
    _header(qform=(PLACED, 1), sform=(mirrored, 1)).to_filename(tmp_path / "b.nii")
    image = SimpleITK.ReadImage(str(tmp_path / "b.nii"))
    with pytest.warns(UserWarning, match="the sform is used"):
        found = open_volume(tmp_path / "b.nii").geometry
    np.testing.assert_allclose(found.direction, image.GetDirection(), atol=1e-5)


def test_nibabels_warnings_stay_from_the_terminal(tmp_path):
    path = tmp_path / "a.nii"
    _image(pixdim=[1, -2, 3, 4, 0, 0, 0, 0], affine=np.diag([2, 3, 4, 1])).to_filename(path)
    raw = bytearray(path.read_bytes())
    raw[80:84] = np.float32(-2).tobytes()
    path.write_bytes(raw)
    words = "from ACSegLib.files import open_volume; import sys; print(open_volume(sys.argv[1]).geometry.spacing)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", words, str(path)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("(2.0, 3.0, 4.0)\n", "")


def test_a_pair_without_its_voxels(tmp_path):
    _image(nibabel.Nifti1Pair).to_filename(tmp_path / "a.hdr")
    (tmp_path / "a.img").unlink()
    with pytest.raises(FileError, match=r"a\.hdr: its data file a\.img is missing"):
        open_volume(tmp_path / "a.hdr")


@pytest.mark.parametrize("size", [0.0, np.nan])
@pytest.mark.parametrize(("kind", "at", "letter"), [(nibabel.Nifti1Image, 88, "f"), (nibabel.Nifti2Image, 128, "d")])
@pytest.mark.parametrize("order", "<>")
def test_an_axis_without_a_size_is_told(order, kind, at, letter, size, tmp_path):
    """pixdim[3], which ITK and nibabel make 1 without a word."""
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.int16)
    header.set_xyzt_units("mm")
    kind(ARRAY.T, SCALED, header).to_filename(tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[at : at + struct.calcsize(letter)] = struct.pack(order + letter, size)
    (tmp_path / "a.nii").write_bytes(raw)
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.nii").geometry
    assert ["states no voxel size along z (pixdim); 1 mm is used" in note for note in notes].count(True) == 1
    np.testing.assert_allclose(found.spacing, (0.3, 0.4, 1))
    if size == 0 and kind is nibabel.Nifti1Image:  # ITK does not open NIfTI-2 of this kind
        np.testing.assert_allclose(SimpleITK.ReadImage(str(tmp_path / "a.nii")).GetSpacing(), found.spacing)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti1Pair])
@pytest.mark.parametrize(("code", "bits", "told"), [(4, 16, False), (2, 8, True)])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_voxels_that_the_header_does_not_state_are_told(ending, code, bits, told, kind, tmp_path):
    """A header that says bytes where words follow."""
    name = "a.nii" if kind is nibabel.Nifti1Image else "a.hdr"
    kind(ARRAY.T, SCALED).to_filename(tmp_path / name)
    raw = bytearray((tmp_path / name).read_bytes())
    raw[70:74] = struct.pack("<2h", code, bits)
    if name == "a.hdr":  # nibabel finds no voxels beside a packed header by this name
        ending = ""
    (tmp_path / (name + ending)).write_bytes(gzip.compress(bytes(raw)) if ending else raw)
    with collect_notes() as notes:
        open_volume(tmp_path / (name + ending))
    assert ["holds 240 bytes of image data, but its header states 120" in note for note in notes] == [True] * told
