"""Damaged, cut, empty and foreign files of every format: one sentence that names the file, and exit code 2."""

import shutil

import h5py
import numpy as np
import pytest
import SimpleITK
import tifffile
from filecases import STRAIGHT, labels, volume

from ACSegLib.commands.main import main
from ACSegLib.errors import FileError, MemoryLimitError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume

ENDINGS = (".nrrd", ".nii", ".nii.gz", ".mha", ".tif", ".ome.tif", ".mrc")


def _amira(path, body=b"", coding=""):
    head = (
        "# AmiraMesh BINARY-LITTLE-ENDIAN 2.1\ndefine Lattice 6 5 4\nParameters {\n"
        '    BoundingBox 0 5 0 4 0 3,\n    CoordType "uniform"\n}\n'
        f"Lattice {{ byte Labels }} @1{coding}\n\n# Data section follows\n@1\n"
    )
    path.write_bytes(head.encode() + body)


def _write_all(folder):
    """One good file of every format that a file can be cut from."""
    import zlib

    files = []
    for ending in ENDINGS:
        files.append(folder / f"volume{ending}")
        save_volume(volume(np.float32, STRAIGHT, (6, 40, 50)), files[-1])
    for ending in (".seg.nrrd", ".mha"):
        files.append(folder / f"labels{ending}")
        save_segmentation(labels(STRAIGHT), files[-1])
    files.append(folder / "packed.am")
    packed = zlib.compress(bytes(range(120)))
    _amira(files[-1], packed, f"(HxZip,{len(packed)})")
    files.append(folder / "plain.am")
    _amira(files[-1], bytes(120))
    files.append(folder / "runs.am")
    _amira(files[-1], bytes([120, 3]), "(HxByteRLE,2)")
    files.append(folder / "volume.h5")
    with h5py.File(files[-1], "w") as file:
        file["volume"] = np.random.default_rng(0).random((6, 40, 50))
    files.append(folder / "volume.dcm")
    image = SimpleITK.GetImageFromArray(np.arange(6 * 40 * 50, dtype=np.uint16).reshape(6, 40, 50))
    SimpleITK.WriteImage(image, str(files[-1]), imageIO="GDCMImageIO")
    files.append(folder / "pages.tif")
    with tifffile.TiffWriter(files[-1]) as writer:
        for page in volume(np.uint16, STRAIGHT, (6, 40, 50)).array:
            writer.write(page, contiguous=False, metadata=None)
    return files


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    return _write_all(tmp_path_factory.mktemp("good"))


def test_good_files_open(good_files):
    for path in good_files:
        open_volume(path)


@pytest.mark.parametrize("keep", [0.999, 0.9, 0.5, 0.1, 0.01])
def test_cut_files_are_refused_by_name(good_files, keep, tmp_path):
    """A cut file is refused, or (where only padding was cut) opens as before; it never opens as something else."""
    for path in good_files:
        cut = tmp_path / path.name
        data = path.read_bytes()
        cut.write_bytes(data[: min(int(len(data) * keep), len(data) - 1)])
        message = ""
        try:
            opened = open_volume(cut)
        except FileError as error:
            message = str(error)
        if message:
            assert cut.name in message
            assert "\n" not in message
        else:
            assert keep > 0.9, path.name
            np.testing.assert_array_equal(opened.array, open_volume(path).array, err_msg=path.name)


@pytest.mark.filterwarnings("ignore")
def test_random_damage_to_headers_is_told_or_harmless(good_files, tmp_path):
    """Nothing but one sentence ever comes out, whatever bytes a header holds."""
    rng = np.random.default_rng(7)
    for path in good_files:
        original = path.read_bytes()
        limit = min(len(original), 4000 if path.suffix in (".h5", ".dcm", ".tif") else 700)
        for number in range(8):
            data = bytearray(original)
            for place in rng.integers(0, limit, rng.integers(1, 6)):
                data[place] = rng.integers(0, 256) if rng.random() < 0.5 else ord(rng.choice(list("0123456789 -.\n")))
            damaged = tmp_path / f"{number}-{path.name}"
            damaged.write_bytes(data)
            message = damaged.name
            try:
                open_volume(damaged)
            except (FileError, MemoryLimitError) as error:
                message = str(error)
            assert damaged.name in message
            assert "\n" not in message


