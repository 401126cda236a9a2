"""TIFF, ImageJ TIFF and OME-TIFF against tifffile, hand-set metadata and ITK."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK
import tifffile
from filecases import STRAIGHT, assert_same_place, labels, numbers, volume

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes, inventory
from ACSegLib.volume import Geometry

ARRAY = numbers("u2", (4, 5, 6))
OME = """<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="6" SizeY="5" SizeZ="4" SizeC="1"
SizeT="1" {sizes}><TiffData/></Pixels></Image></OME>"""


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m", "nm", "mm", "pixel", "inch", None])
@pytest.mark.filterwarnings("ignore:.*inches")
def test_imagej(unit, tmp_path):
    metadata = {"axes": "ZYX", "spacing": 0.5} | ({"unit": unit} if unit else {})
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, imagej=True, resolution=(4.0, 5.0), metadata=metadata)
    found = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.array, ARRAY)
    units = {"nm": "nm", "mm": "mm", "micron": "um", "um": "um", "\\u00B5m": "um", "inch": "cm"}
    assert found.geometry.unit == units.get(unit, "px")
    scale = 2.54 if unit == "inch" else 1
    np.testing.assert_allclose(found.geometry.spacing, np.array((0.25, 0.2, 0.5)) * scale, rtol=1e-7)


def _imagej(path, lines, resolution=(10, 10), resolutionunit=1, planes=ARRAY):
    """A stack with ImageJ's description written by hand, as Fiji writes it."""
    text = f"ImageJ=1.54f\nimages={len(planes)}\nslices={len(planes)}\n{lines}\n"
    with tifffile.TiffWriter(path) as file:
        for n, plane in enumerate(planes):
            file.write(
                plane, description=text if n == 0 else None, metadata=None, photometric="minisblack", contiguous=False,
                resolution=resolution, resolutionunit=resolutionunit,
            )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "options", "spacing", "unit"),
    [
        ("unit=micron", {}, (0.1, 0.1, 1.0), "um"),  # spacing is left out where it is 1
        ("unit=micron\nspacing=-0.3", {}, (0.1, 0.1, 0.3), "um"),
        ("unit=nm\nzunit=\\u00B5m\nspacing=0.3", {}, (0.1, 0.1, 300.0), "nm"),
        ("unit=nm\nyunit=pm\nspacing=0.3", {}, (0.1, 1e-4, 0.3), "nm"),
        ("unit=um\nspacing=0.3", {"resolution": (1e5, 1e5), "resolutionunit": 3}, (0.1, 0.1, 0.3), "um"),
        ("unit=micron\nspacing=0.3", {"resolution": (1e5, 1e5), "resolutionunit": 3}, (0.1, 0.1, 0.3), "um"),
        ("spacing=0.3", {"resolution": (10, 10), "resolutionunit": 3}, (0.1, 0.1, 0.3), "cm"),
        ("unit=inch\nspacing=1", {"resolution": (72, 72)}, (1, 1, 1), "px"),
        ("unit=pixel\nspacing=3.0", {"resolution": (1, 1)}, (1, 1, 3), "px"),
    ],
)
def test_imagej_reads_its_own_sizes_so(lines, options, spacing, unit, tmp_path):
    """The rules of ij.io.FileOpener and TiffDecoder."""
    _imagej(tmp_path / "a.tif", lines, **options)
    found = open_volume(tmp_path / "a.tif").geometry
    assert found.unit == unit
    np.testing.assert_allclose(found.spacing, spacing, rtol=1e-6)


def test_an_imagej_unit_that_is_not_known_is_told(tmp_path):
    _imagej(tmp_path / "a.tif", "unit=um\nzunit=sec\nspacing=2")
    with pytest.warns(UserWarning, match=r"z \(sec\)"):
        assert open_volume(tmp_path / "a.tif").geometry.unit == "px"


@pytest.mark.parametrize("spacing", ["0,5", "0"])
def test_a_slice_distance_that_is_none_is_told(spacing, tmp_path):
    """A comma is written by scripts in some languages; ImageJ takes 1."""
    _imagej(tmp_path / "a.tif", f"unit=um\nspacing={spacing}")
    with pytest.warns(UserWarning, match=f"slice distance {spacing},"):
        assert open_volume(tmp_path / "a.tif").geometry.spacing == (0.1, 0.1, 1.0)


