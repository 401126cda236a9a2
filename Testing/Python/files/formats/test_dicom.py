"""DICOM series against ITK, and SEG objects against highdicom."""

import locale
import os

import numpy as np
import pytest
import SimpleITK

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.files.formats import dicom
from ACSegLib.files.formats.dicom_elements import start_of_elements
from ACSegLib.files.registry import collect_notes

highdicom = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")

SHAPE = (6, 10, 12)
TURN = "1\\0\\0\\0\\1\\0"


def _series(folder, places, turn=TURN, series="1.2.3.4", start=0):
    """One file for each place (x, y, z); the voxels of a slice are its number."""
    folder.mkdir(exist_ok=True)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for n, place in enumerate(places, start):
        image = SimpleITK.GetImageFromArray(np.full((1, *SHAPE[1:]), n, np.int16))
        image.SetSpacing((0.5, 0.25, 2.0))
        tags = {
            "0008|0060": "CT", "0008|0016": "1.2.840.10008.5.1.4.1.1.2", "0020|000e": series, "0020|000d": "1.2.3.5",
            "0020|0052": "1.2.3.6", "0020|0013": str(n + 1), "0008|0018": f"{series}.{n + 1}", "0010|0020": "1",
            "0018|0050": "2",
            "0020|0032": "\\".join(f"{v:g}" for v in place), "0020|0037": turn,
        }  # fmt: skip
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{n}.dcm"))
        writer.Execute(image)


@pytest.mark.parametrize("order", [1, -1])
def test_a_whole_series_is_placed_as_by_itk(order, tmp_path):
    _series(tmp_path / "a", [(1, 2, 3 + 2 * k) for k in range(6)][::order])
    found = open_volume(tmp_path / "a")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "a")))
    image = reader.Execute()
    np.testing.assert_array_equal(found.array, SimpleITK.GetArrayFromImage(image))
    np.testing.assert_allclose(found.geometry.spacing, image.GetSpacing())
    np.testing.assert_allclose(found.geometry.origin, image.GetOrigin())
    assert found.geometry.unit == "mm"


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([0, 2, 6, 8, 10], "missing.*2 and 6 mm"),
        ([0, 2, 4, 4, 6, 8], "several slices have the same position"),
        ([0, 2, 4, 4.01, 6], "several slices have the same position"),
        ([0, 2, 4.2, 6, 8, 10], "apart; resample"),
        ([(0, 0, 0), (0, 0.5, 2), (0, 1, 4), (0, 1.5, 6)], "tilted gantry"),
    ],
)
def test_uneven_slices_are_refused(places, words, tmp_path):
    _series(tmp_path / "a", [place if isinstance(place, tuple) else (0, 0, place) for place in places])
    with pytest.raises(FileError, match=rf"a: .*{words}"):
        open_volume(tmp_path / "a")


@pytest.mark.parametrize("lost", [0, 3, 5])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_slice_that_is_cut_is_named(lost, keep, tmp_path):
    """ITK leaves such a slice out without a word; at an end of the series, no gap shows it."""
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(6)])
    file = tmp_path / "a" / f"{lost}.dcm"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    with pytest.raises(FileError, match=rf"{lost}\.dcm"):
        open_volume(tmp_path / "a")


def test_slices_of_two_directions_are_refused(tmp_path):
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(3)])
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(3, 6)], turn="0\\1\\0\\0\\0\\1", start=3)
    with pytest.raises(FileError, match=r"directions|series"):
        open_volume(tmp_path / "a")


FRAMES = np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.uint16)
PLACES = [(1, 2, 3 + 4 * k) for k in range(SHAPE[0])]


