"""Folders of numbered slices, and DICOM series, against arrays written slice by slice."""

import struct
import zlib

import numpy as np
import pytest
import SimpleITK
import tifffile
from filecases import numbers
from PIL import Image

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.files.registry import collect_notes, inventory
from ACSegLib.volume import Geometry

ARRAY = numbers("u2", (12, 5, 6))


def _tiffs(folder, array=ARRAY, name="slice_{}.tif", first=1, step=1, **options):
    for k, plane in enumerate(array):
        tifffile.imwrite(folder / name.format(first + step * k), plane, **options)


@pytest.mark.parametrize("name", ["slice_{}.tif", "slice_{:04d}.tif", "{}.tif", "2024-01-05_cell3_{}_a.tif"])
@pytest.mark.parametrize(("first", "step"), [(0, 1), (8, 1), (10, 20)])
def test_natural_order(name, first, step, tmp_path):
    """Slice 2 comes before slice 10, whatever else is in the name; every n-th slice is no gap."""
    _tiffs(tmp_path, name=name, first=first, step=step)
    (tmp_path / "notes.txt").write_text("not a slice")
    np.testing.assert_array_equal(open_volume(tmp_path).array, ARRAY)


def test_of_files_of_several_channels_one_is_asked_for(tmp_path):
    """None of them could be opened by itself."""
    _tiffs(tmp_path, np.zeros((2, 3, 4, 5, 6), np.uint16), photometric="minisblack")
    with pytest.raises(FileError, match=r"slice_1\.tif: has 4 dimensions .*save one time point or channel"):
        open_volume(tmp_path)


def test_missing_slices_are_named(tmp_path):
    _tiffs(tmp_path)
    for number in (4, 5, 9):
        (tmp_path / f"slice_{number}.tif").unlink()
    with pytest.raises(FileError, match=r"numbered 4, 5, 9 are missing.*slice_1\.tif.*slice_12\.tif"):
        open_volume(tmp_path)


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "RGB", "RGBA", "LA"])
def test_png_modes(mode, tmp_path):
    """Palettes give their indices (labels), grey saved as colour gives grey."""
    array = numbers("u2" if mode == "I;16" else "u1", (4, 5, 6))
    array = array > 99 if mode == "1" else array
    for k, plane in enumerate(array):
        if mode == "P":
            image = Image.fromarray(plane, "P")
            image.putpalette([v for n in range(256) for v in (n, 255 - n, 7)])
        elif mode in ("RGB", "RGBA", "LA"):
            image = Image.fromarray(plane).convert(mode)
        else:
            image = Image.fromarray(plane)
        image.save(tmp_path / f"s{k}.png")
    np.testing.assert_array_equal(open_volume(tmp_path).array, array)


def _counted(folder, pattern, counts):
    """Slices named by several counters; the voxels of a slice are its first number."""
    for count in counts:
        tifffile.imwrite(folder / pattern.format(*count), np.full((5, 6), count[0], np.uint64))


@pytest.mark.parametrize("pattern", ["z{:03d}_c{:d}.tif", "{1:d}_z{0:d}.tif", "cell_z{:02d}_ch{:02d}.tif"])
def test_two_counters_are_asked_about(pattern, tmp_path):
    _counted(tmp_path, pattern, [(z, c) for z in range(6) for c in range(2)])
    with pytest.raises(FileError, match=r"2 counters.*--dataset"):
        open_volume(tmp_path)


def test_one_channel_is_chosen_by_its_word(tmp_path):
    _counted(tmp_path, "z{:03d}_c{:d}.tif", [(z, c) for z in range(6) for c in (1, 10)])
    found = open_volume(tmp_path, dataset="c1")
    np.testing.assert_array_equal(found.array[:, 0, 0], range(6))
    with pytest.raises(FileError, match="c7"):
        open_volume(tmp_path, dataset="c7")


def test_a_time_beside_the_counter_is_no_counter(tmp_path):
    _counted(tmp_path, "z{:d}_{:d}.tif", [(z, 20240101120000 + 17 * z * z) for z in range(6)])
    np.testing.assert_array_equal(open_volume(tmp_path).array[:, 0, 0], range(6))
    (tmp_path / f"z3_{20240101120000 + 17 * 9}.tif").unlink()
    with pytest.raises(FileError, match="numbered 3 are missing"):
        open_volume(tmp_path)