@pytest.mark.parametrize(
    ("first", "slope", "dtype"), [(-32768.0, 1.0, "i2"), (10.0, 1.0, "u4"), (0.5, 0.25, "f4"), (0.0, 1.0, "u2")]
)
def test_values_are_those_that_imagej_shows(first, slope, dtype, tmp_path):
    _imagej(tmp_path / "a.tif", f"cf=0\nc0={first}\nc1={slope}\nvunit=Gray Value")
    found = open_volume(tmp_path / "a.tif").array
    assert found.dtype.kind == np.dtype(dtype).kind
    np.testing.assert_allclose(found, ARRAY * slope + first, rtol=1e-6)


@pytest.mark.parametrize(
    ("spacing", "options", "expected"),
    [
        (0.3, {"resolution": (10, 5)}, Geometry((0.1, 0.2, 0.3), unit="um")),
        (0.3, {"resolution": (10, 5), "resolutionunit": "NONE"}, Geometry((0.1, 0.2, 0.3), unit="um")),
        (0.3, {"resolution": (1e5, 1e5), "resolutionunit": "CENTIMETER"}, Geometry((1e-5, 1e-5, 3e-5), unit="cm")),
        (0.3, {}, Geometry((0.3, 0.3, 0.3), unit="um")),
        ([0.1, 0.2, 0.3], {}, Geometry((0.1, 0.2, 0.3), unit="um")),
        ([0.1, 0.3], {}, Geometry()),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(no voxel size along x and y|not one number or three)")
def test_words_of_imagej_in_the_text_of_tifffile(spacing, options, expected, tmp_path):
    """As scripts write them that forget `imagej=True`."""
    path = tmp_path / "a.tif"
    words = {"axes": "ZYX", "spacing": spacing, "unit": "um"}
    tifffile.imwrite(path, ARRAY, metadata=words, photometric="minisblack", **options)
    found = open_volume(path)
    assert_same_place(found.geometry, expected, 1e-9)
    np.testing.assert_array_equal(found.array, ARRAY)


def test_another_calibration_of_values_is_told(tmp_path):
    _imagej(tmp_path / "a.tif", "cf=11\nc0=1\nc1=2\nc2=3\nc3=4")
    with pytest.warns(UserWarning, match="calibration"):
        np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)


def test_an_imagej_stack_that_lacks_planes_is_refused(tmp_path):
    _imagej(tmp_path / "a.tif", "unit=um")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data.replace(b"images=4\nslices=4", b"images=9\nslices=9"))
    with pytest.raises(FileError, match="4 of the 9 planes"):
        open_volume(tmp_path / "a.tif")


def _ome_size(um):
    return {f"PhysicalSize{a}": um for a in "XYZ"} | {f"PhysicalSize{a}Unit": "µm" for a in "XYZ"}


def _two_images(path, first=(3, 5, 6), second=(4, 7, 8)):
    with tifffile.TiffWriter(path, ome=True) as file:
        for shape, name, size in ((first, "overview", 0.1), (second, "cell", 0.2)):
            array = numbers("u1", shape)
            file.write(array, metadata={"axes": "ZYX", "Name": name, **_ome_size(size)}, photometric="minisblack")