def _group(**values):
    """A sequence of one item."""
    item = pydicom.Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def _multiframe(path, places=PLACES, slopes=None, **tags):
    """A multi-frame file by pydicom; without `places` only its tags tell of the voxel size."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1" if places else "1.2.840.10008.5.1.4.1.1.7.2"
    meta.MediaStorageSOPInstanceUID = "1.2.3.7"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    made.update({"SOPClassUID": meta.MediaStorageSOPClassUID, "SOPInstanceUID": "1.2.3.7"})
    for name, value in tags.items():
        setattr(made, name, value)
    made.NumberOfFrames, made.Rows, made.Columns = SHAPE
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    if places:
        shared = pydicom.Dataset()
        shared.PixelMeasuresSequence = _group(PixelSpacing=[3.0, 2.0], SliceThickness=1.0)
        shared.PlaneOrientationSequence = _group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        made.SharedFunctionalGroupsSequence = pydicom.Sequence([shared])
        frames = []
        for n, place in enumerate(places):
            frame = pydicom.Dataset()
            frame.PlanePositionSequence = _group(ImagePositionPatient=[float(v) for v in place])
            if slopes:
                frame.PixelValueTransformationSequence = _group(
                    RescaleSlope=slopes[n], RescaleIntercept=-n, RescaleType="US"
                )
            frames.append(frame)
        made.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames)
    made.PixelData = FRAMES.astype("<u2").tobytes()
    made.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("order", [1, -1])
def test_frames_in_order_are_placed_as_by_itk(order, tmp_path):
    _multiframe(tmp_path / "a.dcm", PLACES[::order])
    found = open_volume(tmp_path / "a.dcm")
    image = SimpleITK.ReadImage(str(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(found.array, FRAMES)
    np.testing.assert_allclose(found.geometry.spacing, image.GetSpacing())
    np.testing.assert_allclose(found.geometry.origin, image.GetOrigin())
    np.testing.assert_allclose(found.geometry.direction, image.GetDirection())
    assert "notes" not in found.meta


def test_frames_are_sorted_by_their_places(tmp_path):
    order = [3, 0, 5, 1, 4, 2]
    _multiframe(tmp_path / "a.dcm", [PLACES[n] for n in order])
    found = open_volume(tmp_path / "a.dcm")
    for n, place in enumerate(order):
        np.testing.assert_array_equal(found.array[place], FRAMES[n])
    assert (found.geometry.origin, found.geometry.spacing) == ((1, 2, 3), (2, 3, 4))
    assert "sorted" in found.meta["notes"][0]


def test_each_frame_has_the_slope_that_it_states(tmp_path):
    """ITK takes that of the first frame for all; PS3.3 C.7.6.16.2.9 has one for each."""
    slopes = [1 + 0.5 * n for n in range(SHAPE[0])]
    _multiframe(tmp_path / "a.dcm", slopes=slopes)
    wanted = FRAMES * np.array(slopes)[:, None, None] - np.arange(SHAPE[0])[:, None, None]
    np.testing.assert_allclose(open_volume(tmp_path / "a.dcm").array, wanted)


@pytest.mark.parametrize(
    ("tags", "spacing", "unit"),
    [
        ({"PixelSpacing": [3, 2], "SpacingBetweenSlices": 4, "SliceThickness": 9}, (2, 3, 4), "mm"),
        ({"PixelSpacing": [3, 2], "SliceThickness": 4}, (2, 3, 4), "mm"),
        ({"NominalScannedPixelSpacing": [3, 2]}, (2, 3, 2), "mm"),
        ({}, (1, 1, 1), "px"),
    ],
)
def test_frames_without_places_have_the_voxel_size_of_their_tags(tags, spacing, unit, tmp_path):
    """ITK says 1 mm for what it does not look up (Slicer #6773)."""
    _multiframe(tmp_path / "a.dcm", None, **tags)
    found = open_volume(tmp_path / "a.dcm")
    np.testing.assert_array_equal(found.array, FRAMES)
    assert (found.geometry.spacing, found.geometry.unit) == (spacing, unit)


def test_files_of_a_series_may_have_any_name(tmp_path):
    """Archives name files by their UID, whose last number looks like an ending."""
    _series(tmp_path / "a", PLACES)
    for n in range(SHAPE[0]):
        (tmp_path / "a" / f"{n}.dcm").rename(tmp_path / "a" / f"1.2.840.113.{n}")
    assert open_volume(tmp_path / "a").geometry.spacing == (0.5, 0.25, 4)
    alone = open_volume(tmp_path / "a" / "1.2.840.113.0")
    assert "give the folder" in alone.meta["notes"][0]


@pytest.mark.parametrize("lacks", ["preamble", "implicit", "explicit"])
def test_files_without_preamble_or_file_information_open(lacks, tmp_path):
    """As old scanners and planning programs write them, and as ITK reads them."""
    _series(tmp_path / "a", [(1, 2, 3 + 2 * k) for k in range(6)])
    whole = open_volume(tmp_path / "a")
    for path in (tmp_path / "a").iterdir():
        dataset = pydicom.dcmread(path)
        stream = pydicom.filebase.DicomBytesIO()
        stream.is_little_endian, stream.is_implicit_VR = True, lacks == "implicit"
        bare = pydicom.Dataset()
        bare.update({element.tag: element for element in dataset})
        pydicom.filewriter.write_dataset(stream, bare)
        path.write_bytes(path.read_bytes()[132:] if lacks == "preamble" else stream.getvalue())
    found = open_volume(tmp_path / "a")
    np.testing.assert_array_equal(found.array, whole.array)
    assert found.geometry == whole.geometry


@pytest.mark.parametrize("size", [(2, 4, 4), (8, 4, 6), (2, 0, 8), (520, 64, 2)])
def test_numbers_at_the_start_of_other_files_are_no_elements(size):
    """An MRC file begins with its size and mode, a raw file with anything."""
    assert start_of_elements(np.array([*size, *[2] * 253], "<i4").tobytes()) is None


@pytest.mark.parametrize("inside", [False, True])
def test_outlines_are_refused_as_such(inside, tmp_path):
    _series(tmp_path / "a", [(0, 0, 0)])
    path = tmp_path / "a" / "0.dcm"
    dataset = pydicom.dcmread(path)
    dataset.Modality = "RTSTRUCT"
    del dataset.PixelData, dataset.Rows, dataset.Columns
    dataset.save_as(path)
    with pytest.raises(FileError, match=r"\(RTSTRUCT\) holds outlines"):
        open_volume(path.parent if inside else path)


def _segmentation(path, masks, kind=None, colours=None):
    """A SEG by highdicom on a series of this module; masks has shape (segment, k, j, i)."""
    from highdicom.sr.coding import CodedConcept

    _series(path.parent / "source", [(1, 2, 3 + 2 * k) for k in range(SHAPE[0])])
    source = [pydicom.dcmread(path.parent / "source" / f"{k}.dcm") for k in range(SHAPE[0])]
    for image in source:
        for tag in ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
                    "StudyID", "ReferringPhysicianName"):  # fmt: skip
            if tag not in image:
                setattr(image, tag, "")
    rows = []
    for n in range(len(masks)):
        rows.append(
            highdicom.seg.SegmentDescription(
                segment_number=n + 1,
                segment_label=("nucleus", "cell", "halo")[n],
                segmented_property_category=CodedConcept("91723000", "SCT", "Anatomical Structure"),
                segmented_property_type=CodedConcept("84640000", "SCT", "Nucleus"),
                algorithm_type="MANUAL",
            )
        )
        if colours:
            rows[-1].RecommendedDisplayCIELabValue = list(colours[n])
    made = highdicom.seg.Segmentation(
        source, np.moveaxis(masks, 0, -1).astype(np.uint8 if kind is None else float),
        kind or highdicom.seg.SegmentationTypeValues.BINARY, rows, "1.2.3.9", 1, "1.2.3.9.1", 1, "maker", "model", "1",
        "serial",
    )  # fmt: skip
    made.save_as(path)
    return made


