"""NRRD and .seg.nrrd against pynrrd, SimpleITK, slicerio, hand-written headers and Slicer's own storage node."""

import gzip
import json

import nrrd
import numpy as np
import pytest
import SimpleITK
from filecases import PLACE, ROTATION, TERMINOLOGY, assert_same_place, labels, overlapping, volume

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes
from ACSegLib.resample import is_aligned, resample_segmentation
from ACSegLib.volume import Geometry

try:
    import slicer
except ImportError:
    slicer = None

needs_slicer = pytest.mark.skipif(slicer is None, reason="needs slicer-core")

ARRAY = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 60


def _write_by_hand(path, fields, data, detached=None):
    head = "NRRD0004\n" + "\n".join(fields) + "\n\n"
    path.write_bytes(head.encode() + (b"" if detached else data))
    if detached:
        (path.parent / detached).write_bytes(data)


BASIC = ["type: short", "dimension: 3", "sizes: 6 5 4", "endian: little"]


def test_a_header_that_an_editor_marked_as_utf_8(tmp_path):
    header = "\n".join(["NRRD0004", *BASIC, "encoding: raw", "", ""]).encode("utf-8-sig")
    (tmp_path / "a.nrrd").write_bytes(header + ARRAY.tobytes())
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nrrd").array, ARRAY)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("detached", [False, True])
def test_files_of_pynrrd(encoding, detached, tmp_path):
    path = tmp_path / ("image.nhdr" if detached else "image.nrrd")
    header = {
        "encoding": encoding,
        "space": "right-anterior-superior",
        "space directions": np.diag([2.0, 3.0, 4.0]) @ ROTATION.T,
        "space origin": [10.0, 20.0, 30.0],
        "space units": ["um", "um", "um"],
    }
    nrrd.write(str(path), ARRAY, header, index_order="C")
    found = open_volume(path)
    np.testing.assert_array_equal(found.array, ARRAY)
    flip = np.diag([-1.0, -1.0, 1.0])
    place = Geometry((2, 3, 4), (-10, -20, 30), tuple((flip @ ROTATION).ravel()), "um")
    assert_same_place(found.geometry, place, 1e-12)


@pytest.mark.parametrize("kind", [">i2", ">f4", ">f8", ">u4"])
def test_big_endian(kind, tmp_path):
    names = {"i2": "int16", "f4": "float", "f8": "double", "u4": "unsigned int"}
    values = np.abs(ARRAY).astype(kind)
    fields = [f"type: {names[kind[1:]]}", "dimension: 3", "sizes: 6 5 4", "endian: big", "encoding: raw"]
    _write_by_hand(tmp_path / "a.nrrd", fields, values.tobytes())
    found = open_volume(tmp_path / "a.nrrd").array
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("fields", "spacing", "unit"),
    [
        ([], (1, 1, 1), "px"),
        (["spacings: 2 3 4"], (2, 3, 4), "mm"),
        (["spacings: 2 3 4", 'units: "nm" "nm" "nm"'], (2, 3, 4), "nm"),
        (["space: LPS", "space directions: (2,0,0) (0,3,0) (0,0,4)"], (2, 3, 4), "mm"),
        (["space: LPS", "space directions: (1,0,0) (0,1,0) (0,0,1)"], (1, 1, 1), "px"),
        (
            ["space: LPS", "space directions: (2,0,0) (0,3,0) (0,0,4)", 'space units: "µm" "µm" "µm"'],
            (2, 3, 4),
            "um",
        ),
        (["space dimension: 3", "space directions: (2,0,0) (0,3,0) (0,0,4)"], (2, 3, 4), "mm"),
    ],
)
def test_units(fields, spacing, unit, tmp_path):
    _write_by_hand(tmp_path / "a.nrrd", [*BASIC, "encoding: raw", *fields], ARRAY.tobytes())
    found = open_volume(tmp_path / "a.nrrd").geometry
    assert found.spacing == spacing
    assert found.unit == unit


