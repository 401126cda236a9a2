"""TIFF, ImageJ TIFF and OME-TIFF against tifffile, hand-set metadata and ITK."""

import numpy as np
import pytest
import SimpleITK
import tifffile
from filecases import STRAIGHT, labels, numbers, volume

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import inventory
from ACSegLib.volume import Geometry

ARRAY = numbers("u2", (4, 5, 6))


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m", "nm", "mm", "pixel", "inch", None])
def test_imagej(unit, tmp_path):
    metadata = {"axes": "ZYX", "spacing": 0.5} | ({"unit": unit} if unit else {})
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, imagej=True, resolution=(4.0, 5.0), metadata=metadata)
    found = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.array, ARRAY)
    expected = {"nm": "nm", "mm": "mm", "micron": "um", "um": "um", "\\u00B5m": "um"}.get(unit, "px")
    assert found.geometry.unit == expected
    size = (1, 1, 1) if unit == "inch" else (0.25, 0.2, 0.5)  # inch: ImageJ's way to say 72 dots per inch
    np.testing.assert_allclose(found.geometry.spacing, size, rtol=1e-7)


def test_imagej_without_a_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, imagej=True, metadata={"axes": "ZYX"})
    assert open_volume(tmp_path / "a.tif").geometry == Geometry()


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


OME = """<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="6" SizeY="5" SizeZ="4" SizeC="1"
SizeT="1" {sizes}><TiffData/></Pixels></Image></OME>"""


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
        ('PhysicalSizeX="2" PhysicalSizeXUnit="mm" PhysicalSizeY="2" PhysicalSizeYUnit="mm"', (2, 2, 2), "mm"),
    ],
)
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
    assert [row["shape"] for row in inventory(tmp_path / "a.ome.tif")] == [[4, 64, 64], [4, 32, 32]]
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
        ("channels", "2 colour channels"),
        ("time", "4 dimensions"),
    ):
        with pytest.raises(FileError, match=rf"{name}\.tif.*{words}"):
            open_volume(tmp_path / f"{name}.tif")


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