def _masks():
    masks = np.zeros((2, *SHAPE), bool)
    masks[0, 1:3, 2:6, 2:8] = True
    masks[1, 2:5, 4:9, 4:11] = True
    return masks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("overlap", [True, False])
def test_segments_of_a_dicom_seg(overlap, tmp_path):
    masks = _masks()
    if not overlap:
        masks[1] &= ~masks[0]
    _segmentation(tmp_path / "seg.dcm", masks)
    found = open_segmentation(tmp_path / "seg.dcm")
    assert [segment.name for segment in found.segments] == ["nucleus", "cell"]
    assert len(found.layers) == (2 if overlap else 1)
    reader = highdicom.seg.segread(tmp_path / "seg.dcm")
    theirs = reader.get_volume(combine_segments=False)
    assert theirs.array.shape == (4, *SHAPE[1:], 2)  # planes without a segment are left out
    for n, segment in enumerate(found.segments):
        np.testing.assert_array_equal(found.mask(segment), theirs.array[..., n].astype(bool)[:: _sense(theirs)])
        np.testing.assert_array_equal(found.mask(segment), masks[n, 1:5])
    np.testing.assert_allclose(found.geometry.spacing, (0.5, 0.25, 2.0))
    np.testing.assert_allclose(found.geometry.origin, (1, 2, 5))
    assert found.geometry.unit == "mm"