def test_skips_and_a_detached_file(tmp_path):
    junk = b"first line\nsecond line\n1234567"
    fields = [*BASIC, "encoding: raw", "line skip: 2", "byte skip: 7", "data file: voxels.bin"]
    _write_by_hand(tmp_path / "a.nhdr", fields, junk + ARRAY.tobytes(), "voxels.bin")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nhdr").array, ARRAY)
    fields = [*BASIC, "encoding: raw", "byte skip: -1", "data file: voxels.bin"]
    _write_by_hand(tmp_path / "b.nhdr", fields, junk + ARRAY.tobytes(), "voxels.bin")
    np.testing.assert_array_equal(open_volume(tmp_path / "b.nhdr").array, ARRAY)
    (tmp_path / "voxels.bin").unlink()
    with pytest.raises(FileError, match=r"voxels\.bin is missing"):
        open_volume(tmp_path / "a.nhdr")


def test_what_is_not_one_volume_is_refused(tmp_path):
    rgb = ["type: uchar", "dimension: 4", "sizes: 3 4 5 2", "encoding: raw", "kinds: RGB-color domain domain domain"]
    flat = ["type: uchar", "dimension: 2", "sizes: 4 5", "encoding: raw"]
    for name, fields, words in (("rgb", rgb, "3 channels"), ("flat", flat, "2D")):
        _write_by_hand(tmp_path / f"{name}.nrrd", fields, bytes(200))
        with pytest.raises(FileError, match=rf"{name}\.nrrd.*{words}"):
            open_volume(tmp_path / f"{name}.nrrd")


def test_itk_reads_ours_alike(tmp_path):
    original = volume("i2")
    save_volume(original, tmp_path / "a.nrrd")
    image = SimpleITK.ReadImage(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), original.array)
    place = Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection(), "nm")
    assert_same_place(place, original.geometry, 1e-12)


# --- Slicer segmentations ---------------------------------------------------------------------------------------------


def test_slicerio_reads_ours(tmp_path):
    slicerio = pytest.importorskip("slicerio")
    original = overlapping()
    save_segmentation(original, tmp_path / "a.seg.nrrd")
    found = slicerio.read_segmentation(str(tmp_path / "a.seg.nrrd"))
    assert [found["segments"][n]["name"] for n in (0, 2)] == ["cytoplasm", "halo"]  # slicerio drops non-ASCII letters
    assert [s["labelValue"] for s in found["segments"]] == [2, 7, 1]
    assert [s["layer"] for s in found["segments"]] == [0, 0, 1]
    np.testing.assert_allclose([s["color"] for s in found["segments"]], [s.colour for s in original.segments])
    np.testing.assert_array_equal(np.asarray(found["voxels"])[1].transpose(2, 1, 0), original.layers[1])
    np.testing.assert_allclose(found["ijkToLPS"], original.geometry.ijk_to_lps, rtol=1e-12)


def _slicer_segmentation(path):
    scene = slicer.vtkMRMLScene()
    node = slicer.vtkMRMLSegmentationNode()
    scene.AddNode(node)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    return scene, node, storage


def _placed_mask(segment, shape, vtk_to_numpy):
    """Mask of a Slicer segment on the whole grid, from its (cropped) extent."""
    image = segment.GetRepresentation("Binary labelmap")
    i0, i1, j0, j1, k0, k1 = image.GetExtent()
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
    mask = np.zeros(shape, bool)
    mask[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] = values == segment.GetLabelValue()
    return mask


def _ras_matrix(segment, vtk):
    matrix = vtk.vtkMatrix4x4()
    segment.GetRepresentation("Binary labelmap").GetImageToWorldMatrix(matrix)
    return np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])