def test_empty_missing_and_foreign_files(tmp_path):
    empty = tmp_path / "empty.nrrd"
    empty.touch()
    with pytest.raises(FileError, match=r"empty\.nrrd.*empty"):
        open_volume(empty)
    with pytest.raises(FileError, match=r"absent\.tif.*no such file"):
        open_volume(tmp_path / "absent.tif")
    for name, data in (("notes.tif", b"hello\n" * 100), ("noise.mrc", np.random.default_rng(0).bytes(5000))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FileError, match=name):
            open_volume(tmp_path / name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="is a folder, but not of slices"):
        open_volume(tmp_path / "folder")


def test_damaged_middle_of_compressed_files(tmp_path):
    for ending in (".nii.gz", ".seg.nrrd", ".mha"):
        path = tmp_path / f"labels{ending}"
        noise = labels(STRAIGHT).with_labels(np.random.default_rng(0).integers(0, 255, (20, 40, 50), np.uint8))
        save_segmentation(noise, path)
        data = bytearray(path.read_bytes())
        middle = len(data) * 2 // 3
        data[middle : middle + 64] = bytes(64)
        path.write_bytes(data)
        with pytest.raises(FileError, match="labels"):
            open_segmentation(path)


def test_a_damaged_chunk_of_ome_zarr(tmp_path):
    path = tmp_path / "volume.ome.zarr"
    save_volume(volume(np.float32, STRAIGHT, (6, 40, 50)), path)
    chunk = next(p for p in (path / "0").rglob("*") if p.is_file() and p.name.isdigit())
    chunk.write_bytes(chunk.read_bytes()[:50])
    with pytest.raises(FileError, match=r"volume\.ome\.zarr"):
        open_volume(path)
    shutil.rmtree(path / "0")
    with pytest.raises(FileError, match=r"volume\.ome\.zarr"):
        open_volume(path)


def test_a_cut_slice_of_a_folder(tmp_path):
    for n in range(5):
        tifffile.imwrite(tmp_path / f"slice{n}.tif", np.full((30, 40), n, np.uint16))
    bad = tmp_path / "slice3.tif"
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(FileError, match=r"slice3\.tif"):
        open_volume(tmp_path)


def test_shell_exit_code_and_single_sentence(good_files, tmp_path, capsys):
    for path in good_files:
        cut = tmp_path / path.name
        cut.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
        assert main(["info", str(cut), "--quiet"]) == 2, path.name
        message = capsys.readouterr().err.strip()
        assert message.startswith("acseg: ")
        assert path.name in message
        assert "Traceback" not in message
        assert len(message.splitlines()) == 1, message


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pages_that_are_cut_off_between_pages_are_missed(bigtiff, byteorder, tmp_path):
    """Where a cut falls between pages, tifffile gives the pages before it without a word."""
    path = tmp_path / "pages.tif"
    ends = []
    with tifffile.TiffWriter(path, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for n in range(5):
            writer.write(np.full((8, 9), n, np.uint8), contiguous=False, metadata=None)
            ends.append(path.stat().st_size)
    assert open_volume(path).shape == (5, 8, 9)
    data = path.read_bytes()
    refused = 0
    for keep in range(ends[1], len(data)):
        path.write_bytes(data[:keep])
        with pytest.raises(FileError, match=r"pages\.tif"):
            open_volume(path)
        refused += 1
    assert refused > 100


@pytest.mark.timeout(60)
def test_pages_that_point_back_do_not_go_on_for_ever(tmp_path):
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        for n in range(3):
            writer.write(np.full((8, 9), n, np.uint8), contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages.next_page_offset
    data = bytearray(path.read_bytes())
    data[last : last + 4] = first.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FileError, match="cut short or damaged behind its page"):
        open_volume(path)
