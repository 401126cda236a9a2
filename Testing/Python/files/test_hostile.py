"""Files that lie about what they hold or reach out of their folder, and names that lie to a terminal or spreadsheet."""

import os
import shutil

import h5py
import numpy as np
import pytest
from filecases import STRAIGHT, labels, numbers, volume

from ACSegLib.commands.main import main
from ACSegLib.errors import FileError, printable
from ACSegLib.files import external_data, open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.atomic import require_writable_folder
from ACSegLib.files.tables import read_table, write_table
from ACSegLib.volume import Segment, Segmentation

ARRAY = numbers("u2", (4, 5, 6))
NRRD = "NRRD0004\ntype: uint16\ndimension: 3\nsizes: 6 5 4\nencoding: raw\nendian: little\n"
MHD = "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_USHORT\n"


@pytest.mark.parametrize("name", ["../secret.raw", "{outside}", "inner/../../secret.raw", "link.raw"])
@pytest.mark.parametrize("kind", ["nhdr", "mhd", "list", "h5", "virtual"])
def test_voxels_outside_the_headers_folder_are_refused(kind, name, tmp_path):
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    outside = tmp_path / "secret.raw"
    outside.write_bytes(ARRAY.tobytes())
    if name == "link.raw":
        (folder / name).symlink_to(outside)
    name = name.format(outside=outside)
    path = folder / f"a.{kind if kind in ('nhdr', 'mhd') else 'mhd' if kind == 'list' else 'h5'}"
    if kind == "nhdr":
        path.write_text(NRRD + f"data file: {name}\n")
    elif kind == "mhd":
        path.write_text(MHD + f"ElementDataFile = {name}\n")
    elif kind == "list":
        path.write_text(MHD + "ElementDataFile = LIST\n" + f"{name}\n" * 4)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", ARRAY.shape, "<u2", external=[(name, 0, ARRAY.nbytes)])
    else:
        outside.unlink()
        with h5py.File(outside, "w") as file:
            file["raw"] = ARRAY
        with h5py.File(path, "w") as file:
            layout = h5py.VirtualLayout(ARRAY.shape, "u2")
            layout[:] = h5py.VirtualSource(name, "raw", ARRAY.shape)
            file.create_virtual_dataset("raw", layout)
    with pytest.raises(FileError, match=r"outside the header's folder.*--external-data"):
        open_volume(path)
    with external_data(True):
        found = open_volume(path).array
    np.testing.assert_array_equal(found, np.stack([ARRAY[0]] * 4) if kind == "list" else ARRAY)
    with pytest.raises(FileError, match="outside the header's folder"):
        open_volume(path)


def test_a_command_reads_voxels_elsewhere_if_it_is_asked_to(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "a.raw").write_bytes(ARRAY.tobytes())
    (tmp_path / "data" / "a.nhdr").write_text(NRRD + "data file: ../a.raw\n")
    words = ["convert", str(tmp_path / "data" / "a.nhdr"), str(tmp_path / "b.nrrd"), "--quiet"]
    assert main(words) == 2
    assert "outside the header's folder" in capsys.readouterr().err
    assert main([*words, "--external-data"]) == 0
    np.testing.assert_array_equal(open_volume(tmp_path / "b.nrrd").array, ARRAY)


def test_external_storage_of_hdf5_is_read_beside_the_file_not_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.raw").write_bytes(ARRAY.tobytes())
    (tmp_path / "a.raw").write_bytes(bytes(ARRAY.nbytes))
    with h5py.File(tmp_path / "data" / "a.h5", "w") as file:
        file.create_dataset("raw", ARRAY.shape, "<u2", external=[("a.raw", 0, ARRAY.nbytes)])
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(open_volume("data/a.h5").array, ARRAY)


@pytest.mark.parametrize("dataset", [None, "raw"])
def test_external_links_of_hdf5_are_followed_within_the_folder_only(dataset, tmp_path):
    """As detectors write them: a master file with links to files of data."""
    (tmp_path / "data").mkdir()
    for place in (tmp_path / "secret.h5", tmp_path / "data" / "part.h5"):
        with h5py.File(place, "w") as file:
            file["raw"] = ARRAY
    for name, target in (("in", "part.h5"), ("out", "../secret.h5"), ("lost", "gone.h5")):
        with h5py.File(tmp_path / "data" / f"{name}.h5", "w") as file:
            file["raw"] = h5py.ExternalLink(target, "/raw")
    np.testing.assert_array_equal(open_volume(tmp_path / "data" / "in.h5", dataset=dataset).array, ARRAY)
    with pytest.raises(FileError, match="outside the header's folder"):
        open_volume(tmp_path / "data" / "out.h5", dataset=dataset)
    with pytest.raises(FileError, match=r"gone\.h5 is missing"):
        open_volume(tmp_path / "data" / "lost.h5", dataset=dataset)