@needs_slicer
@pytest.mark.parametrize("make", [labels, overlapping])
def test_slicer_opens_ours_with_names_colours_terminology_and_place(make, tmp_path):
    vtk = pytest.importorskip("vtk")
    from vtk.util.numpy_support import vtk_to_numpy

    original = make()
    save_segmentation(original, tmp_path / "a.seg.nrrd")
    _scene, node, _storage = _slicer_segmentation(tmp_path / "a.seg.nrrd")
    found = node.GetSegmentation()
    assert found.GetNumberOfSegments() == len(original.segments)
    for number, row in enumerate(original.segments):
        segment = found.GetNthSegment(number)
        assert found.GetNthSegmentID(number) == row.id
        assert segment.GetName() == row.name
        np.testing.assert_allclose(segment.GetColor(), row.colour, atol=1e-6)
        assert segment.GetLabelValue() == row.value
        np.testing.assert_array_equal(_placed_mask(segment, original.shape, vtk_to_numpy), original.mask(row))
        ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ original.geometry.ijk_to_lps
        np.testing.assert_allclose(_ras_matrix(segment, vtk), ras, rtol=1e-9, atol=1e-9)
    first = found.GetNthSegment(0)
    value = vtk.reference("")
    assert first.GetTag("TerminologyEntry", value)
    assert str(value) == TERMINOLOGY
    assert first.GetTag("Status", value)
    assert str(value) == "completed"


@needs_slicer
def test_what_slicer_writes_comes_back_cropped_and_lies_on_its_image(tmp_path):
    """Slicer crops to the smallest extent; the labels must land on the image's grid exactly."""
    original = overlapping()
    save_segmentation(original, tmp_path / "a.seg.nrrd")
    _scene, node, storage = _slicer_segmentation(tmp_path / "a.seg.nrrd")
    storage.SetCropToMinimumExtent(True)
    storage.SetFileName(str(tmp_path / "b.seg.nrrd"))
    assert storage.WriteData(node) == 1
    found = open_segmentation(tmp_path / "b.seg.nrrd")
    assert found.shape != original.shape
    assert found.meta["reference_offset"] == (1, 1, 1)
    assert found.geometry.unit == "px"  # Slicer's files tell none; the numbers are those of the image
    assert is_aligned(found.geometry, original.geometry)
    placed = resample_segmentation(found, original.geometry, original.shape)
    for row in original.segments:
        theirs = placed.segment(row.name)
        assert theirs.id == row.id
        np.testing.assert_allclose(theirs.colour, row.colour, atol=1e-6)
        assert theirs.terminology == (row.terminology or theirs.terminology)
        np.testing.assert_array_equal(placed.mask(theirs), original.mask(row))


@pytest.mark.parametrize("left_out", [(), ("kinds",), ("kinds", "space")])
def test_files_of_slicer_before_4_11(left_out, tmp_path):
    """One component a segment, no label values and no layers; also if no field tells which axis has the components."""
    masks = np.zeros((4, 5, 6, 2), np.uint8)
    masks[1:3, 1:3, 1:3, 0] = 1
    masks[2:4, 2:4, 2:4, 1] = 1
    fields = ["type: unsigned char", "dimension: 4", "space: left-posterior-superior", "sizes: 2 6 5 4",
              "space directions: none (1,0,0) (0,1,0) (0,0,2)", "kinds: list domain domain domain", "encoding: gzip",
              "space origin: (1,2,3)", "Segment0_ID:=A", "Segment0_Name:=cell", "Segment0_Color:=1 0 0",
              "Segment1_ID:=B", "Segment1_Name:=bead\\nsecond line", "Segment1_Color:=0 1 0"]  # fmt: skip
    fields = [field for field in fields if not field.startswith(left_out)] if left_out else fields
    _write_by_hand(tmp_path / "old.seg.nrrd", fields, gzip.compress(masks.tobytes()))
    found = open_segmentation(tmp_path / "old.seg.nrrd")
    assert [(s.name, s.value, s.layer) for s in found.segments] == [("cell", 1, 0), ("bead second line", 1, 1)]
    for n in range(2):
        np.testing.assert_array_equal(found.mask(found.segments[n]), masks[..., n] == 1)
    assert found.geometry == (Geometry() if "space" in left_out else Geometry((1, 1, 2), (1, 2, 3), unit="px"))