def _sense(volume):
    """1 where the slices of highdicom's volume ascend along z, -1 where they descend."""
    return 1 if volume.affine[2, 0] > 0 else -1


@pytest.mark.filterwarnings("ignore")
def test_a_fractional_seg_is_taken_from_a_half_on_and_told(tmp_path):
    masks = _masks() * 0.4
    masks[0, 2, 3, 3] = 0.9
    _segmentation(tmp_path / "seg.dcm", masks, highdicom.seg.SegmentationTypeValues.FRACTIONAL)
    found = open_segmentation(tmp_path / "seg.dcm")
    assert int(found.mask("nucleus").sum()) == 1
    assert "fractional" in found.meta["notes"][0]


@pytest.mark.filterwarnings("ignore")
def test_colours_of_a_dicom_seg(tmp_path):
    """CIELab values of pure sRGB colours under D50 (Lindbloom's calculator), as PS3.3 C.10.7.1.1 stores them."""

    def stored(lightness, a, b):
        return round(lightness * 65535 / 100), round((a + 128) * 65535 / 255), round((b + 128) * 65535 / 255)

    colours = [stored(54.29, 80.81, 69.89), stored(87.82, -79.29, 80.99)]
    _segmentation(tmp_path / "seg.dcm", _masks(), colours=colours)
    found = open_segmentation(tmp_path / "seg.dcm")
    np.testing.assert_allclose(found.segment("nucleus").colour, (1, 0, 0), atol=0.02)
    np.testing.assert_allclose(found.segment("cell").colour, (0, 1, 0), atol=0.02)


@pytest.mark.filterwarnings("ignore")
def test_frames_that_lie_between_the_slices_are_refused(tmp_path):
    made = _segmentation(tmp_path / "seg.dcm", _masks())
    frame = made.PerFrameFunctionalGroupsSequence[1]
    frame.PlanePositionSequence[0].ImagePositionPatient[2] += 0.7
    made.save_as(tmp_path / "seg.dcm")
    with pytest.raises(FileError, match="do not lie on one grid"):
        open_segmentation(tmp_path / "seg.dcm")


@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_an_element_longer_than_the_file_is_refused_before_memory(syntax, tmp_path):
    """GDCM reserves what an element's length says."""
    resource = pytest.importorskip("resource", reason="Windows counts memory otherwise")

    image = SimpleITK.GetImageFromArray(np.zeros(SHAPE, np.uint16))
    SimpleITK.WriteImage(image, str(tmp_path / "a.dcm"), imageIO="GDCMImageIO")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    uids = {"implicit": pydicom.uid.ImplicitVRLittleEndian, "explicit": pydicom.uid.ExplicitVRLittleEndian}
    dataset.file_meta.TransferSyntaxUID = uids[syntax]
    dataset.save_as(tmp_path / "a.dcm", implicit_vr=syntax == "implicit", little_endian=True)
    open_volume(tmp_path / "a.dcm")
    data = bytearray((tmp_path / "a.dcm").read_bytes())
    at = data.index(b"\xfe\xff\x00\xe0") + 4  # the length of the first item of a sequence
    data[at : at + 4] = (0x39FFFFFF).to_bytes(4, "little")
    (tmp_path / "a.dcm").write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileError, match="does not fit"):
        open_volume(tmp_path / "a.dcm")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_an_element_longer_than_its_file_is_refused_before_gdcm_reads_the_folder(tmp_path):
    """GDCM would reserve as much memory as the element claims to need."""
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(3)])
    file = tmp_path / "a" / "1.dcm"
    data = pydicom.dcmread(file)
    data.add_new(0x00091001, "OB", bytes(8))
    data.save_as(file)
    stored = file.read_bytes()
    at = stored.index(b"\x09\0\x01\x10") + 4  # in implicit little endian, the length follows the tag
    file.write_bytes(stored[:at] + b"\xf0\xff\xff\x7f" + stored[at + 4 :])
    with pytest.raises(FileError, match=r"1\.dcm.*an element does not fit"):
        open_volume(tmp_path / "a")