def test_numbers_without_end_are_counted_without_being_listed(tmp_path):
    _counted(tmp_path, "s{:d}.tif", [(1,), (2,), (10**15,)])
    with pytest.raises(FileError, match="3, 4, 5, 6, 7 and 999999999999992 more"):
        open_volume(tmp_path)


@pytest.mark.filterwarnings("ignore:.*distance of slices")
def test_voxel_size_from_imagej_slices(tmp_path):
    _tiffs(tmp_path, imagej=True, resolution=(4, 5), metadata={"unit": "um", "axes": "YX"})
    assert open_volume(tmp_path).geometry == Geometry((0.25, 0.2, 1.0), unit="um")


@pytest.mark.filterwarnings("ignore:.*distance of slices")
def test_slices_have_the_values_that_imagej_shows(tmp_path):
    """ImageJ keeps signed 16-bit numbers as unsigned ones plus 32768."""
    values = ARRAY.astype(np.int32) % 2000 - 1000
    text = "ImageJ=1.54f\nunit=micron\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
    planes = (values + 32768).astype(np.uint16)
    _tiffs(tmp_path, planes, description=text, metadata=None, resolution=(10, 10), resolutionunit=1)
    np.testing.assert_array_equal(open_volume(tmp_path).array, values)


def test_slices_that_other_programs_invert_are_told(tmp_path):
    _tiffs(tmp_path, photometric="miniswhite")
    with pytest.warns(UserWarning, match="lowest value is white"):
        np.testing.assert_array_equal(open_volume(tmp_path).array, ARRAY)


@pytest.mark.parametrize("kind", ["P5", "P2"])
@pytest.mark.parametrize("highest", [3, 200, 255, 256, 4095, 65535])
def test_values_of_pgm_are_not_stretched(kind, highest, tmp_path):
    """Pillow makes 255 or 65535 of the highest value that the file states."""
    array = ARRAY.astype(int) % (highest + 1)
    for k, plane in enumerate(array):
        data = " ".join(map(str, plane.ravel())).encode()
        data = plane.astype("u1" if highest < 256 else ">u2").tobytes() if kind == "P5" else data
        (tmp_path / f"s{k}.pgm").write_bytes(f"{kind}\n# a mask\n6 5\n{highest}\n".encode() + data)
    np.testing.assert_array_equal(open_volume(tmp_path).array, array)


@pytest.mark.filterwarnings("ignore:.*distance of slices")
def test_slices_of_two_voxel_sizes_are_told(tmp_path):
    _tiffs(tmp_path, imagej=True, resolution=(4, 4), metadata={"unit": "um", "axes": "YX"})
    tifffile.imwrite(tmp_path / "slice_12.tif", ARRAY[-1], imagej=True, resolution=(5, 4), metadata={"unit": "um"})
    with pytest.warns(UserWarning, match=r"slice_1\.tif and slice_12\.tif state different voxel sizes"):
        assert open_volume(tmp_path).geometry.spacing == (0.25, 0.25, 1.0)


def test_slices_that_do_not_fit_are_named(tmp_path):
    _tiffs(tmp_path)
    tifffile.imwrite(tmp_path / "slice_7.tif", ARRAY[6, :4])
    with pytest.raises(FileError, match=r"slice_7\.tif.*6 x 4.*6 x 5"):
        open_volume(tmp_path)
    tifffile.imwrite(tmp_path / "slice_7.tif", ARRAY[6].astype(np.uint8))
    with pytest.raises(FileError, match=r"slice_7\.tif.*uint8.*uint16"):
        open_volume(tmp_path)
    tifffile.imwrite(tmp_path / "slice_1.tif", ARRAY)
    with pytest.raises(FileError, match=r"slice_1\.tif.*by itself"):
        open_volume(tmp_path)


def test_colours_and_single_pictures_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(3):
        Image.fromarray(rng.integers(0, 255, (5, 6, 3), np.uint8)).save(tmp_path / f"s{k}.png")
    with pytest.raises(FileError, match=r"s0\.png.*colour"):
        open_volume(tmp_path)
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(tmp_path / "one.png")
    with pytest.raises(FileError, match=r"one\.png.*2D"):
        open_volume(tmp_path / "one.png")