@pytest.mark.parametrize(("dataset", "shape", "size"), [
    (None, (4, 7, 8), 0.2), ("0", (3, 5, 6), 0.1), ("1", (4, 7, 8), 0.2), ("overview", (3, 5, 6), 0.1),
    ("cell", (4, 7, 8), 0.2),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*holds 2 images")
def test_voxels_and_voxel_size_are_of_the_same_image(dataset, shape, size, tmp_path):
    _two_images(tmp_path / "a.ome.tif")
    found = open_volume(tmp_path / "a.ome.tif", dataset=dataset)
    assert found.shape == shape
    np.testing.assert_array_equal(found.array, numbers("u1", shape))
    assert found.geometry == Geometry((size,) * 3, unit="um")


def test_several_images_are_told_and_a_wrong_one_named(tmp_path):
    _two_images(tmp_path / "a.ome.tif")
    with pytest.warns(UserWarning, match=r"0 \(overview, 6 x 5 x 3\); 1 \(cell, 8 x 7 x 4\)"):
        open_volume(tmp_path / "a.ome.tif")
    with pytest.raises(FileError, match=r"no image 'nucleus'.*overview"):
        open_volume(tmp_path / "a.ome.tif", dataset="nucleus")
    assert [row.name for row in inventory(tmp_path / "a.ome.tif")] == ["overview", "cell"]


def test_an_ome_tiff_that_lacks_planes_is_refused(tmp_path):
    xml = OME.format(sizes="").replace("\n", " ").replace('SizeZ="4"', 'SizeZ="9"').encode("utf-8")
    tifffile.imwrite(tmp_path / "a.ome.tif", ARRAY, description=xml, metadata=None, photometric="minisblack")
    with pytest.raises(FileError, match="4 of the 9 planes"):
        open_volume(tmp_path / "a.ome.tif")


def test_ome_metadata_that_are_cut_are_told(tmp_path):
    text = OME.format(sizes='PhysicalSizeX="2"').replace("\n", " ").encode("utf-8")[:-20]
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        for n, plane in enumerate(ARRAY):
            file.write(plane, description=text if n == 0 else None, metadata=None, contiguous=False)
    with pytest.warns(UserWarning, match="OME metadata that are cut short; the voxel size is unknown"):
        found = open_volume(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(found.array, ARRAY)


def test_planes_that_the_metadata_pass_over_are_told(tmp_path):
    """As where a program appended a plane, and left the text of the first page as it was."""
    tifffile.imwrite(tmp_path / "whole.ome.tif", ARRAY, metadata={"axes": "ZYX"}, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "whole.ome.tif") as file:
        text = file.ome_metadata
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        for n, plane in enumerate([*ARRAY, ARRAY[0]]):
            file.write(plane, description=text if n == 0 else None, metadata=None, contiguous=False)
    with pytest.warns(UserWarning, match=rf"holds {len(ARRAY) + 1} planes, of which its metadata state {len(ARRAY)};"):
        found = open_volume(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(found.array, ARRAY)


def test_an_ome_tiff_without_one_of_its_files_is_refused(tmp_path):
    uuid = "urn:uuid:00000000-0000-0000-0000-00000000000"
    data = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="p{z}.ome.tif">{uuid}{z}</UUID></TiffData>'
        for z in range(4)
    )
    for z in range(3):
        xml = OME.format(sizes="").replace("<TiffData/>", data).replace("<OME ", f'<OME UUID="{uuid}{z}" ')
        tifffile.imwrite(
            tmp_path / f"p{z}.ome.tif", ARRAY[z], description=xml.replace("\n", " ").encode(), metadata=None,
            photometric="minisblack",
        )  # fmt: skip
    with pytest.raises(FileError, match="3 of the 4 planes"):
        open_volume(tmp_path / "p0.ome.tif")


def test_planes_of_an_ome_tiff_lie_where_its_metadata_put_them(tmp_path):
    """The first plane need not be the first page; tifffile reads such a file in the same order."""
    order = "".join(f'<TiffData IFD="{n}" FirstZ="{3 - n}" PlaneCount="1"/>' for n in range(4))
    xml = OME.format(sizes="").replace("<TiffData/>", order).replace("\n", " ").encode("utf-8")
    tifffile.imwrite(tmp_path / "a.ome.tif", ARRAY, description=xml, metadata=None, photometric="minisblack")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), ARRAY[::-1])
    np.testing.assert_array_equal(open_volume(tmp_path / "a.ome.tif").array, ARRAY[::-1])


def test_metadata_in_a_companion_file_are_told(tmp_path):
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:1"/></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, ARRAY, description=text, metadata=None, photometric="minisblack")
    with pytest.warns(UserWarning, match="file of their own"):
        found = open_volume(path)
    np.testing.assert_array_equal(found.array, ARRAY)


def test_imagej_without_a_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, imagej=True, metadata={"axes": "ZYX"})
    assert open_volume(tmp_path / "a.tif").geometry == Geometry()


@pytest.mark.parametrize("width", [6, 8, 13])
def test_masks_of_one_bit_per_voxel(width, tmp_path):
    """Rows end at whole bytes."""
    mask = np.random.default_rng(0).random((4, 5, width)) > 0.5
    tifffile.imwrite(tmp_path / "a.tif", mask)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, mask)
    np.testing.assert_array_equal(open_segmentation(tmp_path / "a.tif").labels, mask)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:-2])
    with pytest.raises(FileError):
        open_volume(tmp_path / "cut.tif")


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_plain_pages_of_either_byte_order(byteorder, bigtiff, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=byteorder, bigtiff=bigtiff) as writer:
        for plane in ARRAY:
            writer.write(plane, contiguous=False, metadata=None, compression="lzw")
    found = open_volume(tmp_path / "a.tif")
    assert found.array.dtype.isnative
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry()