def test_a_dicom_file_that_begins_like_a_tiff_is_read_as_dicom(tmp_path):
    """The preamble of 128 bytes is free for other programs; a TIFF header knows nothing of the place."""
    _series(tmp_path / "a", [(1, 2, 3)])
    file = tmp_path / "a" / "0.dcm"
    file.write_bytes(b"II*\0" + bytes(124) + file.read_bytes()[128:])
    found = open_volume(file)
    assert found.meta["format"] == "DICOM"
    np.testing.assert_allclose(found.geometry.spacing, (0.5, 0.25, 2))
    np.testing.assert_allclose(found.geometry.origin, (1, 2, 3))


def test_a_library_that_changes_the_locale_does_not_change_it_for_the_program(tmp_path, monkeypatch):
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(3)])
    read = dicom.read

    def read_elsewhere(path, request):
        locale.setlocale(locale.LC_ALL, "C")
        return read(path, request)

    monkeypatch.setattr(dicom, "read", read_elsewhere)
    before = locale.setlocale(locale.LC_ALL)
    try:
        other = locale.setlocale(locale.LC_ALL, "" if os.name == "nt" else "C.UTF-8")
        open_volume(tmp_path / "a")
        assert locale.setlocale(locale.LC_ALL) == other
    finally:
        locale.setlocale(locale.LC_ALL, before)


@pytest.mark.parametrize(
    "slopes",
    [
        [(1, 0), (0.5, 0), (0.25, 7), (2, 0)],
        [(1, 0), (1, 0), (1000, -3), (1, 0)],
        [(0.5, 0), (0.25, 0), (1, 0), (2, 3)],
        [(2, -5)] * 4,
    ],
)
def test_each_slice_has_the_slope_that_it_states(slopes, tmp_path):
    """ITK gives all slices the type of the first one, which cuts or wraps values of the others; PET is such."""
    folder = tmp_path / "a"
    _series(folder, [(0, 0, 2 * k) for k in range(4)])
    expected = []
    for n, (slope, intercept) in enumerate(slopes):
        dataset = pydicom.dcmread(folder / f"{n}.dcm")
        dataset.PixelData = (np.arange(120, dtype=np.int16).reshape(10, 12) + 100 * n).tobytes()
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.save_as(folder / f"{n}.dcm")
        expected.append(dataset.pixel_array * float(slope) + intercept)
    np.testing.assert_allclose(open_volume(folder).array, np.stack(expected), rtol=1e-6)


def test_values_from_white_to_black_are_inverted_as_by_itk_and_told(tmp_path):
    folder = tmp_path / "a"
    _series(folder, [(0, 0, 2 * k) for k in range(4)])
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.save_as(file)
    image = SimpleITK.ReadImage([str(folder / f"{n}.dcm") for n in range(4)])
    with pytest.warns(UserWarning, match="MONOCHROME1"):
        np.testing.assert_array_equal(open_volume(folder).array, SimpleITK.GetArrayFromImage(image))


@pytest.mark.parametrize(
    ("change", "spacing", "origin", "note"),
    [
        ({"ImageOrientationPatient": None}, (0.5, 0.25, 3), (1, 2, -3), "no directions"),
        (
            {"ImageOrientationPatient": None, "ImagePositionPatient": None, "SliceLocation": ...},
            (0.5, 0.25, 3), (0, 0, 0), "no positions",
        ),
        ({"PixelSpacing": None}, (3, 3, 3), (1, 2, -3), "no voxel size along x and y"),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.1, 0.2]}, (0.2, 0.1, 3), (1, 2, -3), None),
    ],
)  # fmt: skip
def test_places_that_are_stated_in_part_count(change, spacing, origin, note, tmp_path):
    """The thickness of the slices (2 mm) is no distance."""
    heights = [6, -3, 3, 0]
    _series(tmp_path / "a", [(1, 2, z) for z in heights])
    for n, z in enumerate(heights):
        file = pydicom.dcmread(tmp_path / "a" / f"{n}.dcm")
        for name, value in change.items():
            setattr(file, name, float(z) if value is ... else value)
            if value is None:
                delattr(file, name)
        file.save_as(tmp_path / "a" / f"{n}.dcm")
    found = open_volume(tmp_path / "a", labels_too=True)
    assert found.array[:, 0, 0].tolist() == [1, 3, 2, 0]
    assert (found.geometry.spacing, found.geometry.origin) == (spacing, origin)
    assert (note or "") in " ".join(found.meta.get("notes", []))