def _dicom_series(folder, array, spacing, uid):
    """Write one file a slice, names in another order than the positions."""
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k, plane in enumerate(array):
        image = SimpleITK.GetImageFromArray(plane[None])
        image.SetSpacing(spacing)
        tags = {
            "0008|0060": "CT",
            "0020|000e": uid,
            "0020|000d": "1.2.3",
            "0008|0018": f"{uid}.{k}",
            "0020|0032": f"-10\\20\\{30 + spacing[2] * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(k),
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{uid}-{(k * 7) % 12}.dcm"))
        writer.Execute(image)


def test_dicom_series(tmp_path):
    _dicom_series(tmp_path, ARRAY, (0.5, 0.25, 2.0), "1.2.3.4")
    found = open_volume(tmp_path)
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry((0.5, 0.25, 2.0), (-10, 20, 30), unit="mm")
    _dicom_series(tmp_path, ARRAY[:, :4, :4], (1, 1, 1), "1.2.3.5")
    with pytest.raises(FileError, match=r"2 DICOM series.*1\.2\.3\.4 \(12 files\)"):
        open_volume(tmp_path)
    assert open_volume(tmp_path, dataset="1.2.3.5").shape == (12, 4, 4)
    assert {row.dataset for row in inventory(tmp_path)} == {"1.2.3.4", "1.2.3.5"}


def test_other_files_before_the_series_do_not_hide_it(tmp_path):
    for n in range(40):
        (tmp_path / f"0-{n}.txt").write_text("a note")
    _dicom_series(tmp_path, ARRAY, (0.5, 0.25, 2.0), "1.2.3.4")
    np.testing.assert_array_equal(open_volume(tmp_path).array, ARRAY)


def test_series_in_folders_below_are_named(tmp_path):
    for name, uid in (("patient/first", "1.2.3.4"), ("patient/second", "1.2.3.5")):
        (tmp_path / name).mkdir(parents=True)
        _dicom_series(tmp_path / name, ARRAY, (0.5, 0.25, 2.0), uid)
    folders = r"patient.first \(12 files\), patient.second \(12 files\)"
    with pytest.raises(FileError, match=f"folders below.*{folders}"):
        open_volume(tmp_path)
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM\2\0\0\0UL\4\0\0\0\0\0")  # of a medium; its list is left out
    with pytest.raises(FileError, match=f"folders below.*{folders}"):
        open_volume(tmp_path)
    with pytest.raises(FileError, match=f"is the list of the DICOM files beside it.*{folders}"):
        open_volume(tmp_path / "DICOMDIR")


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_labels_that_jpeg_has_changed_are_refused(kind, tmp_path):
    labels = np.zeros((5, 32, 32), np.uint8)
    labels[:, 8:20, 9:25] = 200
    if kind == "tif":
        tifffile.imwrite(tmp_path / "a.tif", labels, compression="jpeg")
    else:
        for k, plane in enumerate(labels):
            Image.fromarray(plane).save(tmp_path / f"s{k}.jpg")
    path = tmp_path / "a.tif" if kind == "tif" else tmp_path
    with pytest.raises(FileError, match="JPEG, which changes values"):
        open_segmentation(path)
    open_volume(path)


def test_palettes_that_give_an_index_two_colours_are_refused(tmp_path):
    """Programs that keep only the colours that a picture needs number them anew for each."""
    picture = Image.fromarray(np.eye(5, 6, dtype=np.uint8), "P")
    for name, palette in (("s1", [0, 0, 0, 255, 0, 0]), ("s2", [0, 0, 0, 255, 0, 0, 0, 255, 0])):
        picture.putpalette(palette)
        picture.save(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(open_volume(tmp_path).array, [np.eye(5, 6)] * 2)
    picture.putpalette([0, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "s3.png")
    with pytest.raises(FileError, match=r"s3\.png: its palette gives index 1 another colour than that of s1\.png"):
        open_volume(tmp_path)


def test_palettes_of_tiff_count_as_well(tmp_path):
    """In slices of their own, and in the pages of one file."""
    picture = Image.fromarray(np.eye(5, 6, dtype=np.uint8), "P")
    pages = []
    for name, green in (("s1", 0), ("s2", 255)):
        picture.putpalette([0, 0, 0, 255, green, 0])
        picture.save(tmp_path / f"{name}.tif")
        pages.append(picture.copy())
    pages[0].save(tmp_path / "stack.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(FileError, match=r"stack\.tiff, page 2: its palette gives index 1 another colour.* page 1"):
        open_volume(tmp_path / "stack.tiff")
    (tmp_path / "stack.tiff").unlink()
    with pytest.raises(FileError, match=r"s2\.tif: its palette gives index 1 another colour than that of s1\.tif"):
        open_volume(tmp_path)


@pytest.mark.parametrize(("greys", "told"), [((0, 90, 30), True), ((0, 1, 2), False), ((0, 255, 7), True)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_greys_of_a_palette_that_are_not_its_indices_are_told(ending, greys, told, tmp_path):
    """Programs that make pictures smaller number the greys of an image as they like."""
    picture = Image.fromarray((np.arange(30, dtype=np.uint8) % 3).reshape(5, 6), "P")
    picture.putpalette([grey for grey in greys for _ in range(3)])
    for k in range(2):
        picture.save(tmp_path / f"s{k}.{ending}")
    with collect_notes() as notes:
        open_volume(tmp_path)
    assert [f"has a palette of greys, of which the indices were read (1 for grey {greys[1]})" in n for n in notes] == (
        [True] * told
    )


def _png(plane, bits):
    """A grey picture of few bits by hand, since Pillow writes none of 2 or 4."""
    words = ["".join(format(int(value), f"0{bits}b") for value in row) for row in plane]
    size = -(-len(words[0]) // 8)
    rows = b"".join(b"\0" + int(word.ljust(8 * size, "0"), 2).to_bytes(size, "big") for word in words)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", *plane.shape[::-1], bits, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, part in [*parts, (b"IEND", b"")]:
        data += struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
    return data


@pytest.mark.parametrize(("bits", "factor"), [(1, 1), (2, 85), (4, 17)])
def test_greys_of_few_bits_are_spread_as_the_specification_has_it_and_told(bits, factor, tmp_path):
    """PNG 13.12: a sample of n bits is multiplied by (2^8 - 1) / (2^n - 1); masks are 0 and 1."""
    array = numbers("u1", (3, 5, 6)) % 2**bits
    for k, plane in enumerate(array):
        (tmp_path / f"s{k}.png").write_bytes(_png(plane, bits))
    with collect_notes() as notes:
        np.testing.assert_array_equal(open_volume(tmp_path).array, array * factor)
    assert [f"multiplied by {factor}" in note for note in notes] == [True] * (bits > 1)


def test_what_one_slice_alone_states_is_told(tmp_path):
    """Its white and black exchanged, its rows turned, or another voxel size, between slices without."""
    odd = {"photometric": "miniswhite", "extratags": [(274, 3, 1, 3, True)]}
    for k, plane in enumerate(ARRAY):
        tifffile.imwrite(tmp_path / f"s{k:02d}.tif", plane, metadata=None, **(odd if k == 5 else {}))
    with collect_notes() as notes:
        open_volume(tmp_path)
    assert [note.partition("; ")[0].partition(": ")[2] for note in notes] == [
        "its slice s05.tif states orientation 3",
        "its slice s05.tif states that its lowest value is white",
    ]
    for k, plane in enumerate(ARRAY):
        resolution = (5, 5) if k == 5 else (10, 10)
        tifffile.imwrite(tmp_path / f"s{k:02d}.tif", plane, imagej=True, resolution=resolution, metadata={"unit": "um"})
    with collect_notes() as notes:
        open_volume(tmp_path)
    assert any("s00.tif and s05.tif state different voxel sizes" in note for note in notes)


def test_pictures_to_be_turned_are_told(tmp_path):
    for k, plane in enumerate(ARRAY.astype(np.uint8)):
        exif = Image.Exif()
        exif[274] = 6 if k == 2 else 1
        Image.fromarray(plane).save(tmp_path / f"s{k:02d}.png", exif=exif)
    with collect_notes() as notes:
        open_volume(tmp_path)
    assert ["its slice s02.png states orientation 6" in note for note in notes] == [True]


def test_colours_of_16_bits_are_refused(tmp_path):
    """Pillow reads the upper 8 bits of each; a writer by hand, since it writes none."""
    samples = np.repeat(ARRAY[0][..., None], 3, axis=-1).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", ARRAY.shape[2], ARRAY.shape[1], 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, part in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
    for name in ("s1.png", "s2.png"):
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FileError, match=r"s1\.png: has 16 bits of each colour"):
        open_volume(tmp_path)


@pytest.mark.parametrize("ending", [".jp2", ".j2k"])
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_jpeg_2000(ending, kind, tmp_path):
    array = numbers(kind, (12, 40, 50))
    for k, plane in enumerate(array):
        Image.fromarray(plane).save(tmp_path / f"s{k}{ending}")
    np.testing.assert_array_equal(open_volume(tmp_path).array, array)
    with pytest.raises(FileError, match="2D image"):
        open_volume(tmp_path / f"s1{ending}")