@pytest.mark.parametrize(("dots", "unit", "told"), [(72, 2, ""), (1e4 / 0.0325, 3, "0.0325 um"), (1e4, 1, "")])
def test_a_resolution_that_no_print_has_is_told(dots, unit, told, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for plane in ARRAY:
            file.write(plane, resolution=(dots, dots), resolutionunit=unit, metadata=None, contiguous=False)
    with collect_notes() as notes:
        assert open_volume(tmp_path / "a.tif").geometry == Geometry()
    assert len(notes) == bool(told)
    assert told in "".join(notes)


@pytest.mark.parametrize("shape", [(1, 7, 5, 6), (7, 1, 5, 6), (1, 7, 1, 5, 6), (7, 5, 6, 1)])
def test_single_axes_of_unknown_meaning_are_dropped(shape, tmp_path):
    array = numbers("u2", shape)
    tifffile.imwrite(tmp_path / "a.tif", array)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, array.squeeze())


@pytest.mark.parametrize(
    ("sizes", "spacing", "unit"),
    [
        ("", (1, 1, 1), "px"),
        ('PhysicalSizeX="0.1" PhysicalSizeY="0.2" PhysicalSizeZ="0.3"', (0.1, 0.2, 0.3), "um"),
        (
            'PhysicalSizeX="10" PhysicalSizeXUnit="nm" PhysicalSizeY="20" PhysicalSizeYUnit="nm" PhysicalSizeZ="0.3"',
            (10, 20, 300),
            "nm",
        ),
        (
            'PhysicalSizeX="10" PhysicalSizeXUnit="Å" PhysicalSizeY="10" PhysicalSizeYUnit="Å" PhysicalSizeZ="2" '
            'PhysicalSizeZUnit="nm"',
            (10, 10, 20),
            "angstrom",
        ),
        ('PhysicalSizeX="0,1" PhysicalSizeY="0,2" PhysicalSizeZ="0,3"', (0.1, 0.2, 0.3), "um"),
        ('PhysicalSizeX="0.1" PhysicalSizeY="0.2" PhysicalSizeZ="null"', (0.1, 0.2, 0.1), "um"),
        ('PhysicalSizeX="2" PhysicalSizeXUnit="mm" PhysicalSizeY="2" PhysicalSizeYUnit="mm"', (2, 2, 2), "mm"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*no voxel size along z")
def test_ome_sizes_and_units(sizes, spacing, unit, tmp_path):
    xml = OME.format(sizes=sizes).replace("\n", " ").encode("utf-8")
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, description=xml, metadata=None, photometric="minisblack")
    found = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry.unit == unit
    np.testing.assert_allclose(found.geometry.spacing, spacing, rtol=1e-12)


def test_pyramid_levels(tmp_path):
    fine = numbers("u1", (4, 64, 64))
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        writer.write(fine, subifds=1, metadata={"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeXUnit": "nm",
                     "PhysicalSizeY": 3.0, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 4.0,
                     "PhysicalSizeZUnit": "nm"}, tile=(16, 16))  # fmt: skip
        writer.write(fine[:, ::2, ::2], subfiletype=1, tile=(16, 16))
    np.testing.assert_array_equal(open_volume(tmp_path / "a.ome.tif").array, fine)
    coarse = open_volume(tmp_path / "a.ome.tif", level=1)
    np.testing.assert_array_equal(coarse.array, fine[:, ::2, ::2])
    np.testing.assert_allclose(coarse.geometry.spacing, (4, 6, 4))
    assert [row.shape for row in inventory(tmp_path / "a.ome.tif")] == [(4, 64, 64), (4, 32, 32)]
    with pytest.raises(FileError, match="2 resolution levels"):
        open_volume(tmp_path / "a.ome.tif", level=2)


def test_what_is_not_one_volume_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", ARRAY[0])
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((4, 5, 6, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "rgbflat.tif", np.zeros((5, 6, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(
        tmp_path / "channels.tif", np.zeros((4, 2, 5, 6), np.uint8), imagej=True, metadata={"axes": "ZCYX"}
    )
    tifffile.imwrite(tmp_path / "time.tif", np.zeros((7, 4, 5, 6), np.uint8), imagej=True, metadata={"axes": "TZYX"})
    for name, words in (
        ("flat", "2D image"),
        ("rgb", "3 colour channels"),
        ("rgbflat", "3 colour channels"),
        ("channels", "2 channels"),
        ("time", "7 time points"),
    ):
        with pytest.raises(FileError, match=rf"{name}\.tif.*{words}"):
            open_volume(tmp_path / f"{name}.tif")


@pytest.mark.filterwarnings("ignore:.*time points")
def test_time_without_z_is_taken_as_z(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, imagej=True, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)


def test_ours_is_imagej_with_size_and_names(tmp_path):
    save_segmentation(labels(STRAIGHT), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_imagej
        assert file.imagej_metadata["unit"] == "nm"
        assert file.imagej_metadata["spacing"] == pytest.approx(51.7)
        assert file.imagej_metadata["slices"] == 4
        numerator, denominator = file.pages[0].tags["XResolution"].value
        assert denominator / numerator == pytest.approx(24.6, rel=1e-7)
        assert "cytoplasm" in file.imagej_metadata["Info"]
    image = SimpleITK.ReadImage(str(tmp_path / "a.tif"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), labels().labels)


def test_ours_is_ome_with_size(tmp_path):
    save_volume(volume("i4", STRAIGHT), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeX="24.6"' in file.ome_metadata
        assert 'PhysicalSizeXUnit="nm"' in file.ome_metadata


def test_a_voxel_size_set_in_another_program_wins(tmp_path):
    """Only where the record still agrees with the file's own size are its origin and direction used."""
    save_segmentation(labels(), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        info = file.imagej_metadata["Info"]
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um", "Info": info}
    tifffile.imwrite(tmp_path / "b.tif", labels().labels, imagej=True, resolution=(2, 2), metadata=metadata)
    found = open_segmentation(tmp_path / "b.tif")
    assert found.geometry == Geometry((0.5, 0.5, 3.0), unit="um")
    assert found.segments == labels().segments


@pytest.mark.parametrize("name", ["stack.tif", "slices"])
def test_a_compression_that_tifffile_cannot_read_alone_names_the_package_for_it(name, tmp_path):
    """Not a damaged file: Slicer has no imagecodecs before ACSeg installs it, and Fiji writes LZW."""
    planes = numbers("u1", (5, 16, 16))
    tifffile.imwrite(tmp_path / "stack.tif", planes, compression="jpeg")
    (tmp_path / "slices").mkdir()
    for n, plane in enumerate(planes):
        tifffile.imwrite(tmp_path / "slices" / f"{n}.tif", plane, compression="jpeg")
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from ACSegLib.files import open_volume\n"
        "try: open_volume(sys.argv[1])\n"
        "except ImportError as error: print(error.name)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["imagecodecs"]


@pytest.mark.parametrize(("orientation", "told"), [(1, False), (4, True), (8, True)])
def test_planes_to_be_mirrored_are_read_as_they_are_stored_and_told(orientation, told, tmp_path):
    """ImageJ passes over this tag, and ITK mirrors the planes of orientation 4."""
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, photometric="minisblack", metadata=None, extratags=tags)
    with collect_notes() as notes:
        np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)
    assert [f"states orientation {orientation}; its planes" in note for note in notes] == [True] * told


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("odd", "told"), [(0, "1 for plane 2"), (2, "4 for plane 3"), (None, None)])
def test_a_plane_of_another_orientation_is_told(odd, told, compression, tmp_path):
    """ITK takes the orientation of the first page for all."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for n, plane in enumerate(ARRAY):
            tags = [(274, 3, 1, 4 if n == odd else 1, True)]
            file.write(plane, metadata=None, contiguous=False, extratags=tags, compression=compression)
    with collect_notes() as notes:
        np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)
    assert [told in note for note in notes] == ([True] if told else [])


def test_a_scale_in_the_text_of_a_file_is_told(tmp_path):
    """As Octopus writes it (mantidproject/mantidimaging 1010)."""
    text = "offset = 3.50000E-01slope = 3.28069E-05"
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for plane in ARRAY:
            file.write(plane, description=text, metadata=None, contiguous=False)
    with pytest.warns(UserWarning, match=r"multiplied by 3\.28069e-05 and 0\.35 to be added"):
        np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)


@pytest.mark.parametrize(("dataset", "size"), [(None, (0.1, 0.1, 0.5)), ("0", (0.02, 0.02, 0.3))])
def test_each_image_of_tifffile_has_its_own_voxel_size(dataset, size, tmp_path):
    """The largest one was read with the size of the first."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for array, spacing, resolution in ((ARRAY[:2], 0.3, (50, 50)), (ARRAY, 0.5, (10, 10))):
            words = {"axes": "ZYX", "spacing": spacing, "unit": "um"}
            file.write(array, metadata=words, resolution=resolution, photometric="minisblack")
    with collect_notes():
        found = open_volume(tmp_path / "a.tif", dataset=dataset)
    assert_same_place(found.geometry, Geometry(size, unit="um"))