def test_a_dose_has_offsets_and_a_scale_of_its_own(tmp_path):
    _multiframe(
        tmp_path / "dose.dcm", None, PixelSpacing=[0.5, 0.5], SliceThickness=1.0,
        GridFrameOffsetVector=[2.5 * n for n in range(6)], DoseGridScaling="0.5",
    )  # fmt: skip
    found = open_volume(tmp_path / "dose.dcm")
    assert found.geometry.spacing == (0.5, 0.5, 2.5)
    np.testing.assert_array_equal(found.array, FRAMES / 2)


def test_slices_of_other_pixel_sizes_are_refused(tmp_path):
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(4)])
    file = pydicom.dcmread(tmp_path / "a" / "2.dcm")
    file.PixelSpacing = [0.5, 0.5]
    file.save_as(tmp_path / "a" / "2.dcm")
    with pytest.raises(FileError, match=r"different sizes \(0.25 x 0.5 and 0.5 x 0.5 mm\)"):
        open_volume(tmp_path / "a", labels_too=True)


@pytest.mark.parametrize(("number", "side"), [(0, 4), (0, 20), (6, 4), (6, 20)])
def test_a_slice_of_another_size_is_named(number, side, tmp_path, capfd):
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(number == 0, 6 + (number == 0))], start=int(number == 0))
    odd = SimpleITK.GetImageFromArray(np.zeros((1, side, side), np.int16))
    other = SimpleITK.ReadImage(str(tmp_path / "a" / "3.dcm"))
    for tag in other.GetMetaDataKeys():
        odd.SetMetaData(tag, other.GetMetaData(tag))
    odd.SetMetaData("0008|0018", "1.2.3.4.99")
    odd.SetMetaData("0020|0032", f"0\\0\\{2 * number}")
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(tmp_path / "a" / "odd.dcm"))
    writer.Execute(odd)
    with pytest.raises(FileError, match=rf"a: its slice odd\.dcm has {side} x {side} pixels, but 6 of 7 have 12 x 10"):
        open_volume(tmp_path / "a")


def test_itk_warns_of_nothing_that_is_checked_here(tmp_path, capfd):
    _series(tmp_path / "a", [(0, 0, 2 * k + 0.0004 * (-1) ** k) for k in range(6)])
    open_volume(tmp_path / "a")
    assert capfd.readouterr().err == ""
    assert SimpleITK.ProcessObject.GetGlobalWarningDisplay()


@pytest.mark.parametrize("kind", ["table", "mapping", "mapping as rescaled"])
def test_what_values_mean_by_a_table_or_a_mapping_is_told(kind, tmp_path):
    """Tables of PS3.3 C.11.1 and C.7.6.16.2.11, which ITK does not look at."""
    _series(tmp_path / "a", [(0, 0, 2 * k) for k in range(3)])
    row = pydicom.Dataset()
    row.RealWorldValueSlope, row.RealWorldValueIntercept = (0.01, -1.0) if kind == "mapping" else (1.0, 0.0)
    for path in (tmp_path / "a").iterdir():
        dataset = pydicom.dcmread(path)
        if kind == "table":
            dataset.ModalityLUTSequence = [pydicom.Dataset()]
        else:
            dataset.RealWorldValueMappingSequence = [row]
        dataset.save_as(path)
    words = {"table": ["ModalityLUTSequence"], "mapping": ["multiplied by 0.01 and -1 to be added"]}.get(kind, [])
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a").array
    np.testing.assert_array_equal(found[:, 0, 0], [0, 1, 2])
    assert [word in note for word, note in zip(words, notes, strict=True)] == [True] * len(words)