def test_many_segments_and_equal_ids(tmp_path):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 400, (8, 9, 10), np.uint16)
    from ACSegLib.volume import Segment, Segmentation

    rows = [Segment(f"s{v}", int(v), id="same") for v in np.unique(array) if v]
    save_segmentation(Segmentation((array,), rows, PLACE), tmp_path / "a.seg.nrrd")
    found = open_segmentation(tmp_path / "a.seg.nrrd")
    np.testing.assert_array_equal(found.labels, array)
    assert [s.name for s in found.segments] == [s.name for s in rows]
    assert len({s.id for s in found.segments}) == len(rows)
    header = nrrd.read_header(str(tmp_path / "a.seg.nrrd"))
    for n in (0, 17, len(rows) - 1):
        k, j, i = np.nonzero(array == rows[n].value)
        expected = f"{i.min()} {i.max()} {j.min()} {j.max()} {k.min()} {k.max()}"
        assert header[f"Segment{n}_Extent"] == expected


@pytest.mark.parametrize(
    "centring", ["", "centers: cell cell cell", "centerings: node node node", "centers: node cell node"]
)
def test_axis_minima_place_the_first_voxel_as_in_itk(centring, tmp_path):
    fields = [*BASIC, "encoding: raw", "spacings: 1 2 3", "axis mins: 10 20 30"]
    _write_by_hand(tmp_path / "a.nrrd", [*fields, *([centring] if centring else [])], ARRAY.tobytes())
    image = SimpleITK.ReadImage(str(tmp_path / "a.nrrd"))
    found = open_volume(tmp_path / "a.nrrd")
    np.testing.assert_allclose(found.geometry.origin, image.GetOrigin())
    np.testing.assert_allclose(found.geometry.spacing, image.GetSpacing())


def test_space_units_count_also_without_directions(tmp_path):
    fields = [*BASIC, "encoding: raw", "space dimension: 3", 'space units: "nm" "um" "nm"', "spacings: 1 2 3"]
    _write_by_hand(tmp_path / "a.nrrd", fields, ARRAY.tobytes())
    found = open_volume(tmp_path / "a.nrrd").geometry
    assert found.unit == "nm"
    np.testing.assert_allclose(found.spacing, (1, 2000, 3))


def test_lengths_that_are_no_voxel_size_are_told(tmp_path):
    _write_by_hand(tmp_path / "a.nrrd", [*BASIC, "encoding: raw", "thicknesses: 1 2 3"], ARRAY.tobytes())
    with pytest.warns(UserWarning, match="no spacings but other lengths"):
        assert open_volume(tmp_path / "a.nrrd").geometry == Geometry()


@pytest.mark.parametrize("number", ["17", "4294967295", "9" * 40])
def test_absurd_dimensions_are_refused_at_once(number, tmp_path):
    _write_by_hand(tmp_path / "a.nrrd", ["type: short", f"dimension: {number}", "sizes: 6 5 4"], ARRAY.tobytes())
    with pytest.raises(FileError, match=r"a\.nrrd: states \d+ dimensions; NRRD has 16 at most"):
        open_volume(tmp_path / "a.nrrd")


@pytest.mark.parametrize(("space", "told"), [("LAI", True), ("right-posterior-superior", True), ("scanner-xyz", False)])
def test_a_space_that_nrrd_does_not_have_is_told(space, told, tmp_path):
    fields = [*BASIC, "encoding: raw", f"space: {space}", "space directions: (2,0,0) (0,3,0) (0,0,4)"]
    _write_by_hand(tmp_path / "a.nrrd", fields, ARRAY.tobytes())
    found = open_volume(tmp_path / "a.nrrd") if not told else None
    if told:
        with pytest.warns(UserWarning, match=f"space '{space.lower()}', which NRRD does not have"):
            found = open_volume(tmp_path / "a.nrrd")
    assert found.geometry == Geometry((2, 3, 4), unit="mm")


@pytest.mark.parametrize("detached", [None, "a.raw", "voxels/a.raw"])
@pytest.mark.parametrize(("kind", "told"), [("short", False), ("uchar", True)])
def test_voxels_that_the_header_does_not_state_are_told(kind, told, detached, tmp_path):
    """A header written by hand with the wrong type shows half of the file, as noise."""
    fields = [*BASIC[1:], f"type: {kind}", "encoding: raw", *([f"data file: {detached}"] if detached else [])]
    path = tmp_path / ("a.nhdr" if detached else "a.nrrd")
    (tmp_path / "voxels").mkdir()
    _write_by_hand(path, fields, ARRAY.tobytes(), detached)
    with collect_notes() as notes:
        open_volume(path)
    assert ["holds 240 bytes of image data, but its header states 120" in note for note in notes] == [True] * told