def test_parts_of_parts_of_a_virtual_data_set_are_checked(tmp_path):
    (tmp_path / "data").mkdir()
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["raw"] = ARRAY
    for name, source in (("inner", "../secret.h5"), ("outer", "inner.h5")):
        with h5py.File(tmp_path / "data" / f"{name}.h5", "w") as file:
            layout = h5py.VirtualLayout(ARRAY.shape, "u2")
            layout[:] = h5py.VirtualSource(source, "raw", ARRAY.shape)
            file.create_virtual_dataset("raw", layout)
    with pytest.raises(FileError, match="outside the header's folder"):
        open_volume(tmp_path / "data" / "outer.h5")


def test_voxels_below_the_headers_folder_are_read(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.raw").write_bytes(ARRAY.tobytes())
    (tmp_path / "a.nhdr").write_text(NRRD + "data file: inner/a.raw\n")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nhdr").array, ARRAY)


@pytest.mark.parametrize("lost", ["file", "data set"])
def test_a_virtual_data_set_without_its_source_is_refused(lost, tmp_path):
    """HDF5 itself gives zeros."""
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["raw"] = ARRAY
    with h5py.File(tmp_path / "a.h5", "w") as file:
        layout = h5py.VirtualLayout(ARRAY.shape, "u2")
        layout[:] = h5py.VirtualSource("part.h5", "raw", ARRAY.shape)
        file.create_virtual_dataset("raw", layout)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.h5").array, ARRAY)
    if lost == "file":
        (tmp_path / "part.h5").unlink()
    else:
        with h5py.File(tmp_path / "part.h5", "w") as file:
            file["other"] = ARRAY
    with pytest.raises(FileError, match="missing"):
        open_volume(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "field",
    ["line skip: 1000000000000", "byte skip: 1000000000000", "byte skip: -7", "line skip: 99\nbyte skip: 3"],
)
@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_skips_beyond_the_file_end_at_once(field, encoding, tmp_path):
    import bz2
    import gzip

    pack = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    text = NRRD.replace("raw", encoding) + field + "\n\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + pack(ARRAY.tobytes()))
    with pytest.raises(FileError, match=r"a\.nrrd"):
        open_volume(tmp_path / "a.nrrd")


@pytest.mark.parametrize("skip", [-1, 0, 100, 3_000_000])
@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_bytes_before_the_voxels_are_skipped(skip, encoding, tmp_path):
    """As pynrrd reads them; -1: the voxels are the last bytes."""
    import bz2
    import gzip

    pack = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    before = np.random.default_rng(0).bytes(1000 if skip < 0 else skip)
    text = NRRD.replace("raw", encoding) + f"byte skip: {skip}\n\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + pack(before + ARRAY.tobytes()))
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nrrd").array, ARRAY)


@pytest.mark.parametrize("words", ["s%d.raw 0 1000000000000", "s%d.raw 1 3 1", "s%d.raw 4 1 1"])
def test_numbered_data_files_are_as_many_as_slices(words, tmp_path):
    (tmp_path / "a.mhd").write_text(MHD + f"ElementDataFile = {words}\n")
    with pytest.raises(FileError, match="data files for 4 slices"):
        open_volume(tmp_path / "a.mhd")


@pytest.mark.parametrize("sizes", ["60000 60000 60000", "4294967296 4294967296 4294967296", "9999999999 5 4"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_sizes_that_the_file_cannot_hold_take_no_memory(sizes, encoding, tmp_path):
    import gzip

    text = NRRD.replace("6 5 4", sizes).replace("raw", encoding) + "\n"
    packed = gzip.compress(ARRAY.tobytes()) if encoding == "gzip" else ARRAY.tobytes()
    (tmp_path / "a.nrrd").write_bytes(text.encode() + packed)
    with pytest.raises(FileError, match="cut short"):
        open_volume(tmp_path / "a.nrrd")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "a.nrrd")
    with pytest.raises(FileError, match="not a regular file"):
        open_volume(tmp_path / "a.nrrd")


def test_label_values_beyond_63_bits_are_refused(tmp_path):
    array = np.zeros((4, 5, 6), np.uint64)
    array[1, 2, 3] = 2**64 - 1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["label"] = array
    with pytest.raises(FileError, match=r"18446744073709551615; labels must be below 2\^63"):
        open_segmentation(tmp_path / "a.h5")


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz", ".tif", ".h5", ".ome.zarr", ".mha"])
def test_label_values_up_to_32_bits_survive(ending, tmp_path):
    array = np.zeros((4, 5, 6), np.uint32)
    array[1, 2, 3], array[2, 2, 2] = 2**32 - 1, 614454277
    original = Segmentation((array,), [Segment("a", 2**32 - 1), Segment("b", 614454277)], STRAIGHT)
    save_segmentation(original, tmp_path / f"a{ending}")
    found = open_segmentation(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(found.labels, array)
    assert {(s.name, s.value) for s in found.segments} == {("a", 2**32 - 1), ("b", 614454277)}


def test_a_full_disk_is_noticed_before_hdf5_meets_it(tmp_path, monkeypatch):
    """HDF5 ends the whole program when a disk fills while it closes a file."""
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 30, 1 << 30, 1000))
    for save, content in ((save_volume, volume("u1", STRAIGHT)), (save_segmentation, labels(STRAIGHT))):
        with pytest.raises(FileError, match="No space left"):
            save(content, tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_still_written_to_is_removed(tmp_path, monkeypatch):
    """As Zarr's threads do after an error."""
    from ACSegLib.files import atomic

    remove, removals = shutil.rmtree, []

    def remove_and_write(folder, **options):
        remove(folder, **options)
        removals.append(folder)
        if len(removals) < 3:
            (folder / "chunks").mkdir(parents=True)

    def fail():
        with atomic.atomic_output(tmp_path / "a.zarr") as folder:
            folder.mkdir()
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.shutil, "rmtree", remove_and_write)
    with pytest.raises(FileError, match="No space"):
        fail()
    assert len(removals) == 3
    assert list(tmp_path.iterdir()) == []


def test_names_too_long_are_noticed_before_the_work(tmp_path):
    with pytest.raises(FileError, match="the name has 309 bytes"):
        require_writable_folder(tmp_path / ("n" * 300 + ".seg.nrrd"))
    longest = tmp_path / ("n" * 246 + ".seg.nrrd")
    save_segmentation(labels(STRAIGHT), longest)
    assert open_segmentation(longest).segments[0].name == "cytoplasm"


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'quoted", "cell = 1", "-"])
def test_no_cell_of_a_table_is_a_formula(text, tmp_path):
    write_table([{"name": text, text: 1.5}], tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv") == [{"name": text, text: 1.5}]
    cells = (tmp_path / "t.csv").read_text().replace('"', "").replace("\r", "\n").replace(",", "\n").split("\n")
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)


def test_control_characters_in_a_workbook_are_blanks(tmp_path):
    pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    write_table([{"name": "a\x00b\x1bc"}], tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx") == [{"name": "a b c"}]


def test_escape_sequences_do_not_reach_the_terminal(tmp_path, capsys):
    named = Segmentation(
        labels(STRAIGHT).layers, [Segment("a\x1b[2J\x1b]0;evil\x07b\u202e", 2), Segment("c", 7)], STRAIGHT
    )
    save_segmentation(named, tmp_path / "a.seg.nrrd")
    assert main(["info", str(tmp_path / "a.seg.nrrd"), "--quiet"]) == 0
    assert main(["info", str(tmp_path / "none\x1b[31m.nrrd"), "--quiet"]) == 2
    shown = capsys.readouterr()
    assert not set("\x1b\x07\u202e") & set(shown.out + shown.err)
    assert printable("Zellkörper β\n\t10 µm") == "Zellkörper β\n\t10 µm"


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "a.dcm"])
def test_headers_that_promise_more_than_the_file_holds_take_no_memory(name, tmp_path):
    """Others reserve what the header promises before they read."""
    resource = pytest.importorskip("resource", reason="Windows counts memory otherwise")

    import mrcfile
    import SimpleITK
    import tifffile

    path = tmp_path / name
    if name == "a.tif":
        tifffile.imwrite(path, ARRAY, photometric="minisblack", metadata=None, compression="zlib", rowsperstrip=5)
        with tifffile.TiffFile(path, mode="r+b") as file:
            for page in file.pages:
                page.tags["ImageLength"].overwrite(200_000_000)
    elif name == "a.mrc":
        with mrcfile.new(path) as file:
            file.set_data(ARRAY)
        data = bytearray(path.read_bytes())
        data[8:12] = (100_000_000).to_bytes(4, "little")
        path.write_bytes(data)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ARRAY), str(path), imageIO="GDCMImageIO")
        data = path.read_bytes()
        at = data.index(b"\x28\x00\x08\x00")  # NumberOfFrames
        path.write_bytes(data[: at + 4] + (8).to_bytes(4, "little") + b"99999999" + data[at + 10 :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileError, match=name):
        open_volume(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_a_damaged_heap_of_hdf5_does_not_hang(tmp_path):
    """Zeros in a heap of text, on which the HDF5 library runs for ever."""
    save_volume(volume("u1", STRAIGHT), tmp_path / "a.h5")
    data = bytearray((tmp_path / "a.h5").read_bytes())
    at = data.index(b"GCOL") + 16
    data[at : at + 64] = bytes(64)
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(FileError, match="damaged"):
        open_volume(tmp_path / "a.h5")


def test_a_header_of_too_many_dimensions_is_refused_at_once(tmp_path):
    (tmp_path / "a.nrrd").write_text(NRRD.replace("dimension: 3", "dimension: 999999") + "\n")
    with pytest.raises(FileError, match="999999 dimensions"):
        open_volume(tmp_path / "a.nrrd")


@pytest.mark.parametrize("spacing", ["1e300 1 1", "1e-300 1 1", "1e12 1 1"])
def test_absurd_voxel_sizes_are_refused(spacing, tmp_path):
    text = MHD + f"ElementSpacing = {spacing}\nElementDataFile = a.raw\n"
    (tmp_path / "a.mhd").write_text(text)
    (tmp_path / "a.raw").write_bytes(ARRAY.tobytes())
    with pytest.raises(FileError, match="impossible for an image"):
        open_volume(tmp_path / "a.mhd")


@pytest.mark.parametrize("colour", [[float("nan"), 0, 0], [1e9, -3, 0.5], [1, 2], []])
def test_colours_that_are_none_become_usable(colour, tmp_path):
    import json

    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("label", data=np.ones((4, 5, 6), np.uint8))
        data.attrs["acseg"] = json.dumps({"acseg": 1, "segments": [{"name": "a", "value": 1, "colour": colour}]})
    segment = open_segmentation(tmp_path / "a.h5").segments[0]
    assert len(segment.colour) == 3
    assert all(0 <= v <= 1 for v in segment.colour)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", [
    "ObjectType = Image\nNDims = 3\n" + "\n" * 2_000_000,
    "ObjectType = Image\nNDims = 3\n" + " " * 2_000_000,
    "# AmiraMesh 3D ASCII 2.0\n" + "\n" * 400_000 + "@1\n",
    "# AmiraMesh 3D ASCII 2.0\ndefine Lattice 1 2 3\n" + "Lattice { " * 50_000 + "\n@1\n",
    "# AmiraMesh 3D ASCII 2.0\ndefine Lattice 1 2 3\nLattice { byte a } @1\n" + "{ \n" * 100_000 + "\n@1\n1",
    "NRRD0004\n" + "a:=b\n" * 300_000,
])  # fmt: skip
def test_long_headers_take_time_in_proportion(text, tmp_path):
    """A quadratic parser would need hours for these."""
    (tmp_path / "a.dat").write_text(text)
    with pytest.raises(FileError, match=r"a\.dat"):
        open_volume(tmp_path / "a.dat")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_among_slices_is_passed_over(tmp_path):
    import tifffile

    for k in range(4):
        tifffile.imwrite(tmp_path / f"s{k}.tif", ARRAY[k])
    os.mkfifo(tmp_path / "t.tif")
    np.testing.assert_array_equal(open_volume(tmp_path).array, ARRAY)


def test_names_that_are_no_text_are_written_to_tables(tmp_path):
    name = os.fsdecode(b"cell\xff")
    for ending in (".csv", ".json"):
        write_table([{"name": name}], tmp_path / f"t{ending}")
        assert read_table(tmp_path / f"t{ending}") == [{"name": "cell?"}]
