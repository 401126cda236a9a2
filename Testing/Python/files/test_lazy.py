"""Images that stay on the disk."""

import numpy as np
import pytest

from ACSegLib.arrays import is_mapped
from ACSegLib.errors import MemoryLimitError
from ACSegLib.files import lazy, open_volume, save_volume
from ACSegLib.volume import Geometry, Volume


@pytest.fixture
def volume():
    array = np.random.default_rng(0).normal(100, 20, (30, 20, 24)).astype(np.float32)
    return Volume(array, Geometry((30, 30, 40), unit="nm"), "v")


def raw_nrrd(path, array):
    import nrrd

    nrrd.write(str(path), array, {"encoding": "raw"}, index_order="C")


def packed_tiff(path, array):
    import tifffile

    tifffile.imwrite(path, array, compression="zlib")


def plain_tiff(path, array):
    import tifffile

    tifffile.imwrite(path, array)


def raw_metaimage(path, array):
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path), useCompression=False)


WRITERS = {
    "raw.nrrd": raw_nrrd,
    "packed.nrrd": None,
    "plain.tif": plain_tiff,
    "packed.tif": packed_tiff,
    "raw.mha": raw_metaimage,
    "v.mrc": None,
    "v.nii": None,
    "v.nii.gz": None,
}


@pytest.mark.parametrize("name", WRITERS)
def test_large_images_are_mapped_and_hold_the_same(tmp_path, volume, name):
    path = tmp_path / name
    writer = WRITERS[name]
    if writer:
        writer(path, volume.array)
    else:
        save_volume(volume, path)
    before = path.read_bytes()
    read, left = open_volume(path), open_volume(path, lazy_from=1000)
    assert not is_mapped(read.array)
    assert is_mapped(left.array)
    assert left.array.dtype == read.array.dtype
    assert left.geometry == read.geometry
    np.testing.assert_array_equal(left.array, read.array)
    left.array[:] = 0  # as some callers might
    assert path.read_bytes() == before
    assert not is_mapped(open_volume(path, lazy_from=volume.array.nbytes).array)


def test_zarr_is_read_part_by_part(tmp_path, volume):
    zarr = pytest.importorskip("zarr", minversion="3.0", reason="the writer of this test needs zarr 3")
    group = zarr.open_group(str(tmp_path / "v.ome.zarr"), mode="w", zarr_format=2)
    data = group.create_array("0", shape=(1, *volume.shape), chunks=(1, 8, 8, 8), dtype="<f4")
    data[0] = volume.array
    group.attrs["multiscales"] = [{
        "version": "0.4", "axes": [{"name": n, "type": "space" if n != "c" else "channel"} for n in "czyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 2, 3, 4]}]}],
    }]  # fmt: skip
    found = open_volume(tmp_path / "v.ome.zarr", lazy_from=1000)
    assert isinstance(found.array, lazy.ChunkedArray)
    assert found.shape == volume.shape
    assert found.geometry.spacing == (4, 3, 2)
    np.testing.assert_array_equal(found.array[3:9, ..., 2:5], volume.array[3:9, ..., 2:5])
    np.testing.assert_array_equal(found.array[7], volume.array[7])
    np.testing.assert_array_equal(found.array[::4, ::4, ::4], volume.array[::4, ::4, ::4])
    np.testing.assert_array_equal(np.stack(list(found.array)), volume.array)
    np.testing.assert_array_equal(np.asarray(found.array), volume.array)


@pytest.mark.parametrize("limit", [4, 2000, 20_000, 1 << 30])
@pytest.mark.parametrize("chunks", [None, (8, 6, 10)])
def test_blocks_cover_everything_once_in_bounded_memory(monkeypatch, limit, chunks):
    class Chunked(np.ndarray):
        pass

    array = np.arange(30 * 20 * 24, dtype=np.float32).reshape(30, 20, 24)
    if chunks:
        array = array.view(Chunked)
        array.chunks = chunks
    monkeypatch.setattr(lazy, "_BLOCK_BYTES", limit)
    found = list(lazy.blocks(array))
    assert sorted(np.concatenate([block.ravel() for block in found]).tolist()) == list(range(array.size))
    smallest = 4 * (np.prod(chunks) if chunks else 24)
    assert max(block.nbytes for block in found) <= max(limit, smallest)


def test_other_byte_order_is_swapped_on_the_disk(tmp_path, volume):
    import nrrd

    nrrd.write(
        str(tmp_path / "v.nrrd"), volume.array.astype(">f4"), {"encoding": "raw", "endian": "big"}, index_order="C"
    )
    found = open_volume(tmp_path / "v.nrrd", lazy_from=1000).array
    assert found.dtype.isnative
    assert is_mapped(found)
    np.testing.assert_array_equal(found, volume.array)


def test_opening_reads_hardly_anything_of_an_image_that_stays_on_the_disk(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 4000, (96, 64, 64), dtype=np.uint16)
    save_volume(Volume(image), tmp_path / "v.ome.zarr")
    read = []
    original = lazy.ChunkedArray.__getitem__

    def watched(array, index):
        part = original(array, index)
        read.append(part.size)
        return part

    monkeypatch.setattr(lazy.ChunkedArray, "__getitem__", watched)
    array = open_volume(tmp_path / "v.ome.zarr", lazy_from=1000).array
    assert isinstance(array, lazy.ChunkedArray)
    assert sum(read) <= image.size // 16
    np.testing.assert_array_equal(array[...], image)


def test_no_room_on_the_disk_is_told(monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(1, 1, 1000))
    with pytest.raises(MemoryLimitError, match="TMPDIR"):
        lazy.scratch((20, 20, 20), np.float32)