def test_numbers_that_the_values_stand_for_are_told(tmp_path):
    """Fields `old min` and `old max` of the format, by which quantized values become those of before."""
    old = np.linspace(-1, 3, 120)
    stored = np.rint((old + 1) / 4 * 65535).astype("<u2")
    fields = ["type: ushort", *BASIC[1:], "encoding: raw", "old min: -1", "old max: 3"]
    _write_by_hand(tmp_path / "a.nrrd", fields, stored.tobytes())
    with collect_notes() as notes:
        open_volume(tmp_path / "a.nrrd")
    (note,) = notes
    slope, offset = float(note.split("multiplied by ")[1].split()[0]), float(note.split(" to be added")[0].split()[-1])
    np.testing.assert_allclose(stored * slope + offset, old, atol=1e-4)


def test_fewer_spacings_than_axes_are_told(tmp_path):
    """It was 1 along the last axis, whatever the others are."""
    _write_by_hand(tmp_path / "a.nrrd", [*BASIC, "encoding: raw", "spacings: 0.3 0.3"], ARRAY.tobytes())
    with pytest.warns(UserWarning, match="states no voxel size along z; that of x is used"):
        assert open_volume(tmp_path / "a.nrrd").geometry.spacing == (0.3, 0.3, 0.3)


@pytest.mark.parametrize("colour", [[1.0, 0.5, 0.0], {"type": "ColorProperty", "value": [1.0, 0.5, 0.0]}])
@pytest.mark.parametrize("groups", [1, 2])
def test_labels_of_mitk(groups, colour, tmp_path):
    """As its multilabel writer has them: groups along the first axis of the file, of the kind vector (by pynrrd)."""
    first = labels().labels
    arrays = [first, np.where(first == 1, 7, 0).astype(first.dtype)][:groups]
    names = [[{"name": "cell wall", "value": 1, "color": colour}], [{"name": "ring", "value": 7, "color": colour}]]
    header = {
        "space": "left-posterior-superior",
        "kinds": ["vector", "domain", "domain", "domain"],
        "space directions": np.array([[np.nan] * 3, [2.0, 0, 0], [0, 3.0, 0], [0, 0, 4.0]]),
        "space origin": [5.0, 6.0, 7.0],
        "modality": "org.mitk.multilabel.segmentation",
        "org.mitk.multilabel.segmentation.version": "1",
        "org.mitk.multilabel.segmentation.labelgroups": json.dumps([{"labels": row} for row in names[:groups]]),
    }
    nrrd.write(str(tmp_path / "a.nrrd"), np.stack([array.transpose() for array in arrays]), header)
    found = open_segmentation(tmp_path / "a.nrrd")
    assert len(found.layers) == groups
    for array, layer in zip(arrays, found.layers, strict=True):
        np.testing.assert_array_equal(layer, array)
    rows = {(segment.name, segment.value, segment.layer): segment.colour for segment in found.segments}
    assert rows[("cell wall", 1, 0)] == (1.0, 0.5, 0.0)
    assert (("ring", 7, 1) in rows) == (groups == 2)
    assert found.geometry == Geometry((2, 3, 4), (5, 6, 7), unit="mm")


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"labels": [1, {"value": "x"}, {"value": -3}]}]', '{"labels": []}'])
def test_labels_of_mitk_without_a_usable_table_have_names_by_their_values(text, tmp_path):
    header = {"org.mitk.multilabel.segmentation.labelgroups": text}
    nrrd.write(str(tmp_path / "a.nrrd"), labels().labels.transpose(), header)
    found = open_segmentation(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(found.labels, labels().labels)
    assert {segment.name for segment in found.segments} == {f"Segment_{segment.value}" for segment in found.segments}
