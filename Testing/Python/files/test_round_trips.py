"""What is written comes back: voxels to the bit, places to 1e-6, names and colours, in every format that writes."""

import os
import stat
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from filecases import PLACE, STRAIGHT, assert_same_place, labels, numbers, overlapping, volume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import writable_endings
from ACSegLib.volume import Geometry, Segmentation, Volume

ENDINGS = (".nrrd", ".seg.nrrd", ".nii", ".nii.gz", ".mha", ".tif", ".ome.tif", ".mrc", ".ome.zarr", ".h5")
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">f4", ">f8")
NOT_HELD = {
    ".mrc": ("u4", "i4", "u8", "i8", "f8", ">f8"),
    ".ome.tif": ("u8", "i8", "f2"),
}
WIDENED = {(ending, "f2"): np.float32 for ending in (".nrrd", ".seg.nrrd", ".nii", ".nii.gz", ".mha")}


def test_every_writable_ending_is_tested():
    also = {".tiff": ".tif", ".zarr": ".ome.zarr", ".rec": ".mrc", ".map": ".mrc", ".hdf5": ".h5"}
    assert {also.get(e, e) for e in writable_endings()} | {".ome.tif"} == set(ENDINGS)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", TYPES)
def test_voxels_and_place(ending, kind, tmp_path):
    original = volume(kind)
    kept = original.array.copy()
    path = tmp_path / f"image{ending}"
    if kind in NOT_HELD.get(ending, ()):
        with pytest.raises(FileError, match=np.dtype(kind).newbyteorder("=").name.rstrip("0123456789")[:3]):
            save_volume(original, path)
        assert list(tmp_path.iterdir()) == []
        return
    lost = save_volume(original, path)
    np.testing.assert_array_equal(original.array, kept)
    found = open_volume(path)
    expected = np.dtype(WIDENED.get((ending, kind), np.dtype(kind).newbyteorder("=")))
    assert found.array.dtype == expected
    assert found.array.dtype.isnative
    assert any("32-bit" in sentence for sentence in lost) == ((ending, kind) in WIDENED)
    np.testing.assert_array_equal(found.array, original.array)
    assert_same_place(found.geometry, original.geometry)


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings_in_capitals(ending, tmp_path):
    """MetaIO keeps the voxels of a name that ends in .MHA in a file beside it."""
    original = volume("u2")
    save_volume(original, tmp_path / f"CELL{ending.upper()}")
    np.testing.assert_array_equal(open_volume(tmp_path / f"CELL{ending.upper()}").array, original.array)
    assert [path.name for path in tmp_path.iterdir()] == [f"CELL{ending.upper()}"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), ending=st.sampled_from(ENDINGS))
def test_any_geometry_and_shape(data, ending, tmp_path):
    length = st.floats(1e-4, 1e5)
    spacing = data.draw(st.tuples(length, length, length))
    origin = data.draw(st.tuples(*[st.floats(-1e6, 1e6)] * 3))
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    seed = data.draw(st.integers(0, 2**31))
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    unit = data.draw(st.sampled_from(["nm", "um", "mm", "cm", "m", "angstrom"]))
    geometry = Geometry(spacing, origin, tuple(rotation.ravel()), unit)
    array = numbers(data.draw(st.sampled_from(["u1", "i2", "u2", "f4"])), shape, seed)
    path = tmp_path / f"image{ending}"
    save_volume(Volume(array, geometry), path)
    found = open_volume(path)
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype == array.dtype
    assert_same_place(found.geometry, geometry)


@pytest.mark.parametrize("ending", ENDINGS)
def test_lengths_without_a_unit_come_back(ending, tmp_path):
    """Voxels of 2 x 3 x 4 are no cubes, whatever the unit is."""
    path, place = tmp_path / f"image{ending}", Geometry((2, 3, 4), (5, 6, 7))
    save_volume(volume("u2", place), path)
    found = open_volume(path).geometry
    assert_same_place(found, place)
    assert found.unit == "px"


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_unknown_voxel_size_stays_unknown(ending, tmp_path):
    path = tmp_path / f"image{ending}"
    save_volume(volume("u2", Geometry()), path)
    assert open_volume(path).geometry == Geometry()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_names_and_colours_survive(ending, dtype, tmp_path):
    original = labels(PLACE, dtype)
    path = tmp_path / f"labels{ending}"
    save_segmentation(original, path)
    found = open_segmentation(path)
    assert found.segments == original.segments
    assert found.labels.dtype == dtype
    np.testing.assert_array_equal(found.labels, original.labels)
    assert_same_place(found.geometry, original.geometry)


def test_overlapping_segments_survive_in_seg_nrrd(tmp_path):
    original = overlapping()
    assert save_segmentation(original, tmp_path / "labels.seg.nrrd") == []
    found = open_segmentation(tmp_path / "labels.seg.nrrd")
    assert found.segments == original.segments
    for ours, theirs in zip(found.layers, original.layers, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("ending", [e for e in ENDINGS if not e.endswith(".nrrd")])
def test_overlapping_segments_are_flattened_and_told(ending, tmp_path):
    original = overlapping(STRAIGHT)
    lost = save_segmentation(original, tmp_path / f"labels{ending}")
    assert len(lost) == 1
    assert "overlap" in lost[0]
    found = open_segmentation(tmp_path / f"labels{ending}")
    assert [s.name for s in found.segments] == [s.name for s in original.segments]
    np.testing.assert_array_equal(found.mask("halo"), original.mask("halo"))
    np.testing.assert_array_equal(found.mask("cytoplasm"), original.mask("cytoplasm") & ~original.mask("halo"))


@pytest.mark.parametrize("ending", [".tif", ".mrc", ".ome.zarr", ".h5"])
def test_a_lost_rotation_is_told(ending, tmp_path):
    assert any("rotated" in s for s in save_volume(volume(), tmp_path / f"a{ending}"))
    assert save_volume(volume(geometry=STRAIGHT), tmp_path / f"b{ending}") == []


def test_content_decides_and_not_the_name(tmp_path):
    original = volume("u2", STRAIGHT)
    for ending in set(ENDINGS) - {".ome.zarr"}:
        path = tmp_path / f"image{ending}"
        save_volume(original, path)
        for number, other in enumerate((".rec", ".labels", ".tif", "", ".nii.gz")):
            renamed = path.rename(tmp_path / f"renamed{number}{other}")
            np.testing.assert_array_equal(open_volume(renamed).array, original.array, err_msg=f"{ending} as {other}")
            renamed.rename(path)


def test_label_types(tmp_path):
    array = labels(STRAIGHT).labels
    for dtype in (np.int16, np.int64, np.float32, np.float64, np.float16):
        path = tmp_path / "labels.tif"
        save_volume(Volume(array.astype(dtype), STRAIGHT), path)
        found = open_segmentation(path)
        assert found.labels.dtype.kind == "u"
        assert [s.value for s in found.segments] == [2, 7]
        np.testing.assert_array_equal(found.labels, array)
    for bad, word in ((array - 0.5, "whole"), (array.astype(np.int16) - 1, "negative")):
        save_volume(Volume(bad, STRAIGHT), tmp_path / "bad.nrrd")
        with pytest.raises(FileError, match=rf"bad\.nrrd.*{word}"):
            open_segmentation(tmp_path / "bad.nrrd")


def test_masks_of_bool_are_written_as_bytes(tmp_path):
    for ending in ENDINGS:
        path = tmp_path / f"mask{ending}"
        mask = labels(STRAIGHT).labels > 0
        save_segmentation(Segmentation.from_labels(mask, STRAIGHT, {1: "cell"}), path)
        found = open_segmentation(path)
        assert [s.name for s in found.segments] == ["cell"]
        np.testing.assert_array_equal(found.labels, mask)
        save_volume(Volume(mask, STRAIGHT), path)
        np.testing.assert_array_equal(open_volume(path).array, mask)


def test_unknown_endings_and_folders(tmp_path):
    with pytest.raises(FileError, match=r"\.xyz.*must end in.*\.seg\.nrrd"):
        save_volume(volume(), tmp_path / "a.xyz")
    with pytest.raises(FileError, match="does not exist"):
        save_volume(volume(), tmp_path / "absent" / "a.nrrd")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(stat.S_IREAD | stat.S_IEXEC)
    try:
        with pytest.raises(FileError, match="permission"):
            save_volume(volume(), tmp_path / "a.nrrd")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failing_disk_leaves_the_old_file(ending, tmp_path, monkeypatch):
    path = tmp_path / f"image{ending}"
    old = volume("u1", STRAIGHT)
    save_volume(old, path)

    def full(*_args, **_keywords):
        raise OSError(28, "No space left on device")

    for name in ("nrrd", "nifti", "metaimage", "tiff", "mrc", "ome_zarr", "hdf5"):
        module = __import__(f"ACSegLib.files.formats.{name}", fromlist=["write"])
        write = module.write
        monkeypatch.setattr(module, "write", lambda content, where, write=write: (write(content, where), full())[0])
    with pytest.raises(FileError, match="No space left"):
        save_volume(volume("f4", STRAIGHT), path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    np.testing.assert_array_equal(open_volume(path).array, old.array)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_full_disk_is_told_by_every_writer(tmp_path):
    # A limit on file size makes the same kind of error as a full disk, in a process of its own.
    code = """
        import resource, signal, sys
        import numpy as np
        from ACSegLib.errors import FileError
        from ACSegLib.files import save_volume
        from ACSegLib.volume import Geometry, Volume
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        noise = np.random.default_rng(0).integers(0, 255, (40, 100, 100), np.uint8)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        for path in sys.argv[1:]:
            try:
                save_volume(Volume(noise, Geometry((2, 2, 2), unit="nm")), path)
            except FileError as error:
                print(error)
    """
    paths = [str(tmp_path / f"image{ending}") for ending in ENDINGS]
    command = [sys.executable, "-c", textwrap.dedent(code), *paths]
    told = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout.splitlines()
    assert len(told) == len(paths), told
    for sentence, path in zip(told, paths, strict=True):
        assert sentence.startswith(f"cannot write {path}: ")
        assert "free some space" in sentence
    assert list(tmp_path.iterdir()) == []
